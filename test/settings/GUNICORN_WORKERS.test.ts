/** GUNICORN_WORKERS: how many workers should be alive. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startApp } from '../processes.ts';
import { request } from '../requests.ts';
import { holdSetting, NO_NUMBER } from './setting-cases.ts';

holdSetting('expectedWorkers', {
  variable: 'GUNICORN_WORKERS',
  fallback: 0,
  valid: [
    ['8', 8],
    ['0', 0],
    ['100000', 100_000],
  ],
  invalid: [...NO_NUMBER, '100001'],
});

test('a group with fewer workers is degraded by /healthz', async (t) => {
  const app = await startApp(t, 'counts-its-answers.mjs', { env: { GUNICORN_WORKERS: '2' } });
  const { body } = await request(new URL('/healthz', await app.metricsUrl()).href);
  assert.deepEqual(JSON.parse(body), { status: 'degraded', workers: 1, expectedWorkers: 2 });
});
