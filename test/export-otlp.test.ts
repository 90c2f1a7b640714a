/** Holds src/export/otlp.ts, push.ts and pushers.ts: OTLP as a receiver of our own reads it, and what failing costs. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { hostname } from 'node:os';
import { beforeEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { AggregationTemporality, type MetricProducer, type PushMetricExporter } from '@opentelemetry/sdk-metrics';
import { project } from '../src/catalogue/views.ts';
import { startPush } from '../src/export/push.ts';
import { type PusherSettings, startPushers } from '../src/export/pushers.ts';
import { loadOptional, requireOptional } from '../src/optional-package.ts';
import { parseExposition, sum } from './exposition.ts';
import { catchLines } from './lines.ts';
import { type ReceivedMetric, type Receiver, samplesOf, startReceiver } from './otlp-receiver.ts';
import { atEnd, until } from './processes.ts';
import { EXPORTER, measure, sceneOf, serve, textOf, VIEW_OPTIONS } from './scenes.ts';

const START_MS = 1_700_000_000_000;
const INTERVAL_MS = 100;
const RESOURCE = resourceFromAttributes({ 'service.name': 'shop', 'deployment.environment.name': 'test' });
const lines = catchLines();

beforeEach(() => {
  for (const name of Object.keys(process.env)) if (name.startsWith('OTEL_')) delete process.env[name];
  lines.length = 0;
});

describe('a push', () => {
  for (const protocol of [undefined, 'http/protobuf', 'http/json']) {
    for (const compression of ['none', 'gzip']) {
      it(`by ${protocol ?? 'default'}, compressed by ${compression}, holds what a scrape shows`, async (t) => {
        const receiver = await startReceiver(t);
        const env = { PROTOCOL: protocol, COMPRESSION: compression, HEADERS: 'authorization=Bearer x' };
        push(receiver, env);
        await until(
          () => receiver.pushes.length > 0,
          () => `a push: ${lines}`,
        );
        const { headers, path, metrics, resource } = receiver.pushes[0]!;
        assert.equal(path, '/v1/metrics');
        assert.equal(headers['content-type'], protocol === 'http/json' ? 'application/json' : 'application/x-protobuf');
        assert.equal(headers['content-encoding'], compression === 'gzip' ? 'gzip' : undefined);
        assert.equal(headers['authorization'], 'Bearer x');
        const scrape = parseExposition(await textOf(scene(1))).filter(({ name }) => name !== 'target_info');
        assert.deepEqual(sorted(samplesOf(metrics)), sorted(scrape));
        assert.deepEqual(resource, {
          'service.name': 'shop',
          'deployment.environment.name': 'test',
          'service.instance.id': `${hostname()}-${process.pid}-${START_MS}`,
          'host.name': hostname(),
          'process.pid': process.pid,
        });
      });
    }
  }

  it('says of each family what it is: sums that only grow, amounts, gauges, histograms, since the group began', async (t) => {
    const receiver = await startReceiver(t);
    push(receiver);
    await until(() => receiver.pushes.length > 0, 'a push');
    const kinds = receiver.pushes[0]!.metrics.map(({ name, kind, temporality, monotonic }) => [
      name,
      [kind, temporality, monotonic],
    ]);
    const { queue_depth, jobs_done_total, pool_size, http_server_active_requests, ...more } = Object.fromEntries(kinds);
    assert.deepEqual(jobs_done_total, ['sum', 2, true]);
    assert.deepEqual(
      [queue_depth, http_server_active_requests],
      [
        ['sum', 2, false],
        ['sum', 2, false],
      ],
    );
    assert.deepEqual(pool_size, ['gauge', 0, false]);
    assert.deepEqual(more['http_server_request_duration_seconds'], ['histogram', 2, false]);
    for (const { points } of receiver.pushes[0]!.metrics) {
      for (const { startNs } of points) assert.equal(startNs, BigInt(START_MS) * 1_000_000n);
    }
  });

  it('that is refused or gets no answer is an error, said once, and so is the end of it', async (t) => {
    const receiver = await startReceiver(t);
    receiver.status = 400;
    const { state } = push(receiver, {}, { metricExportTimeoutMs: 60 });
    await until(() => state.errors > 2, 'errors');
    receiver.status = 0;
    const before = state.errors;
    await until(() => state.errors > before + 1, 'no answers');
    receiver.status = 200;
    await until(
      () => receiver.pushes.length > 1,
      () => `pushes again: ${lines}`,
    );
    assert.ok(state.pushes > state.errors);
    const told = lines.filter((line) => !/are pushed by/.test(line));
    assert.equal(told.length, 2, lines.join('\n'));
    assert.match(told[0]!, /^gunicorn-otel: otlp: pushes do not arrive \(Bad Request\)/);
    assert.match(told[1]!, /^gunicorn-otel: otlp: pushes arrive again$/);
  });

  it('to a receiver that was away holds all that it has missed', async (t) => {
    const receiver = await startReceiver(t, { closed: true });
    const { state } = push(receiver, {});
    await until(() => state.errors > 1, 'errors');
    await receiver.open();
    await until(() => receiver.pushes.length > 0, 'a push');
    assert.equal(lines.filter((line) => /do not arrive \(connect ECONNREFUSED/.test(line)).length, 1, lines.join('\n'));
  });

  it('of what cannot be collected is an error of its own, and the next one arrives', async (t) => {
    const receiver = await startReceiver(t);
    let broken = true;
    const { state } = push(receiver, {}, {}, () =>
      broken ? Promise.reject(new Error('no group')) : collected(scene(1)),
    );
    await until(() => state.errors > 1, 'errors');
    assert.equal(lines.filter((line) => /no group/.test(line)).length, 1);
    broken = false;
    await until(() => receiver.pushes.length > 0, 'a push');
  });

  it('comes a last time at a stop, at once', async (t) => {
    const receiver = await startReceiver(t);
    const { pushers } = push(receiver, {}, { metricExportIntervalMs: 60_000 });
    await until(() => lines.some((line) => /pushed by otlp every 60 s/.test(line)), 'it runs');
    await pushers.stop();
    assert.equal(receiver.pushes.length, 1);
  });
});

describe('deltas', () => {
  it('add up to the scrape, though the receiver was away, a worker has exited and its series are gone', async (t) => {
    const receiver = await startReceiver(t);
    let n = 1;
    // What is taken and not answered in time is sent again, as OTLP has it: there is time.
    const env = { METRICS_TEMPORALITY_PREFERENCE: 'delta', TIMEOUT: '5000' };
    const { state } = push(receiver, env, {}, () => collected(scene(n)));
    await until(() => receiver.pushes.length > 0, 'a push');
    n = 2;
    const first = receiver.pushes.length;
    await until(() => receiver.pushes.length > first + 1, 'a push of two workers');
    // Not closed: what was taken but not answered would be sent again, as OTLP has it.
    receiver.status = 503;
    const errors = state.errors;
    n = 3;
    await until(() => state.errors > errors + 2, 'errors');
    receiver.status = 200;
    const before = receiver.pushes.length;
    await until(() => receiver.pushes.length > before + 1, 'pushes again');
    const counters = new Map<string, number>();
    for (const { metrics } of receiver.pushes) {
      for (const { name, labels, value } of samplesOf(metrics.filter(isGrowing))) {
        const key = JSON.stringify([name, labels]);
        counters.set(key, (counters.get(key) ?? 0) + value);
      }
      for (const metric of metrics)
        assert.equal(metric.temporality, isGrowing(metric) ? 1 : metric.kind === 'sum' ? 2 : 0, metric.name);
    }
    assert.equal(counters.get(JSON.stringify(['gunicorn_worker_requests_total', { worker_id: 'w2' }])), 1);
    const scrape = parseExposition(await textOf(scene(3)));
    const names = new Set(
      receiver.pushes.flatMap(({ metrics }) => samplesOf(metrics.filter(isGrowing)).map(({ name }) => name)),
    );
    for (const { name, labels, value } of scrape.filter((sample) => names.has(sample.name))) {
      assert.equal(counters.get(JSON.stringify([name, labels])), value, `${name} ${JSON.stringify(labels)}`);
    }
  });

  it('are told once, though answers come later than they are waited for', async (t) => {
    const receiver = await startReceiver(t);
    receiver.answerMs = 3 * INTERVAL_MS;
    let n = 1;
    const env = { METRICS_TEMPORALITY_PREFERENCE: 'delta', TIMEOUT: '5000' };
    const { state, pushers } = push(receiver, env, {}, () => collected(scene(n)));
    await until(() => receiver.pushes.length > 1, 'pushes that are answered late');
    assert.ok(state.errors > 0);
    n = 2;
    receiver.answerMs = 0;
    const { pushes } = state;
    await until(() => state.pushes > pushes + 5, 'more pushes');
    await pushers.stop();
    const told = receiver.pushes.flatMap(({ metrics }) => samplesOf(metrics.filter(isGrowing)));
    for (const { name, labels, value } of parseExposition(await textOf(scene(2)))) {
      if (name !== 'jobs_done_total') continue;
      assert.equal(sum(told, name, labels), value);
    }
  });

  it('are failures, each of them, behind one that is never answered, and nothing gathers', async (t) => {
    let exports = 0;
    const exporter: PushMetricExporter = {
      export: () => {
        exports += 1;
      },
      forceFlush: async () => {},
      shutdown: async () => {},
      selectAggregationTemporality: () => AggregationTemporality.DELTA,
    };
    const state = { pushes: 0, errors: 0 };
    const collect = () => collected(scene(1)) as ReturnType<MetricProducer['collect']>;
    const options = {
      name: 'never',
      exporter,
      resource: RESOURCE,
      intervalMs: INTERVAL_MS,
      timeoutMs: INTERVAL_MS / 2,
    };
    const pushing = startPush({ ...options, producer: { collect }, resumed: false, state });
    atEnd(t, () => pushing.stop());
    await until(() => state.errors > 4, 'failures');
    assert.equal(exports, 1);
  });

  it('of an exporter that takes over from one that died begin at what there is', async (t) => {
    const receiver = await startReceiver(t);
    let n = 1;
    push(receiver, { METRICS_TEMPORALITY_PREFERENCE: 'delta' }, {}, () => collected(scene(n)), true);
    const jobs = () =>
      receiver.pushes.flatMap(({ metrics }) => metrics.filter(({ name }) => name === 'jobs_done_total'));
    await until(() => receiver.pushes.length > 0, 'a push of gauges');
    assert.deepEqual(jobs(), []);
    n = 2;
    await until(() => jobs().length > 0, 'a push of jobs');
    assert.deepEqual(
      jobs()[0]!.points.map(({ value }) => value),
      [10],
    );
  });
});

describe('what cannot be', () => {
  it('a protocol that there is not is told, and the default one is used', async (t) => {
    const receiver = await startReceiver(t);
    push(receiver, { PROTOCOL: 'carrier-pigeon' });
    await until(() => receiver.pushes.length > 0, 'a push');
    assert.match(
      lines[0]!,
      /OTEL_EXPORTER_OTLP_PROTOCOL="carrier-pigeon" is not one of http\/protobuf, http\/json, grpc; http\/protobuf is used/,
    );
  });

  it('a timeout longer than the interval is told, and the interval is used', async (t) => {
    const receiver = await startReceiver(t);
    push(receiver, {}, { metricExportTimeoutMs: 500 });
    await until(() => receiver.pushes.length > 0, 'a push');
    assert.match(lines[0]!, /OTEL_METRIC_EXPORT_TIMEOUT \(500 ms\) is longer than .*: 100 ms is used/);
  });

  it('an exporter that is not installed is told with the command that installs it', async () => {
    const name = '@opentelemetry/exporter-metrics-otlp-grpc';
    // The tests have it, for it comes with others: what is loaded in its place is not there.
    const loaded = await loadOptional(name, () => import(`${name}-of-nobody`), 'OTEL_METRICS_EXPORTER=otlp');
    assert.equal(loaded, undefined);
    assert.equal(requireOptional(`${name}-of-nobody`, 'It'), undefined);
    assert.match(
      lines.pop()!,
      /It needs the package \S+, which is not installed; to install it: npm install '\S+@latest'$/,
    );
    assert.match(
      lines[0]!,
      /OTEL_METRICS_EXPORTER=otlp needs the package @opentelemetry\/exporter-metrics-otlp-grpc, which is not installed; to install it: npm install '@opentelemetry\/exporter-metrics-otlp-grpc@\^0.223.0 \|\| \^0.301.0'$/,
    );
  });

  it('without anything set nothing is pushed, forwarded or said', async () => {
    const pushers = startPushers({
      settings: {},
      producer: { collect: () => collected(scene(1)) },
      resource: RESOURCE,
      directory: `/nowhere/${process.pid}-1-0-0`,
      startMs: START_MS,
    });
    assert.deepEqual(pushers.state, { redis: undefined, pushes: new Map() });
    await pushers.stop();
    assert.deepEqual(lines, []);
  });

  it('without a thread of its own OTLP is told and not pushed, since it could keep the app from ending', async (t) => {
    const receiver = await startReceiver(t);
    const { pushers } = push(receiver);
    pushers.unref();
    await delay(3 * INTERVAL_MS);
    assert.equal(receiver.pushes.length, 0);
    assert.match(lines.join('\n'), /needs a thread/);
  });
});

describe('the console', () => {
  it('is a line of JSON per push on stderr, and nothing on stdout', async () => {
    const module = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);
    const source = `
      import { ConsoleExporter } from ${module('../src/export/console-exporter.js')};
      import { toMetricData } from ${module('../src/catalogue/families.js')};
      const family = { name: 'c_total', type: 'counter', help: 'Told.', points: [{ labels: { a: 'b' }, value: 3 }] };
      const metrics = [toMetricData(family, [1, 0], [2, 0])];
      const resource = { attributes: { 'service.name': 'shop' } };
      new ConsoleExporter().export({ resource, scopeMetrics: [{ metrics }] }, ({ code }) => { if (code !== 0) throw code; });`;
    const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '--eval', source], {
      encoding: 'utf8',
    });
    assert.deepEqual([stdout, status], ['', 0], stderr);
    const { time, ...told } = JSON.parse(stderr);
    assert.ok(Math.abs(Date.parse(time) - Date.now()) < 60_000);
    const series = [{ labels: { a: 'b' }, value: 3 }];
    const families = [{ name: 'c_total', type: 'counter', help: 'Told.', series }];
    assert.deepEqual(told, { resource: { 'service.name': 'shop' }, families });
  });
});

function push(
  receiver: Receiver,
  env: Record<string, string | undefined> = {},
  settings: PusherSettings = {},
  collect: MetricProducer['collect'] = () => collected(scene(1)),
  resumed = false,
) {
  process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = receiver.url;
  process.env['OTEL_EXPORTER_OTLP_TIMEOUT'] = '50';
  for (const [name, value] of Object.entries(env)) if (value) process.env[`OTEL_EXPORTER_OTLP_${name}`] = value;
  const pushers = startPushers({
    settings: {
      metricsExporters: ['prometheus', 'otlp'],
      metricExportIntervalMs: INTERVAL_MS,
      metricExportTimeoutMs: INTERVAL_MS,
      ...settings,
    },
    producer: { collect },
    resource: RESOURCE,
    directory: `/nowhere/${process.pid}-1-0-0`,
    startMs: START_MS,
    resumed,
  });
  receiver.senders.push(() => pushers.stop());
  return { pushers, state: pushers.state.pushes!.get('otlp')! };
}

async function collected(shown: ReturnType<typeof sceneOf>) {
  const metrics = project(shown, EXPORTER, VIEW_OPTIONS);
  return { resourceMetrics: { resource: RESOURCE, scopeMetrics: [{ scope: { name: 'scene' }, metrics }] }, errors: [] };
}

// After `n` times ten jobs and a few requests; a second worker serves one at 2, and is gone at 3, but for the group's sums.
function scene(n: number) {
  const requests = [{ path: '/' }, { path: '/slow', seconds: 0.5 }, { path: '/', status: 500 }];
  const table = serve(Array.from({ length: n }, () => requests).flat());
  measure(table, { name: 'jobs.done', attributes: { queue: 'a' }, cell: [10 * n] });
  measure(table, { name: 'queue.depth', kind: 'updowncounter', cell: [4] });
  measure(table, { name: 'pool.size', kind: 'gauge', attributes: {}, cell: [8, START_MS] });
  const members = [{ table, workerId: 'w1' }];
  const everybody = n === 1 ? members : [...members, { table: serve([{}]), workerId: 'w2' }];
  const { merged } = sceneOf(everybody);
  const times = { nowMs: START_MS + n * 1000, startMs: START_MS };
  return sceneOf(n === 2 ? everybody : members, { merged, ...times });
}

function isGrowing({ kind, monotonic }: ReceivedMetric): boolean {
  return monotonic || kind === 'histogram';
}

function sorted(samples: readonly { name: string; labels: Record<string, string>; value: number }[]): string[] {
  return samples
    .map(({ name, labels, value }) => `${name} ${JSON.stringify(Object.entries(labels).sort())} ${value}`)
    .sort();
}
