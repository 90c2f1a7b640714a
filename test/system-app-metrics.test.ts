/** What the app records through `@opentelemetry/api` is one metric of all its processes, by Prometheus' names. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { select, sum } from './exposition.ts';
import { start, startApp, startCluster, until } from './processes.ts';
import { request } from './requests.ts';

const WORKERS = 4;
// By worker, in seconds; every bucket of the fixture has something, and no two workers the same.
const CHECKOUTS = [[0.5, 1], [1.5], [3, 10, 4], [0.25]];
const OBSERVABLE_INTERVAL_MS = 5000;
// Timers fire a little early by the clock of the process that measures them.
const TIMER_TOLERANCE_MS = 50;

test('counters and histograms of four workers are one series each with the exact sum', async (t) => {
  const cluster = await startCluster(t, 'records-by-worker-id.mjs', WORKERS, {
    env: { CHECKOUTS: JSON.stringify(CHECKOUTS) },
  });
  const samples = await until(
    async () => {
      const scraped = await cluster.scrape();
      return sum(scraped, 'shop_checkout_duration_seconds_count') >= CHECKOUTS.flat().length && scraped;
    },
    () => 'all that the workers have recorded',
  );
  const one = (name: string, labels = {}) => {
    const found = select(samples, name, labels);
    assert.equal(found.length, 1, `${name}: ${JSON.stringify(found)}`);
    return found[0]?.value;
  };
  assert.equal(one('shop_orders_total'), 1 + 2 + 3 + 4);
  assert.equal(one('shop_orders_total', { channel: 'web' }), 1 + 2 + 3 + 4);
  assert.equal(one('shop_sent_bytes_total'), 1024 * (1 + 2 + 3 + 4));
  assert.equal(one('shop_queue'), 1 + 2 + 3 + 4);
  assert.equal(one('shop_checkout_duration_seconds_bucket', { le: '1' }), 3);
  assert.equal(one('shop_checkout_duration_seconds_bucket', { le: '2' }), 4);
  assert.equal(one('shop_checkout_duration_seconds_bucket', { le: '5' }), 6);
  assert.equal(one('shop_checkout_duration_seconds_bucket', { le: '+Inf' }), 7);
  assert.equal(one('shop_checkout_duration_seconds_count'), 7);
  assert.equal(one('shop_checkout_duration_seconds_sum'), 20.25);
  // A gauge cannot be added up: one series of each living worker, under its worker_id.
  const gauges = select(samples, 'shop_disk_usage_ratio');
  assert.deepEqual(gauges.map(({ value }) => value).sort(), [0.1, 0.2, 0.3, 0.4]);
  const workers = select(samples, 'gunicorn_worker_uptime_seconds').map(({ labels }) => labels['worker_id']);
  assert.deepEqual(gauges.map(({ labels }) => labels['worker_id']).sort(), workers.sort());
});

test('when a worker ends its counts stay, and what it had under way goes', async (t) => {
  const cluster = await startCluster(t, 'records-by-worker-id.mjs', WORKERS, {
    env: { CHECKOUTS: '[]', REPLACE: 'no' },
  });
  await until(async () => sum(await cluster.scrape(), 'shop_queue') === 10, 'the queues of four workers');
  process.kill(cluster.workers().get('4')!, 'SIGKILL');
  await until(async () => sum(await cluster.scrape(), 'shop_queue') === 6, 'the queues of the three that are left');
  const samples = await cluster.scrape();
  assert.equal(sum(samples, 'shop_orders_total'), 10);
  assert.deepEqual(
    select(samples, 'shop_disk_usage_ratio')
      .map(({ value }) => value)
      .sort(),
    [0.1, 0.2, 0.3],
  );
  assert.equal(select(samples, 'gunicorn_worker_memory_bytes').length, 3);
});

test('what is counted right before process.exit() is not lost', async (t) => {
  const primary = start(t, ['test/fixtures/counts-and-exits.mjs']);
  await until(() => primary.output.stdout === 'exited with 3\n'.repeat(4), 'the end of four workers');
  await until(async () => sum(await primary.scrape(), 'shop_farewells_total') === 4, 'one farewell of each worker');
});

test('a process that serves nothing has its metrics published as soon as it asks for a meter', async (t) => {
  const job = start(t, ['test/fixtures/counts-without-http.mjs']);
  await until(async () => sum(await job.scrape(), 'job_ticks_total') >= 43, 'the first count and two ticks');
  job.child.kill('SIGTERM');
  assert.deepEqual(await job.ended(), { code: 0, signal: null });
});

test('callbacks of observable instruments run at most once in five seconds, whatever is scraped and flushed', async (t) => {
  const app = await startApp(t, 'observes-a-database.mjs');
  const observedAt = () => [...app.output.stdout.matchAll(/^observed at (.+)$/gm)].map(([, at]) => Number(at));
  let served = 0;
  let shown = false;
  await until(async () => {
    await request(`http://127.0.0.1:${app.port}/`);
    served += 1;
    const samples = await app.scrape();
    // A scrape that runs no callback shows what the last one observed: the gauge must not come and go.
    const { length } = select(samples, 'shop_stock');
    assert.ok(length === 1 || !shown, 'the gauge has gone');
    shown = length === 1;
    return observedAt().length >= 3;
  }, 'three runs of the callback');
  const times = observedAt();
  const gaps = times.slice(1).map((at, index) => at - times[index]!);
  t.diagnostic(`${served} requests and scrapes; callbacks after ${gaps.map(Math.round)} ms`);
  assert.ok(
    gaps.every((gap) => gap >= OBSERVABLE_INTERVAL_MS - TIMER_TOLERANCE_MS),
    `gaps ${gaps}`,
  );
  await until(async () => sum(await app.scrape(), 'shop_answers_total') === served, 'every answer counted');
  assert.ok(sum(await app.scrape(), 'shop_stock') >= 3);
});
