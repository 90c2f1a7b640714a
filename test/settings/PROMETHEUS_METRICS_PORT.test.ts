/** PROMETHEUS_METRICS_PORT: the port of the endpoint. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freePort, startApp } from '../processes.ts';
import { holdSetting, NO_NUMBER } from './setting-cases.ts';

holdSetting('metricsPort', {
  variable: 'PROMETHEUS_METRICS_PORT',
  otelVariable: 'OTEL_EXPORTER_PROMETHEUS_PORT',
  fallback: 9090,
  valid: [
    ['9464', 9464],
    ['0', 0],
    ['65535', 65_535],
    [' 8080\n', 8080],
    ['0080', 80],
  ],
  invalid: [...NO_NUMBER, '65536', '99999999999999999999'],
});

test('the endpoint is on the port that is told, and a scrape of it is answered', async (t) => {
  const port = await freePort();
  const app = await startApp(t, 'counts-its-answers.mjs', { env: { PROMETHEUS_METRICS_PORT: String(port) } });
  assert.equal(new URL(await app.metricsUrl()).port, String(port));
  await app.scrape();
});
