/** GUNICORN_OTEL_DURATION_BUCKETS: the bounds of the duration histograms. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { select } from '../exposition.ts';
import { startApp } from '../processes.ts';
import { settled } from '../request-count.ts';
import { requests } from '../requests.ts';
import { holdSetting } from './setting-cases.ts';

const DEFAULT = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60];
const numbers = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

holdSetting('durationBuckets', {
  variable: 'GUNICORN_OTEL_DURATION_BUCKETS',
  fallback: DEFAULT,
  valid: [
    ['0.1, 1,10', [0.1, 1, 10]],
    ['1', [1]],
    ['1e-3,1', [0.001, 1]],
    [numbers(50).join(), numbers(50)],
  ],
  invalid: [
    'x',
    '1,x',
    '2,1',
    '1,1',
    '0,1',
    '-1,1',
    '1,',
    ',1',
    '1,,2',
    '1;2',
    '1,Infinity',
    '1,NaN',
    numbers(51).join(),
  ],
});

test('the histograms of durations have the bounds that are told', async (t) => {
  const app = await startApp(t, 'counts-its-answers.mjs', { env: { GUNICORN_OTEL_DURATION_BUCKETS: '0.5,20' } });
  await requests(`http://127.0.0.1:${app.port}/`, 1);
  const samples = await settled(app, 1);
  for (const family of ['gunicorn_worker_request_duration_seconds', 'http_server_request_duration_seconds']) {
    const bounds = select(samples, `${family}_bucket`).map(({ labels }) => labels['le']);
    assert.deepEqual(bounds, ['0.5', '20', '+Inf'], family);
  }
});
