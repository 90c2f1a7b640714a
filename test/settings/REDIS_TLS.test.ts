/** REDIS_TLS: the connection to Redis is encrypted. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readSettings } from '../../src/config.ts';
import { FLAGS, holdSetting, NO_FLAG } from './setting-cases.ts';

holdSetting('redisTls', {
  variable: 'REDIS_TLS',
  fallback: false,
  valid: FLAGS,
  invalid: [...NO_FLAG],
});

test('what is not understood does not send a password in the clear', () => {
  assert.equal(readSettings({ REDIS_TLS: 'ture' }).settings.redisTls, true);
});
