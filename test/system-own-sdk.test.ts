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

test('instruments that were made before the app registers its own SDK stay ours', async (t) => {
  const app = start(t, [fixture('registers-its-own-sdk.mjs')], { env: { ASKS_FIRST: '1' } });
  await app.ended();
  assert.match(app.output.stdout, /"metrics":true.*"exported":\["orders"\]/);
});
