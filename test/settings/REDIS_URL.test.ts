/** REDIS_URL: all of the connection to Redis in one; its password is never shown. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SETTINGS, type Setting } from '../../src/config.ts';
import { shown } from '../../src/setting-row.ts';
import { holdSetting } from './setting-cases.ts';

holdSetting('redisUrl', {
  variable: 'REDIS_URL',
  fallback: '',
  valid: [
    ['redis://user:s3cret@redis.internal:6380/2', 'redis://user:s3cret@redis.internal:6380/2'],
    ['rediss://redis.internal', 'rediss://redis.internal'],
    ['redis://:p%40ss@[::1]:6379/', 'redis://:p%40ss@[::1]:6379/'],
  ],
  invalid: [
    'redis.internal:6379',
    'http://user:s3cret@redis.internal',
    'redis:user:s3cret@redis.internal',
    'redis://',
    'redis://user:s3#cret@redis.internal',
    'redis://user:12#cret@redis.internal',
    'redis://user:12/cret@redis.internal',
    'redis://user:12?cret@redis.internal',
    'redis://redis.internal/two',
  ],
});

test('of a URL everything but the password is shown, of one that is refused nothing', () => {
  const texts = {
    'redis://user:s3cret@redis.internal:6380/2': 'redis://user:***@redis.internal:6380/2',
    'rediss://:s3cret@redis.internal?password=s3cret': 'rediss://:***@redis.internal',
    'redis://user@redis.internal': 'redis://user@redis.internal',
    'redis://redis.internal': 'redis://redis.internal',
    'redis://user:s3#cret@redis.internal': '***',
    s3cret: '***',
    '': '',
  };
  for (const [text, seen] of Object.entries(texts)) assert.equal(shown(SETTINGS.redisUrl as Setting, text), seen);
});
