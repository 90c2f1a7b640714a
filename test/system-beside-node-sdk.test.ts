/** A NodeSDK beside us, started before or after us or by the app: what each of the two then sees. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { sum } from './exposition.ts';
import { fixture, start, until } from './processes.ts';
import { settled } from './request-count.ts';
import { request, requests } from './requests.ts';

const SDK = ['--require', fixture('starts-a-node-sdk.cjs')];
const APP = fixture('sells-beside-an-sdk.cjs');
const ORDERS = 3;
// The last one is asked what the SDK got.
const REQUESTS = ORDERS + 1;
const BY_APP = { STARTS_SDK: '1' };
const ORDERS_OF_STARTING: Record<string, { args: string[]; env?: Record<string, string> }> = {
  'preloaded before us': { args: [...SDK, '--require', '@x/gunicorn-otel/register'] },
  'preloaded before us, and we by --import': { args: [...SDK, '--import', '@x/gunicorn-otel/register'] },
  'preloaded after us': { args: ['--require', '@x/gunicorn-otel/register', ...SDK] },
  'started by the app': { args: ['--require', '@x/gunicorn-otel/register'], env: BY_APP },
  'started by the app, and we by --import': { args: ['--import', '@x/gunicorn-otel/register'], env: BY_APP },
};
const LINE = /^gunicorn-otel: the app registers an OpenTelemetry MeterProvider of its own: .*$/gm;

describe('a NodeSDK', { concurrency: 2 }, () => {
  for (const [how, { args, env }] of Object.entries(ORDERS_OF_STARTING)) {
    it(`${how}, with a reader of its own: has the app's metrics and spans as without us; one line says so`, async (t) => {
      const bare = await seen(t, SDK, { OWN_METRICS: 'read' });
      const ours = await seen(t, args, { ...env, OWN_METRICS: 'read' });
      assert.deepEqual(ours.bySdk, bare.bySdk);
      assert.deepEqual([...bare.bySdk.names].sort(), ['http.server.request.duration', 'shop.orders']);
      assert.equal(ours.stderr.match(LINE)?.length, 1, ours.stderr);
      assert.equal(sum(ours.samples, 'shop_orders_total'), 0);
    });

    it(`${how}, for traces alone: has its spans as without us, and takes the app's metrics all the same; one line says so`, async (t) => {
      const bare = await seen(t, SDK, NOWHERE);
      const ours = await seen(t, args, { ...env, ...NOWHERE });
      assert.deepEqual(ours.bySdk, bare.bySdk);
      assert.equal(ours.stderr.match(LINE)?.length, 1, ours.stderr);
      assert.equal(sum(ours.samples, 'shop_orders_total'), 0);
    });

    it(`${how}, with no reader: has its spans as without us, and the app's metrics are ours`, async (t) => {
      const bare = await seen(t, SDK, { OWN_METRICS: 'left' });
      const ours = await seen(t, args, { ...env, OWN_METRICS: 'left' });
      assert.deepEqual(ours.bySdk, bare.bySdk);
      assert.deepEqual(ours.stderr.match(LINE), null);
      await until(async () => sum(await ours.app.scrape(), 'shop_orders_total') === ORDERS, 'the orders');
      // HttpInstrumentation's durations have arrived with the orders, and must not be counted beside our own.
      await settled(ours.app, REQUESTS);
    });
  }

  // What HttpInstrumentation has recorded of requests shows as a conflict with our own family of that name.
  for (const [when, args, ofInstrumentation] of [
    ['before us', [...SDK, '--import', '@x/gunicorn-otel/register'], 0],
    ['after us', ['--require', '@x/gunicorn-otel/register', ...SDK], 1],
  ] as const) {
    it(`${when}, told by OTEL_METRICS_EXPORTER=none, leaves the app's metrics to an endpoint that is asked for, and those of its instrumentations if it comes after us`, async (t) => {
      const env = { OTEL_METRICS_EXPORTER: 'none', GUNICORN_OTEL_METRICS_EXPORTER: 'prometheus' };
      const ours = await seen(t, args, env);
      await until(async () => sum(await ours.app.scrape(), 'shop_orders_total') === ORDERS, 'the orders');
      assert.equal(ours.stderr.match(LINE), null);
      const conflict = { metric: 'http_server_request_duration_seconds' };
      assert.equal(sum(await ours.app.scrape(), 'gunicorn_exporter_conflicts', conflict), ofInstrumentation);
    });
  }
});

// NodeSDK's own default is OTLP to this machine; nobody is there.
const NOWHERE = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' };

async function seen(t: TestContext, args: readonly string[], env: Record<string, string>) {
  const app = start(t, [...args, APP], { preload: 'none', env: { OTEL_LOGS_EXPORTER: 'none', ...env } });
  const [, port] = await app.says(/^ready on port (\d+)/m);
  const url = `http://127.0.0.1:${port}`;
  const recording = await requests(`${url}/`, ORDERS);
  assert.deepEqual(recording, Array(ORDERS).fill('true'));
  const bySdk = JSON.parse((await request(`${url}/seen`)).body) as { spans: string[]; names: string[] };
  assert.equal(bySdk.spans.length, ORDERS * 2);
  const samples = args.includes('@x/gunicorn-otel/register') ? await settled(app, REQUESTS) : [];
  return { app, bySdk, samples, stderr: app.output.stderr };
}
