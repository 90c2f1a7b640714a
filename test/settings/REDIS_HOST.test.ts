/** REDIS_HOST: the host of the Redis server. */
import { holdSetting } from './setting-cases.ts';

holdSetting('redisHost', {
  variable: 'REDIS_HOST',
  fallback: 'localhost',
  valid: [
    ['redis.internal', 'redis.internal'],
    ['10.0.0.1', '10.0.0.1'],
    ['::1', '::1'],
  ],
  invalid: ['a b', 'redis://x', 'a/b', '*'],
});
