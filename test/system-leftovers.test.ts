/** No file is left after a normal end; what a killed group leaves is cleared by the next start, and nothing else is. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { select, sum } from './exposition.ts';
import {
  type Cluster,
  fixture,
  freshDirectory,
  type Running,
  start,
  startApp,
  startCluster,
  until,
} from './processes.ts';
import { COUNT, settled } from './request-count.ts';
import { requests } from './requests.ts';

const APP = 'counts-its-answers.mjs';

test('a process that ends by itself leaves no file', async (t) => {
  const app = await startApp(t, APP);
  await requests(`http://127.0.0.1:${app.port}/`, 3);
  await settled(app, 3);
  assert.notDeepEqual(readdirSync(app.directory), [], 'its group is there while it runs');
  app.child.kill('SIGTERM');
  assert.deepEqual(await app.ended(), { code: 0, signal: null });
  assert.deepEqual(readdirSync(app.directory), []);
});

for (const [WAY, code] of [
  ['exits with 7', 7],
  ['throws', 1],
  ['rejects', 1],
  ['exits in an exit listener', 6],
] as const) {
  for (const SERVES_MS of ['0', '300']) {
    test(`a process that ${WAY} after ${SERVES_MS} ms leaves no file`, async (t) => {
      const app = start(t, [fixture('ends-in-some-way.cjs')], { env: { WAY, SERVES_MS } });
      assert.deepEqual(await app.ended(), { code, signal: null });
      assert.deepEqual(readdirSync(app.directory), []);
    });
  }
}

test('a cluster that ends by itself leaves no file', async (t) => {
  const cluster = await startCluster(t, APP, 4);
  await requests(`http://127.0.0.1:${cluster.port}/`, 8);
  await settled(cluster, 8);
  assert.equal(snapshotPids(cluster).length, 4, 'a snapshot of each worker while they run');
  cluster.child.kill('SIGTERM');
  assert.deepEqual(await cluster.ended(), { code: 0, signal: null });
  assert.deepEqual(readdirSync(cluster.directory), []);
});

test('a cluster whose workers are all killed before it ends leaves no file', async (t) => {
  const cluster = await startCluster(t, APP, 2, { env: { REPLACE: 'no' } });
  await cluster.metricsUrl();
  for (const pid of cluster.workers().values()) process.kill(pid, 'SIGKILL');
  assert.deepEqual(await cluster.ended(), { code: 0, signal: null });
  assert.deepEqual(readdirSync(cluster.directory), []);
});

test('the file of a dead worker goes while its cluster lives on, without a scrape, and its counts stay', async (t) => {
  const cluster = await startCluster(t, APP, 2, { env: { GUNICORN_OTEL_EXITED_RETENTION: '1' } });
  await requests(`http://127.0.0.1:${cluster.port}/`, 6);
  await settled(cluster, 6);
  await until(async () => sum(await cluster.scrape(), 'shop_answers_total') === 6, "the app's own counts published");
  const dead = cluster.workers().get('1')!;
  process.kill(dead, 'SIGKILL');
  await until(() => cluster.workers().size === 3, 'a new worker in place of the killed one');
  await until(
    () => !snapshotPids(cluster).includes(dead),
    () => `the end of ${dead} among ${snapshotPids(cluster)}`,
  );
  assert.equal(snapshotPids(cluster).length, 2, 'those of the living are there');
  const samples = await cluster.scrape();
  assert.equal(sum(samples, COUNT), 6);
  assert.equal(sum(samples, 'shop_answers_total'), 6);
  assert.equal(select(samples, 'gunicorn_worker_requests_total').length, 2, 'the dead worker is forgotten');
});

test('what a killed cluster leaves is cleared by the next start, which counts from zero', async (t) => {
  const directory = freshDirectory(t);
  const killed = await startCluster(t, APP, 3, { directory });
  await requests(`http://127.0.0.1:${killed.port}/`, 6);
  await settled(killed, 6);
  process.kill(-killed.pid, 'SIGKILL');
  await killed.ended();
  const leftovers = groups(killed);
  assert.equal(leftovers.length, 1, 'SIGKILL leaves the group where it was');

  const next = await startCluster(t, APP, 2, { directory });
  await until(
    () => groups(next).length === 1,
    () => `one group only; there are ${groups(next)}`,
  );
  assert.ok(!existsSync(join(directory, leftovers[0]!)));
  await requests(`http://127.0.0.1:${next.port}/`, 5);
  await settled(next, 5);
  next.child.kill('SIGTERM');
  await next.ended();
  assert.deepEqual(readdirSync(directory), []);
});

test('what a killed process leaves is cleared by the next start', async (t) => {
  const directory = freshDirectory(t);
  const killed = await startApp(t, APP, { directory });
  await killed.metricsUrl();
  killed.child.kill('SIGKILL');
  await killed.ended();
  const [leftover] = groups(killed);
  assert.ok(leftover);
  const next = await startApp(t, APP, { directory });
  await next.metricsUrl();
  await until(() => !existsSync(join(directory, leftover)), 'the end of the leftovers');
});

test('a start clears neither a living group nor what is not ours', async (t) => {
  const directory = freshDirectory(t);
  mkdirSync(join(directory, 'photographs'));
  writeFileSync(join(directory, 'photographs', 'cat.snapshot'), 'a cat');
  writeFileSync(join(directory, 'notes.txt'), 'precious');
  const first = await startCluster(t, APP, 2, { directory });
  await requests(`http://127.0.0.1:${first.port}/`, 4);
  await settled(first, 4);
  const second = await startApp(t, APP, { directory });
  await requests(`http://127.0.0.1:${second.port}/`, 3);
  await settled(second, 3);
  second.child.kill('SIGTERM');
  await second.ended();
  await requests(`http://127.0.0.1:${first.port}/`, 2);
  await settled(first, 6);
  first.child.kill('SIGTERM');
  await first.ended();
  assert.deepEqual(readdirSync(directory).sort(), ['notes.txt', 'photographs']);
  assert.equal(readFileSync(join(directory, 'photographs', 'cat.snapshot'), 'utf8'), 'a cat');
});

test('a cluster whose primary is killed alone leaves nothing that the next start does not clear', async (t) => {
  const directory = freshDirectory(t);
  const killed = await startCluster(t, APP, 2, { directory });
  await killed.metricsUrl();
  killed.child.kill('SIGKILL');
  // Its workers end with their channel, and each of them as normally as it can.
  await killed.ended();
  const next = await startApp(t, APP, { directory });
  await requests(`http://127.0.0.1:${next.port}/`, 1);
  assert.equal(sum(await settled(next, 1), COUNT), 1);
  await until(
    () => groups(next).length === 1,
    () => `one group only; there are ${groups(next)}`,
  );
});

test('exporter.json says where the metrics are', async (t) => {
  const app = await startApp(t, APP);
  const url = await app.metricsUrl();
  const [group] = groups(app);
  assert.equal(JSON.parse(readFileSync(join(app.directory, group!, 'exporter.json'), 'utf8')).url, url);
});

function groups(running: Running): string[] {
  return readdirSync(running.directory);
}

// The pids that have a snapshot in the only group of the directory.
function snapshotPids(cluster: Cluster): number[] {
  const files = readdirSync(join(cluster.directory, groups(cluster)[0]!));
  const pids = files.filter((name) => name.endsWith('.snapshot')).map((name) => Number(name.split('-')[0]));
  return pids.filter((pid) => pid !== cluster.pid);
}
