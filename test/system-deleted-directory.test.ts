/**
 * Somebody deletes the group's directory under a running service, puts something else in its place, or lets nobody write
 * to it: the metrics come back by themselves, totals included.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { sum } from './exposition.ts';
import { fixture, start, startApp, startCluster, until } from './processes.ts';
import { COUNT, settled } from './request-count.ts';
import { requests } from './requests.ts';
import { noDisk } from './small-disk.ts';

test('a process whose directory is deleted publishes again, and says so', async (t) => {
  const app = await startApp(t, 'counts-its-answers.mjs');
  const url = `http://127.0.0.1:${app.port}/`;
  await requests(url, 3);
  const [group] = readdirSync(app.directory);
  rmSync(join(app.directory, group!), { recursive: true });
  await requests(url, 7);
  await until(async () => sum(await app.scrape(), COUNT) === 10, 'all ten are told', 10_000);
  assert.match(app.output.stderr, /the snapshot file cannot be written/);
});

test('a process whose directory is moved away publishes again where others look', async (t) => {
  const app = await startApp(t, 'counts-its-answers.mjs');
  const url = `http://127.0.0.1:${app.port}/`;
  await requests(url, 3);
  await settled(app, 3);
  const [group] = readdirSync(app.directory);
  renameSync(join(app.directory, group!), join(app.directory, 'elsewhere'));
  await requests(url, 7);
  await until(async () => sum(await app.scrape(), COUNT) === 10, 'all ten are told');
});

test('workers that are busy while their primary ends say nothing of the directory that it has deleted', async (t) => {
  const app = start(t, [fixture('ends-busily.mjs')], { preload: '--require' });
  await until(async () => sum(await app.scrape(), COUNT) > 10, 'workers are busy');
  process.kill(app.pid, 'SIGTERM');
  assert.deepEqual(await app.ended(), { code: 0, signal: null });
  assert.doesNotMatch(app.output.stderr, /snapshot/);
});

test('a directory that is deleted while workers die costs no total: what was known of the dead counts on', async (t) => {
  const env = { GUNICORN_OTEL_EXITED_RETENTION: '0' };
  const cluster = await startCluster(t, 'counts-its-answers.mjs', 3, { env });
  const url = `http://127.0.0.1:${cluster.port}/`;
  await requests(url, 30);
  await settled(cluster, 30);
  const group = join(cluster.directory, readdirSync(cluster.directory)[0]!);
  rmSync(group, { recursive: true });
  for (const id of ['1', '2']) process.kill(cluster.workers().get(id)!, 'SIGKILL');
  let least = 30;
  const count = async () => {
    const counted = sum(await cluster.scrape(), COUNT);
    assert.ok(counted >= least, `${counted} after ${least}`);
    least = counted;
    return counted;
  };
  await until(async () => (await count()) >= 30 && cluster.workers().size === 5, 'the successors');
  await requests(url, 12);
  await until(async () => (await count()) === 42, 'all are told');
  await until(() => existsSync(join(group, 'totals')), 'the totals are written again');
  assert.equal(await count(), 42);
});

test('a directory in whose place somebody has put a file is told, and comes back when that is gone', async (t) => {
  const app = await startApp(t, 'counts-its-answers.mjs');
  const url = `http://127.0.0.1:${app.port}/`;
  await requests(url, 3);
  await settled(app, 3);
  const group = join(app.directory, readdirSync(app.directory)[0]!);
  rmSync(group, { recursive: true });
  writeFileSync(group, 'in the way');
  await app.says(/the snapshot file cannot be written/, 'stderr');
  await requests(url, 4);
  assert.equal(sum(await app.scrape(), COUNT), 3, 'the last that was published stands');
  assert.equal(readFileSync(group, 'utf8'), 'in the way');
  rmSync(group);
  await until(async () => sum(await app.scrape(), COUNT) === 7, 'all seven are told');
  assert.equal(app.output.stderr.match(/the snapshot file cannot be written/g)?.length, 1, app.output.stderr);
});

test('a directory that is made read-only stops nobody who has a file, and takes in the others when it is not', {
  skip: noDisk,
}, async (t) => {
  const env = { GUNICORN_OTEL_EXITED_RETENTION: '0' };
  const cluster = await startCluster(t, 'counts-its-answers.mjs', 2, { env });
  const url = `http://127.0.0.1:${cluster.port}/`;
  await requests(url, 10);
  await settled(cluster, 10);
  const group = join(cluster.directory, readdirSync(cluster.directory)[0]!);
  const writable = makeReadOnly(group);
  t.after(writable);
  await requests(url, 10);
  await settled(cluster, 20);
  process.kill(cluster.workers().get('1')!, 'SIGKILL');
  await until(() => cluster.workers().size === 3, 'a successor');
  await cluster.says(/the snapshot file cannot be written.*EROFS/, 'stderr');
  const served = await requests(url, 10);
  assert.ok(served.includes(String(cluster.workers().get('3'))), 'the successor serves');
  assert.ok(sum(await cluster.scrape(), COUNT) >= 20);
  writable();
  await until(async () => sum(await cluster.scrape(), COUNT) === 30, 'all are told');
  await until(() => existsSync(join(group, 'totals')), 'the dead is folded');
  assert.equal(sum(await cluster.scrape(), COUNT), 30);
});

// To root everything is writable but what is mounted otherwise. Returns what undoes it.
function makeReadOnly(path: string): () => void {
  execFileSync('mount', ['--bind', path, path]);
  execFileSync('mount', ['-o', 'remount,bind,ro', path]);
  let isMounted = true;
  return () => {
    if (isMounted) execFileSync('umount', ['-l', path]);
    isMounted = false;
  };
}
