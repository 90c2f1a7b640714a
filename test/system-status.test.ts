/** `/status.json` of real clusters: its numbers are those of the scrape, and it waits for no worker either. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { join } from 'node:path';
import test from 'node:test';
import { snapshotFile } from '../src/snapshot/directory.ts';
import { encodeSnapshot } from '../src/snapshot/layout.ts';
import { monotonicMs } from '../src/snapshot/monotonic.ts';
import { ownMark } from '../src/snapshot/process-mark.ts';
import type { Status, StatusEvent, WorkerStatus } from '../src/status-document.ts';
import { IDENTITY } from './arbitrary-tables.ts';
import { CLI } from './cli.ts';
import { type Sample, select, sum } from './exposition.ts';
import { fixture, freshDirectory, type Running, start, startCluster, until } from './processes.ts';
import { COUNT, settled } from './request-count.ts';
import { request, requests } from './requests.ts';
import { serve } from './scenes.ts';

const APP = 'answers-fails-or-blocks.mjs';
// Far above what they take on a machine with other things to do; what that was is told by the diagnostics.
const LOOK_BOUND_MS = 20_000;
const SIZE_BOUND_BYTES = 1_000_000;

test('its numbers are those of /metrics at the same moment', async (t) => {
  const cluster = await startCluster(t, APP, 3, { env: { GUNICORN_WORKERS: '4', OTEL_SERVICE_NAME: 'shop' } });
  const url = `http://127.0.0.1:${cluster.port}`;
  await requests(`${url}/`, 9);
  for (let n = 0; n < 4; n += 1) assert.equal((await request(`${url}/fails`)).status, 500);
  await settled(cluster, 13);
  // Two looks at one moment there are none of: memory is the same once all three were within a second.
  const { status, before, after } = await until(async () => {
    const before = await cluster.scrape();
    const status = await look(cluster);
    const after = await cluster.scrape();
    const memory = (samples: Sample[]) => select(samples, 'gunicorn_worker_memory_bytes').map(({ value }) => value);
    const told = status.workers.map(({ memoryBytes }) => memoryBytes);
    const isOne = [before, after].every((samples) => JSON.stringify(memory(samples)) === JSON.stringify(told));
    return isOne && { status, before, after };
  }, 'memory that is the same in three looks');
  assert.deepEqual([status.service, status.health, status.expectedWorkers], ['shop', 'degraded', 4]);
  assert.deepEqual([status.total.requests, status.total.failedRequests], [13, 4]);
  assert.equal(status.total.requests, sum(after, COUNT));
  assert.deepEqual(
    status.routes.map(({ method, route, requests, failedRequests }) => [method, route, requests, failedRequests]),
    [
      ['GET', '/', 9, 0],
      ['GET', '/fails', 4, 4],
    ],
  );
  assert.deepEqual(
    status.workers.map(({ id }) => id.split('_')[1]),
    ['1', '2', '3'],
  );
  const pids = cluster.workers();
  for (const worker of status.workers) {
    const own = { worker_id: worker.id };
    assert.equal(worker.pid, pids.get(worker.id.split('_')[1]!));
    assert.equal(worker.role, 'worker');
    assert.equal(worker.requests, sum(after, 'gunicorn_worker_requests_total', own));
    assert.equal(worker.failedRequests, sum(after, 'gunicorn_worker_failed_requests_total', own));
    const [state] = select(after, 'gunicorn_worker_state', own);
    assert.deepEqual(
      [worker.state, String(worker.stateSinceSeconds)],
      [state!.labels['state'], state!.labels['timestamp']],
    );
    const uptimes = [before, after].map((samples) => sum(samples, 'gunicorn_worker_uptime_seconds', own));
    assert.ok(worker.uptimeSeconds >= uptimes[0]! && worker.uptimeSeconds <= uptimes[1]!);
  }
  assert.equal(status.exporter.scrapes, sum(before, 'gunicorn_exporter_scrapes_total'));
  assert.equal(status.exporter.scrapeErrors, 0);
  assert.equal(status.exporter.series, sum(after, 'gunicorn_exporter_series'), 'of the scrape before both');

  await requests(`${url}/`, 5);
  const later = await until(async () => {
    const next = await look(cluster);
    return next.windowSeconds !== null && next.total.requests === 18 && next;
  }, 'a window');
  const rates = later.workers.map(({ requestsPerSecond }) => requestsPerSecond!);
  const rate = later.total.requestsPerSecond!;
  assert.ok(rate > 0 && Math.abs(rates.reduce((a, b) => a + b, 0) - rate) < 1e-9, 'each counts as it should');
  assert.equal(later.routes[0]!.route, '/');
  assert.equal(later.total.failedRequestsPerSecond, 0, 'those were before the window');
});

for (const ids of ['unique', 'slot']) {
  test(`a killed worker is in the events with its reason, then its successor, beside signals (ids: ${ids})`, async (t) => {
    const env = { GUNICORN_OTEL_WORKER_ID: ids };
    const cluster = await startCluster(t, APP, 2, { primary: fixture('keeps-workers.mjs'), env });
    await cluster.metricsUrl();
    const begunMs = Date.now();
    const killed = (await look(cluster)).workers.find(({ pid }) => pid === cluster.workers().get('1'))!;
    process.kill(killed.pid, 'SIGKILL');
    await until(() => cluster.workers().size === 3, 'its successor');
    cluster.child.kill('SIGTTIN');
    await until(() => cluster.workers().size === 4, 'one more');
    const events = await until(async () => {
      const { events } = await look(cluster);
      return events.length >= 3 && events;
    }, 'the events');
    assert.deepEqual(
      events.map(({ kind, workerId, what }) => [kind, workerId, what]),
      [
        ['signal', '', 'TTIN'],
        ['restart', killed.id, 'kill'],
        ['exit', killed.id, 'kill'],
      ],
    );
    assertOrdered(events, begunMs);
    const samples = await cluster.scrape();
    assert.equal(sum(samples, 'gunicorn_master_worker_restarts_total'), 1);
    const { workers } = await look(cluster);
    assert.equal(workers.length, 3);
    assert.equal(
      workers.some(({ pid }) => pid === killed.pid),
      false,
    );
  });
}

test('a blocked worker is unresponsive and its snapshot ages, while the others are served and the look waits for nobody', async (t) => {
  const env = { GUNICORN_OTEL_UNRESPONSIVE_AFTER: '2' };
  const cluster = await startCluster(t, APP, 2, { env });
  const url = `http://127.0.0.1:${cluster.port}`;
  // A kept-alive connection stays with its worker.
  const agents = [1, 2].map(() => new Agent({ keepAlive: true, maxSockets: 1 }));
  t.after(() => {
    for (const agent of agents) agent.destroy();
  });
  const pids: number[] = [];
  for (const agent of agents) pids.push(Number((await request(url, { agent })).body));
  let unblocked = false;
  const blocked = request(`${url}/block?8000`, { agent: agents[0]! }).then(() => {
    unblocked = true;
  });
  const ages: number[] = [];
  let served = 0;
  let slowestMs = 0;
  let sinceSeconds = 0;
  await until(async () => {
    await request(url, { agent: agents[1]! });
    served += 1;
    const startMs = performance.now();
    const { workers } = await look(cluster);
    if (unblocked) return true;
    slowestMs = Math.max(slowestMs, performance.now() - startMs);
    const [stuck, free] = pids.map((pid) => workers.find((worker) => worker.pid === pid)) as [
      WorkerStatus,
      WorkerStatus,
    ];
    assert.equal(free.state, 'running');
    if (stuck.state !== 'unresponsive') return false;
    ages.push(stuck.snapshotAgeSeconds);
    sinceSeconds = stuck.stateSinceSeconds;
    assert.ok(stuck.memoryBytes! > 1e6);
    return false;
  }, 'the end of the block');
  await blocked;
  t.diagnostic(
    `${ages.length} looks at an unresponsive worker, the slowest ${slowestMs.toFixed(1)} ms; ${served} served`,
  );
  assert.ok(ages.length > 3, 'looks were answered while it was blocked');
  assert.deepEqual(
    ages,
    [...ages].sort((a, b) => a - b),
    'it gets older',
  );
  assert.ok(ages[0]! >= 2 && ages.at(-1)! > ages[0]!);
  await until(async () => {
    const { workers } = await look(cluster);
    const worker = workers.find(({ pid }) => pid === pids[0])!;
    return worker.state === 'running' && worker.snapshotAgeSeconds < 2 && worker.stateSinceSeconds >= sinceSeconds;
  }, 'it runs again');
});

test('of 200 workers and 500 routes it is answered to many at once by `serve`, within bounds', async (t) => {
  const directory = freshDirectory(t);
  const group = join(directory, 'group-big');
  mkdirSync(group, { mode: 0o700 });
  // Threads of this process, which lives; each has its own fifty of five hundred routes.
  for (let n = 1; n <= 200; n += 1) {
    const paths = Array.from({ length: 50 }, (_, i) => ({ path: `/route-${letters((n * 50 + i) % 500)}` }));
    const identity = {
      ...IDENTITY,
      ...ownMark(),
      threadId: n,
      role: 'thread' as const,
      workerId: `worker_1.${n}_1700000000`,
    };
    writeFileSync(join(group, snapshotFile(ownMark(), n)), encodeSnapshot(identity, serve(paths), monotonicMs()));
  }
  const sidecar = start(t, [CLI, 'serve', '--dir', directory, '--group', 'big'], { preload: 'none' });
  const url = (await sidecar.metricsUrl()).replace('/metrics', '/status.json');
  const times: number[] = [];
  for (let n = 0; n < 5; n += 1) {
    const startMs = performance.now();
    await request(url);
    times.push(performance.now() - startMs);
  }
  const startMs = performance.now();
  const answers = await Promise.all(Array.from({ length: 30 }, () => request(url)));
  const togetherMs = performance.now() - startMs;
  const { body } = answers[0]!;
  const status = JSON.parse(body) as Status;
  assert.deepEqual([status.workers.length, status.routes.length], [200, 500]);
  assert.deepEqual(status.omitted, { workers: 0, routes: 0 });
  assert.equal(status.total.requests, 10_000);
  assert.ok(status.workers.every(({ requests }) => requests === 50));
  assert.deepEqual([status.workers[1]!.id, status.workers[9]!.id], ['worker_1.2_1700000000', 'worker_1.10_1700000000']);
  const bytes = Buffer.byteLength(body);
  t.diagnostic(
    `${bytes} bytes; five looks took ${times.map((ms) => ms.toFixed(0))} ms, thirty at once ${togetherMs.toFixed(0)} ms`,
  );
  assert.ok(bytes < SIZE_BOUND_BYTES);
  assert.ok(Math.max(...times) < LOOK_BOUND_MS && togetherMs < LOOK_BOUND_MS);
});

async function look(running: Running): Promise<Status> {
  const { status, headers, body } = await request((await running.metricsUrl()).replace('/metrics', '/status.json'));
  assert.equal(status, 200, body);
  assert.equal(headers['content-type'], 'application/json; charset=utf-8');
  return JSON.parse(body) as Status;
}

function assertOrdered(events: readonly StatusEvent[], begunMs: number): void {
  const times = events.map(({ atMs }) => atMs);
  assert.deepEqual(
    times,
    [...times].sort((a, b) => b - a),
    'newest first',
  );
  // The exporter maps the monotonic clock to the wall clock once, to within the time between two reads.
  assert.ok(
    times.every((atMs) => atMs >= begunMs - 1000 && atMs <= Date.now() + 1000),
    `${times} since ${begunMs}`,
  );
}

// Digits would be taken for ids.
function letters(n: number): string {
  return [...String(n)].map((digit) => String.fromCharCode(97 + Number(digit))).join('');
}
