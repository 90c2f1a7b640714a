/** An app that brings an OpenTelemetry SDK of its own: it works as without us, and one line says where its metrics are. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { fixture, type Preload, start } from './processes.ts';

for (const preload of ['--import', '--require'] as const) {
  test(`an app under ${preload} registers its own SDK as without us, and is told once where its metrics go`, async (t) => {
    const said = async (how: Preload) => {
      const app = start(t, [fixture('registers-its-own-sdk.mjs')], { preload: how });
      await app.ended();
      return app.output;
    };
    const bare = await said('none');
    const ours = await said(preload);
    assert.match(bare.stdout, /"trace":true,"metrics":true,"second":false/);
    assert.equal(ours.stdout, bare.stdout);
    assert.match(ours.stderr, /^gunicorn-otel: the app registers an OpenTelemetry MeterProvider of its own.*\n$/);
  });
}

test('the line about its metrics is said once, however many threads register an SDK as well', async (t) => {
  const file = JSON.stringify(fixture('registers-its-own-sdk.mjs'));
  const source = `import(${file}); for (const _ of '12') new (require('node:worker_threads').Worker)(${file});`;
  const app = start(t, ['--eval', source]);
  await app.ended();
  assert.equal(app.output.stdout.match(/"metrics":true/g)?.length, 3);
  assert.equal(app.output.stderr.match(/MeterProvider of its own/g)?.length, 1);
});

test('the line about its metrics is of a level that can be turned off before anything is measured', async (t) => {
  const app = start(t, [fixture('registers-its-own-sdk.mjs')], { env: { OTEL_LOG_LEVEL: 'Error' } });
  await app.ended();
  assert.equal(app.output.stderr, '');
});

test('instruments that were made before the app registers its own SDK stay ours', async (t) => {
  const app = start(t, [fixture('registers-its-own-sdk.mjs')], { env: { ASKS_FIRST: '1' } });
  await app.ended();
  assert.match(app.output.stdout, /"metrics":true.*"exported":\["orders"\]/);
});

test('an instrumentation that comes after something was measured still gets to what it is about', async (t) => {
  for (const preload of ['none', '--import', '--require'] as const) {
    const app = start(t, [fixture('instruments-http-last.cjs')], { preload });
    await app.says(/^wrapped: true$/m);
  }
});

test('instrumentations that make their instruments before their SDK is registered wake nobody', async (t) => {
  const look = "console.log('groups', require('node:fs').readdirSync(process.env.PROMETHEUS_MULTIPROC_DIR).length)";
  const app = start(t, ['--require', fixture('starts-a-node-sdk.cjs'), '--eval', `setTimeout(() => ${look}, 200)`], {
    preload: '--require',
    env: { OWN_METRICS: 'read', OTEL_LOGS_EXPORTER: 'none' },
  });
  await app.says(/^groups 0$/m);
});

test('an instrument that has measured nothing yet opens the endpoint all the same', async (t) => {
  const source = `
    require('@opentelemetry/api').metrics.getMeter('shop').createCounter('orders');
    setInterval(() => {}, 60_000);`;
  await start(t, ['--eval', source]).metricsUrl();
});
