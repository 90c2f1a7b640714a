/** REDIS_TLS: the connection to Redis is encrypted. */
import { FLAGS, holdSetting, NO_FLAG } from './setting-cases.ts';

holdSetting('redisTls', {
  variable: 'REDIS_TLS',
  fallback: false,
  valid: FLAGS,
  invalid: [...NO_FLAG],
});
