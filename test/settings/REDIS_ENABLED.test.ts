/** REDIS_ENABLED: the metrics are also written to Redis. */
import { FLAGS, holdSetting, NO_FLAG } from './setting-cases.ts';

holdSetting('redisEnabled', {
  variable: 'REDIS_ENABLED',
  fallback: false,
  valid: FLAGS,
  invalid: [...NO_FLAG],
});
