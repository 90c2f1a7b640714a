/** PROMETHEUS_BIND_ADDRESS: the address of the endpoint. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readSettings } from '../../src/config.ts';
import { startApp } from '../processes.ts';
import { request } from '../requests.ts';
import { holdSetting } from './setting-cases.ts';

holdSetting('bindAddress', {
  variable: 'PROMETHEUS_BIND_ADDRESS',
  otelVariable: 'OTEL_EXPORTER_PROMETHEUS_HOST',
  fallback: '0.0.0.0',
  valid: [
    ['127.0.0.1', '127.0.0.1'],
    ['::', '::'],
    ['[::1]', '::1'],
    ['fe80::1%eth0', 'fe80::1%eth0'],
    ['metrics.internal', 'metrics.internal'],
  ],
  invalid: ['a b', 'http://x/', '0.0.0.0/0', '*', 'a,b', '[::1', '::1]', '[]'],
});

test('one that is not understood does not open the endpoint to everybody', () => {
  const { settings, problems } = readSettings({ PROMETHEUS_BIND_ADDRESS: '127.0.0.1/8' });
  assert.equal(settings.bindAddress, '127.0.0.1');
  assert.match(
    problems.join(),
    /^PROMETHEUS_BIND_ADDRESS="127\.0\.0\.1\/8" is not .*; the strictest holds: 127\.0\.0\.1$/,
  );
});

test('the endpoint is on the address that is told, and on no other', async (t) => {
  const app = await startApp(t, 'counts-its-answers.mjs', { env: { PROMETHEUS_BIND_ADDRESS: '127.0.0.2' } });
  const url = new URL(await app.metricsUrl());
  assert.equal(url.hostname, '127.0.0.2');
  await app.scrape();
  await assert.rejects(request(`http://127.0.0.1:${url.port}/metrics`), { code: 'ECONNREFUSED' });
});
