/** A scrape waits for no worker: one that is busy for ten seconds costs nobody a sample. */
import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import test from 'node:test';
import { type Sample, select, sum } from './exposition.ts';
import { startCluster, until } from './processes.ts';
import { settled } from './request-count.ts';
import { request } from './requests.ts';

const BLOCKED_MS = 10_000;
// The issue says 100 ms, which the diagnostic line holds against what it was; this bound is for two noisy cores.
const SCRAPE_BOUND_MS = 2000;
// A busy loop takes a whole core, where it gets one.
const BUSY_PERCENT = 30;

test('a worker blocked for ten seconds delays no scrape and hides no sample', async (t) => {
  const cluster = await startCluster(t, 'answers-its-pid-or-blocks.mjs', 3);
  const url = `http://127.0.0.1:${cluster.port}`;
  // A kept-alive connection stays with its worker; new ones would be handed to the blocked one as well.
  const agents = Array.from({ length: 3 }, () => new Agent({ keepAlive: true, maxSockets: 1 }));
  t.after(() => {
    for (const agent of agents) agent.destroy();
  });
  const pids: string[] = [];
  for (const agent of agents) pids.push((await request(url, { agent })).body);
  assert.equal(new Set(pids).size, 3, 'a connection to each worker');
  const before = await settled(cluster, 3);

  const [blockedAgent, ...freeAgents] = agents;
  const [blockedId] = [...cluster.workers()].find(([, pid]) => String(pid) === pids[0])!;
  const isBlocked = ({ labels }: Sample) => labels['worker_id']?.startsWith(`worker_${blockedId}_`);
  let unblocked = false;
  const blocked = request(`${url}/block?${BLOCKED_MS}`, { agent: blockedAgent! }).then(({ body }) => {
    unblocked = true;
    return body;
  });
  let served = 3;
  const durations: number[] = [];
  let busiest = 0;
  await until(async () => {
    for (const agent of freeAgents) await request(url, { agent });
    served += freeAgents.length;
    const startedAt = performance.now();
    let samples = await cluster.scrape();
    durations.push(performance.now() - startedAt);
    assertAllThere(samples, before);
    // The others are fresh: what they have just answered is there at once, whatever the blocked one does.
    if (sum(samples, 'gunicorn_worker_requests_total') < served) {
      await until(
        async () => {
          samples = await cluster.scrape();
          return sum(samples, 'gunicorn_worker_requests_total') >= served;
        },
        `${served} counted`,
        1000,
      );
    }
    const cpu = select(samples, 'gunicorn_worker_cpu_percent').filter(isBlocked);
    busiest = Math.max(busiest, ...cpu.map(({ value }) => value));
    return unblocked;
  }, 'the end of the block');
  const slowest = Math.max(...durations);
  t.diagnostic(`${durations.length} scrapes, the slowest took ${slowest.toFixed(1)} ms (promised: 100 ms)`);
  t.diagnostic(`highest CPU sample of the blocked worker ${busiest.toFixed(0)} %`);
  assert.ok(durations.length > 10, 'scrapes while it was blocked');
  assert.ok(slowest < SCRAPE_BOUND_MS, `a scrape took ${slowest} ms`);
  assert.ok(busiest > BUSY_PERCENT, `the blocked worker was seen busy with ${busiest} % at most`);
  assert.equal(await blocked, pids[0]);
  const after = await settled(cluster, served + 1);
  // It counts in the last buckets of whoever served it, and of nobody else.
  assert.equal(sum(after, 'gunicorn_worker_request_duration_seconds_bucket', { le: '7.5' }), served);
});

function assertAllThere(samples: Sample[], before: Sample[]): void {
  for (const name of ['memory_bytes', 'cpu_percent', 'uptime_seconds', 'state', 'requests_total']) {
    assert.equal(select(samples, `gunicorn_worker_${name}`).length, 3, name);
  }
  for (const { labels, value } of select(before, 'gunicorn_worker_uptime_seconds')) {
    const id = { worker_id: labels['worker_id']! };
    assert.ok(sum(samples, 'gunicorn_worker_uptime_seconds', id) > value, 'uptime goes on');
    assert.ok(sum(samples, 'gunicorn_worker_memory_bytes', id) > 1e6, 'memory of a Node process');
  }
}
