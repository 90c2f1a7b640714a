/** REDIS_USERNAME: the user to log in to Redis as. */
import { holdSetting, NO_LINE } from './setting-cases.ts';

holdSetting('redisUsername', {
  variable: 'REDIS_USERNAME',
  fallback: '',
  valid: [
    ['exporter', 'exporter'],
    ['größe', 'größe'],
  ],
  invalid: [...NO_LINE],
});
