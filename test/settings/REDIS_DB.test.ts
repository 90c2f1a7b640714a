/** REDIS_DB: the number of the database. */
import { holdSetting, NO_NUMBER } from './setting-cases.ts';

holdSetting('redisDb', {
  variable: 'REDIS_DB',
  fallback: 0,
  valid: [
    ['3', 3],
    ['0', 0],
    ['65535', 65_535],
  ],
  invalid: [...NO_NUMBER, '65536'],
});
