/** GUNICORN_OTEL_MAX_ENDPOINTS: how many endpoints a process tells apart. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { select } from '../exposition.ts';
import { startApp } from '../processes.ts';
import { COUNT, settled } from '../request-count.ts';
import { requests } from '../requests.ts';
import { holdSetting, NO_NUMBER } from './setting-cases.ts';

holdSetting('maxEndpoints', {
  variable: 'GUNICORN_OTEL_MAX_ENDPOINTS',
  fallback: 100,
  valid: [
    ['1', 1],
    ['10000', 10_000],
  ],
  invalid: [...NO_NUMBER, '0', '10001'],
});

test('what comes after that many endpoints is other', async (t) => {
  const app = await startApp(t, 'counts-its-answers.mjs', { env: { GUNICORN_OTEL_MAX_ENDPOINTS: '2' } });
  for (const path of ['a', 'b', 'c', 'd']) await requests(`http://127.0.0.1:${app.port}/${path}`, 1);
  const routes = select(await settled(app, 4), COUNT).map(({ labels, value }) => [labels['http_route'], value]);
  assert.deepEqual(routes.sort(), [
    ['/a', 1],
    ['/b', 1],
    ['other', 2],
  ]);
});
