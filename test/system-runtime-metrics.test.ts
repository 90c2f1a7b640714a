/** OTEL_NODE_ENABLED_INSTRUMENTATIONS=runtime-node: event loop, garbage collection and heap of every worker. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { type Sample, select, sum } from './exposition.ts';
import { ROOT, startApp, startCluster, until } from './processes.ts';
import { settled } from './request-count.ts';
import { requests } from './requests.ts';

const ENABLED = { OTEL_NODE_ENABLED_INSTRUMENTATIONS: 'http,runtime-node', GUNICORN_OTEL_OBSERVABLE_INTERVAL: '200ms' };
const UTILIZATION = 'nodejs_eventloop_utilization_ratio';
const TIME = 'nodejs_eventloop_time_seconds_total';

test('each worker has its event loop and its heap, and what adds up is a sum', async (t) => {
  const cluster = await startCluster(t, 'collects-its-garbage.mjs', 2, { env: ENABLED });
  await requests(`http://127.0.0.1:${cluster.port}/`, 6);
  let samples: Sample[] = [];
  const workers = (name: string) => new Set(select(samples, name).map(({ labels }) => labels['worker_id']));
  const gauges = [UTILIZATION, 'nodejs_eventloop_delay_p99_seconds', 'v8js_memory_heap_used_bytes'];
  await until(
    async () => {
      samples = await cluster.scrape();
      return gauges.every((name) => workers(name).size === 2) && sum(samples, 'v8js_gc_duration_seconds_count') > 0;
    },
    () => `the gauges of all: ${gauges.map((name) => [...workers(name)])}`,
  );
  assert.ok(sum(samples, 'v8js_gc_duration_seconds_count', { v8js_gc_type: 'major' }) > 0);
  const told = readFileSync(join(ROOT, 'docs/instrumentations.md'), 'utf8').match(/(?<=`)(?:nodejs|v8js)_\w+(?=`)/g);
  const families = samples.flatMap(({ name }) => /^(?:nodejs|v8js)_\w+?(?=_bucket$|_sum$|_count$|$)/.exec(name) ?? []);
  assert.deepEqual([...new Set(told)].sort(), [...new Set(families)].sort());
  assert.deepEqual(
    select(samples, TIME).map(({ labels }) => labels),
    [{ nodejs_eventloop_state: 'active' }, { nodejs_eventloop_state: 'idle' }],
  );
  const before = sum(samples, TIME);
  process.kill(cluster.workers().get('1')!, 'SIGKILL');
  await until(() => cluster.workers().size === 3, 'its successor');
  await until(async () => {
    samples = await cluster.scrape();
    return ![...workers(UTILIZATION)].some((id) => id?.startsWith('worker_1_'));
  }, 'the gauges of the dead to be gone');
  assert.ok(sum(samples, TIME) >= before, 'what the dead has spent stays in the sum');
  await settled(cluster, 6);
});

test('nothing of it is there unless it is enabled, and no process is kept from its end', async (t) => {
  const app = await startApp(t, 'collects-its-garbage.mjs');
  await requests(`http://127.0.0.1:${app.port}/`, 1);
  const samples = await settled(app, 1);
  assert.deepEqual(
    samples.filter(({ name }) => /^(?:nodejs|v8js)_/.test(name)),
    [],
  );
  const enabled = await startApp(t, 'collects-its-garbage.mjs', { env: { ...ENABLED, ENDS: '1' } });
  await until(
    async () => select(await enabled.scrape(), UTILIZATION).length === 1,
    'the event loop of the one process',
  );
  await requests(`http://127.0.0.1:${enabled.port}/`, 1);
  assert.deepEqual(await enabled.ended(), { code: 0, signal: null });
});
