/** A group with a real exporter thread and a receiver of OTLP: what arrives is what a scrape shows. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { SETTINGS } from '@x/gunicorn-otel';
import { startExportingProcess, startGroup, still } from './exporting-group.ts';
import { type Sample, sum } from './exposition.ts';
import { type Receiver, samplesOf, startGrpcReceiver, startReceiver } from './otlp-receiver.ts';
import { startCluster, until } from './processes.ts';
import { requests } from './requests.ts';
import { measure, serve } from './scenes.ts';

const COUNT = 'http_server_request_duration_seconds_count';
// A push that takes longer than its interval counts as failed: two busy cores must not make it so.
const SETTINGS_OF_PUSH = { metricExportIntervalMs: 500, metricExportTimeoutMs: 500 };

describe('a group with OTLP', () => {
  for (const protocol of ['http/protobuf', 'http/json']) {
    it(`pushes by ${protocol} what a scrape shows, and counts no scrape for it`, async (t) => {
      const receiver = await startReceiver(t);
      const table = serve([{ path: '/a' }, { path: '/b', status: 503, seconds: 2 }]);
      measure(table, { name: 'job.duration', unit: 's', kind: 'histogram', bounds: [[0.5, 1]], cell: [2.25, 1, 0, 2] });
      const settings = { ...SETTINGS_OF_PUSH, metricsExporters: ['prometheus', 'otlp'] };
      const env = {
        OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
        OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
        ...endpointOf(receiver),
      };
      const group = startGroup(t, table, settings, env);
      await until(() => receiver.pushes.length > 3, 'pushes');
      const scrape = await group.scrape();
      assert.deepEqual(still(samplesOf(receiver.pushes.at(-1)!.metrics)), still(scrape));
      assert.equal(sum(scrape, 'gunicorn_exporter_scrapes_total'), 1);
      assert.ok(sum(scrape, 'gunicorn_exporter_pushes_total', { exporter: 'otlp' }) > 3);
      assert.equal(sum(scrape, 'gunicorn_exporter_push_errors_total', { exporter: 'otlp' }), 0);
    });
  }

  it('pushes by grpc what a scrape shows', async (t) => {
    const receiver = await startGrpcReceiver(t);
    const env = {
      OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
      OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    };
    const settings = { ...SETTINGS_OF_PUSH, metricsExporters: ['prometheus', 'otlp'] };
    const group = startGroup(t, serve([{ path: '/a' }, { path: '/b', status: 503 }]), settings, env);
    await until(() => receiver.pushes.length > 1, 'pushes');
    const { metrics, path } = receiver.pushes.at(-1)!;
    assert.equal(path, '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export');
    assert.deepEqual(still(samplesOf(metrics)), still(await group.scrape()));
  });

  it('that prefers deltas pushes what adds up to the scrape', async (t) => {
    const receiver = await startReceiver(t);
    const settings = { ...SETTINGS_OF_PUSH, metricsExporters: ['otlp', 'prometheus'] };
    const env = { OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: 'delta', ...endpointOf(receiver) };
    const group = startGroup(t, serve([{}]), settings, env);
    await until(() => receiver.pushes.length > 1, 'pushes');
    group.publish(serve([{}, {}, {}]));
    await until(
      () => pushed(receiver, COUNT) === 3,
      () => `3 requests: ${pushed(receiver, COUNT)}`,
    );
    group.publish(serve([{}, {}, {}, {}]));
    await until(
      () => pushed(receiver, COUNT) === 4,
      () => `4 requests: ${pushed(receiver, COUNT)}`,
    );
    const family = receiver.pushes[0]!.metrics.find(({ name }) => name === COUNT.replace('_count', ''))!;
    assert.equal(family.temporality, 1);
    assert.equal(sum(await group.scrape(), COUNT), 4);
  });

  it('and without prometheus has no endpoint, and says so to who asks for its URL', async (t) => {
    const receiver = await startReceiver(t);
    const group = startGroup(t, serve([{}]), { ...SETTINGS_OF_PUSH, metricsExporters: ['otlp'] }, endpointOf(receiver));
    await until(() => receiver.pushes.length > 0, 'a push');
    assert.equal(await group.url(), undefined);
    assert.equal(existsSync(join(group.directory, 'exporter.json')), false);
  });

  it('tells of two processes as two instances', async (t) => {
    const receiver = await startReceiver(t);
    const settings = { ...SETTINGS_OF_PUSH, metricsExporters: ['otlp'] };
    for (let i = 0; i < 2; i += 1) {
      startExportingProcess(t, settings, 'setInterval(() => {}, 1000);', { env: endpointOf(receiver) });
    }
    const instances = () => new Set(receiver.pushes.map(({ resource }) => resource['service.instance.id']));
    await until(() => instances().size === 2, 'two instances');
  });

  for (const state of ['answers', 'hangs', 'is away']) {
    it(`ends when it has nothing left to do, though the receiver ${state}`, async (t) => {
      const receiver = await startReceiver(t, { closed: state === 'is away' });
      if (state === 'hangs') receiver.status = 0;
      const settings = { ...SETTINGS_OF_PUSH, metricsExporters: ['otlp'] };
      const source = `setTimeout(() => console.log('done'), 1000);`;
      const group = startExportingProcess(t, settings, source, { env: endpointOf(receiver) });
      await group.says(/done/);
      const startMs = performance.now();
      assert.deepEqual(await group.ended(), { code: 0, signal: null });
      assert.ok(performance.now() - startMs < 1000);
      assert.equal(group.output.stdout, 'done\n');
    });
  }

  it('and the console has its metrics on stderr and nothing on stdout', async (t) => {
    const settings = { ...SETTINGS_OF_PUSH, metricsExporters: ['console'] };
    const group = startExportingProcess(t, settings, 'setInterval(() => {}, 1000);');
    const [line] = await group.says(/^\{"time".*\}$/m, 'stderr');
    const { families } = JSON.parse(line) as { families: { name: string }[] };
    assert.ok(families.some(({ name }) => name === 'gunicorn_exporter_info'));
    assert.equal(group.output.stdout, '');
  });
});

// What only the variables and the whole package can show.
const NO_VARIABLES = !('metricsExporters' in SETTINGS) && 'this build has no OTEL_METRICS_EXPORTER';

describe('an app with OTEL_METRICS_EXPORTER', { skip: NO_VARIABLES }, () => {
  for (const temporality of ['cumulative', 'delta']) {
    it(`pushes ${temporality} totals that a kill of a worker takes nothing from`, async (t) => {
      const receiver = await startReceiver(t);
      const env = {
        OTEL_METRICS_EXPORTER: 'otlp,prometheus',
        OTEL_METRIC_EXPORT_INTERVAL: '200',
        OTEL_METRIC_EXPORT_TIMEOUT: '200',
        OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: temporality,
        ...endpointOf(receiver),
      };
      const cluster = await startCluster(t, 'counts-its-answers.mjs', 2, { env });
      const url = `http://127.0.0.1:${cluster.port}/`;
      const counted = () => (temporality === 'delta' ? pushed(receiver, COUNT) : sum(lastOf(receiver), COUNT));
      await requests(url, 40);
      await until(
        () => counted() === 40,
        () => `40 requests: ${counted()}`,
      );
      process.kill([...cluster.workers().values()][0]!, 'SIGKILL');
      await until(() => cluster.workers().size === 3, 'a new worker in place of the killed one');
      await requests(url, 20);
      await until(
        () => counted() === 60,
        () => `60 requests: ${counted()}`,
      );
      assert.equal(sum(await cluster.scrape(), COUNT), 60);
    });
  }
});

function endpointOf({ url }: Receiver): Record<string, string> {
  return { OTEL_EXPORTER_OTLP_ENDPOINT: url };
}

function lastOf({ pushes }: Receiver): Sample[] {
  return samplesOf(pushes.at(-1)?.metrics ?? []);
}

// All that came of a sample, for deltas.
function pushed({ pushes }: Receiver, name: string): number {
  return pushes.reduce((total, { metrics }) => total + sum(samplesOf(metrics), name), 0);
}
