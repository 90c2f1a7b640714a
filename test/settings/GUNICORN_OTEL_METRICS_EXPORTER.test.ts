/** GUNICORN_OTEL_METRICS_EXPORTER: where the metrics go. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { start, startApp } from '../processes.ts';
import { requests } from '../requests.ts';
import { holdSetting } from './setting-cases.ts';

holdSetting('metricsExporters', {
  variable: 'GUNICORN_OTEL_METRICS_EXPORTER',
  otelVariable: 'OTEL_METRICS_EXPORTER',
  fallback: ['prometheus'],
  valid: [
    ['prometheus,otlp', ['prometheus', 'otlp']],
    ['otlp', ['otlp']],
    ['none', ['none']],
    ['Console , prometheus', ['console', 'prometheus']],
  ],
  invalid: ['x', 'prometheus,x', 'none,otlp', ','],
});

test('without prometheus no endpoint is opened, and the app is measured all the same', async (t) => {
  const app = await startApp(t, 'counts-its-answers.mjs', { env: { OTEL_METRICS_EXPORTER: 'none' } });
  await app.says(/no endpoint is opened: the exporters are none/, 'stderr');
  await requests(`http://127.0.0.1:${app.port}/`, 1);
  const [group] = readdirSync(app.directory);
  const files = readdirSync(join(app.directory, group!));
  assert.ok(files.some((file) => file.endsWith('.snapshot')));
  assert.ok(!files.includes('exporter.json'));
  assert.doesNotMatch(app.output.stderr, /metrics of process/);
});

test("an endpoint is opened when OpenTelemetry's variable is for other tools", async (t) => {
  const env = { OTEL_METRICS_EXPORTER: 'none', GUNICORN_OTEL_METRICS_EXPORTER: 'prometheus' };
  const app = await startApp(t, 'counts-its-answers.mjs', { env });
  assert.ok((await app.scrape()).length > 0);
});

test('a program that starts measuring itself is not kept waiting for a URL', async (t) => {
  const source = `
    import { start } from '@x/gunicorn-otel';
    const started = start({ metricsExporters: ['otlp'] });
    console.log('url', await started.url);
    started.stop();`;
  const program = start(t, ['--input-type=module', '--eval', source], { preload: 'none' });
  await program.says(/^url undefined$/m);
  assert.deepEqual(await program.ended(), { code: 0, signal: null });
});
