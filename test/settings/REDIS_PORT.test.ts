/** REDIS_PORT: the port of the Redis server. */
import { holdSetting, NO_NUMBER } from './setting-cases.ts';

holdSetting('redisPort', {
  variable: 'REDIS_PORT',
  fallback: 6379,
  valid: [
    ['6380', 6380],
    ['1', 1],
    ['65535', 65_535],
  ],
  invalid: [...NO_NUMBER, '0', '65536'],
});
