/** REDIS_KEY_PREFIX: what the keys in Redis begin with. */
import { holdSetting } from './setting-cases.ts';

holdSetting('redisKeyPrefix', {
  variable: 'REDIS_KEY_PREFIX',
  fallback: 'gunicorn',
  valid: [
    ['shop:metrics', 'shop:metrics'],
    ['a.b-c_d', 'a.b-c_d'],
    ['x'.repeat(100), 'x'.repeat(100)],
  ],
  invalid: ['a b', 'a*', 'größe', 'x'.repeat(101)],
});
