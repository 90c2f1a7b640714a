/** GUNICORN_OTEL_LABELS: which labels the per-worker families have. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sum } from '../exposition.ts';
import { startApp } from '../processes.ts';
import { settled } from '../request-count.ts';
import { requests } from '../requests.ts';
import { holdSetting } from './setting-cases.ts';

holdSetting('labels', {
  variable: 'GUNICORN_OTEL_LABELS',
  fallback: 'standard',
  valid: [
    ['detailed', 'detailed'],
    ['standard', 'standard'],
    ['Standard', 'standard'],
  ],
  invalid: ['all', 'true', 'detailed,standard'],
});

test('detailed request families have method and endpoint', async (t) => {
  const app = await startApp(t, 'counts-its-answers.mjs', { env: { GUNICORN_OTEL_LABELS: 'detailed' } });
  await requests(`http://127.0.0.1:${app.port}/a`, 2);
  const samples = await settled(app, 2);
  assert.equal(sum(samples, 'gunicorn_worker_requests_total', { method: 'GET', endpoint: '/a' }), 2);
});
