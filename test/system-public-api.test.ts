/** The public API as programs use it: routes and errors by name, metrics by hand, a reader and an SDK of one's own. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { DataPointType, MeterProvider, type MetricData, MetricReader } from '@opentelemetry/sdk-metrics';
import { gunicornViews } from '@x/gunicorn-otel';
import { select, sum } from './exposition.ts';
import { fixture, start, startApp, until } from './processes.ts';
import { request, requests } from './requests.ts';

const COUNT = 'http_server_request_duration_seconds_count';
const FAILED = 'gunicorn_worker_failed_requests_total';
const HANDLED = 'gunicorn_worker_error_handling_total';

test('requests are told by the route and the error that the app names', async (t) => {
  const app = await startApp(t, 'names-its-routes.mjs');
  const url = `http://127.0.0.1:${app.port}`;
  for (const path of ['/users/ann', '/users/bob?x=1', '/plain']) assert.equal((await request(url + path)).status, 200);
  assert.equal((await request(`${url}/fails`)).status, 503);
  await assert.rejects(request(`${url}/throws`, { timeout: 300 }));
  const samples = await until(async () => {
    const scraped = await app.scrape();
    return sum(scraped, COUNT) === 5 && scraped;
  }, 'five requests');
  assert.equal(sum(samples, COUNT, { http_route: '/users/:name' }), 2);
  assert.equal(sum(samples, COUNT, { http_route: '/plain' }), 1);
  const failed = select(samples, FAILED).map(({ labels: { worker_id: _, ...labels }, value }) => [labels, value]);
  assert.deepEqual(failed, [
    [{ method: 'GET', endpoint: '/fails', error_type: 'PaymentError' }, 1],
    [{ method: 'GET', endpoint: '/throws', error_type: 'ERR_THROWN' }, 1],
  ]);
  assert.equal(sum(samples, HANDLED), 2);
});

test('a worker that is not of HTTP tells its own requests, errors, state, restarts and signals', async (t) => {
  const app = start(t, [fixture('counts-by-hand.mjs')], { preload: 'none', env: { GUNICORN_OTEL_LABELS: 'detailed' } });
  await app.says(/^ready/m);
  await app.metricsUrl();
  const samples = await until(async () => {
    const scraped = await app.scrape();
    return sum(scraped, 'gunicorn_worker_requests_total') === 2 && scraped;
  }, 'two requests');
  const rpc = { method: 'POST', endpoint: 'rpc.Charge' };
  assert.equal(sum(samples, 'gunicorn_worker_request_duration_seconds_sum', rpc), 0.5);
  assert.equal(sum(samples, FAILED, { ...rpc, error_type: '_OTHER' }), 1);
  assert.equal(sum(samples, HANDLED, { ...rpc, error_type: 'CardError' }), 1);
  assert.equal(sum(samples, HANDLED), 2);
  assert.equal(sum(samples, 'gunicorn_worker_state', { state: 'quitting' }), 1);
  const crashed = { worker_id: 'worker_rpc_1', reason: 'crash' };
  assert.equal(sum(samples, 'gunicorn_worker_restart_total', crashed), 1);
  assert.equal(sum(samples, 'gunicorn_master_worker_restarts_total', crashed), 1);
  assert.equal(sum(samples, 'gunicorn_master_worker_restart_count_total', { ...crashed, restart_type: 'forced' }), 1);
  assert.equal(sum(samples, 'gunicorn_master_signals_total', { signal: 'HUP', action: 'reload' }), 1);
  assert.equal(sum(samples, 'gunicorn_master_signals_total', { signal: 'USR2', action: 'rotate' }), 1);
});

test("a reader of the app's own collects every worker of the group, and no endpoint is opened", async (t) => {
  const app = start(t, [fixture('reads-by-its-own-reader.mjs')], { preload: 'none' });
  const [, port] = await app.says(/^ready on port (\d+)/m);
  await requests(`http://127.0.0.1:${port}/`, 7);
  const collected = await until(async () => {
    app.child.kill('SIGUSR2');
    const lines = [...app.output.stdout.matchAll(/^collected (.*)$/gm)].map(([, text]) => JSON.parse(text!));
    return lines.find(({ points }) => points?.reduce((a: number, b: number) => a + b, 0) === 7);
  }, 'seven requests in what the reader collects');
  assert.deepEqual(collected.errors, []);
  assert.doesNotMatch(app.output.stderr, /metrics of process/);
});

test('an instrumentation measures from its construction on, for as long as it is enabled', async (t) => {
  const app = start(t, [fixture('instruments-itself.mjs')], { preload: 'none' });
  const [, port] = await app.says(/^ready on port (\d+)/m);
  const url = `http://127.0.0.1:${port}`;
  await app.metricsUrl();
  await requests(`${url}/`, 3);
  const counted = async () => sum(await app.scrape(), 'gunicorn_worker_requests_total', { method: 'GET' });
  await until(async () => (await counted()) === 3, 'three requests');
  await requests(`${url}/off`, 1);
  await assert.rejects(app.scrape());
  await requests(`${url}/on`, 1);
  await until(() => [...app.output.stderr.matchAll(/metrics of process/g)].length === 2, 'a second endpoint');
});

test("an SDK of the app's own has our buckets and labels by our views", async () => {
  class Reader extends MetricReader {
    protected override async onForceFlush(): Promise<void> {}
    protected override async onShutdown(): Promise<void> {}
  }
  const reader = new Reader();
  const meter = new MeterProvider({ readers: [reader], views: gunicornViews() }).getMeter('http');
  const attributes = { 'http.request.method': 'GET', 'http.route': '/', 'server.port': 80 };
  meter.createHistogram('http.server.request.duration').record(0.3, attributes);
  meter.createUpDownCounter('http.server.active_requests').add(1, attributes);
  meter.createHistogram('http.server.request.body.size').record(5000, attributes);
  const { resourceMetrics } = await reader.collect();
  const metrics: MetricData[] = resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics);
  const shapes = metrics.map((metric) => [
    metric.descriptor.name,
    Object.keys(metric.dataPoints[0]!.attributes).sort().join(),
    metric.dataPointType === DataPointType.HISTOGRAM
      ? metric.dataPoints[0]!.value.buckets.boundaries.at(-1)
      : undefined,
  ]);
  assert.deepEqual(shapes, [
    ['http.server.request.duration', 'http.request.method,http.route', 60],
    ['http.server.active_requests', 'http.request.method', undefined],
    ['http.server.request.body.size', 'http.request.method,http.route', 1024 * 4 ** 6],
  ]);
});

test('what is collected while there is no exporter thread is an error at once, and waits for nobody', async (t) => {
  const app = start(t, [fixture('collects-without-a-thread.mjs')], { preload: 'none' });
  const [, before, between] = await app.says(/^errors (\d+), (\d+)$/m);
  assert.deepEqual([before, between], ['0', '1']);
});
