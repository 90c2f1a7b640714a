/** A disk that is full: the app answers, what has its file is counted on, and with room again every total is exact. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { sum } from './exposition.ts';
import { startApp, startCluster, until } from './processes.ts';
import { COUNT, settled } from './request-count.ts';
import { requests } from './requests.ts';
import { noDisk, smallDisk } from './small-disk.ts';

const APP = 'counts-its-answers.mjs';
const KILOBYTES = 512;

test('a full disk stops no app and no counting; who comes or dies meanwhile is counted later', {
  skip: noDisk,
}, async (t) => {
  const disk = smallDisk(t, KILOBYTES);
  const env = { GUNICORN_OTEL_EXITED_RETENTION: '0' };
  const cluster = await startCluster(t, APP, 3, { directory: disk.path, env });
  const url = `http://127.0.0.1:${cluster.port}/`;
  await requests(url, 12);
  await settled(cluster, 12);
  disk.fill();
  await requests(url, 12);
  await settled(cluster, 24);

  process.kill(cluster.workers().get('1')!, 'SIGKILL');
  await until(() => cluster.workers().size === 4, 'its successor');
  const served = await requests(url, 24);
  assert.ok(served.includes(String(cluster.workers().get('4'))), 'the successor serves, and has no file');
  const full = await until(async () => {
    const samples = await cluster.scrape();
    // The totals cannot be written: they are tried again and again, and nobody's counts fall.
    return sum(samples, 'gunicorn_exporter_snapshot_errors_total', { cause: 'totals' }) > 1 && samples;
  }, 'the totals are missed');
  assert.ok(sum(full, COUNT) >= 24, `${sum(full, COUNT)}`);

  disk.free();
  await until(async () => sum(await cluster.scrape(), COUNT) === 48, 'all are counted, by whomever');
  const samples = await cluster.scrape();
  assert.ok(sum(samples, 'gunicorn_exporter_errors_total', { cause: 'write' }) >= 1);
  const group = join(disk.path, readdirSync(disk.path)[0]!);
  await until(() => existsSync(join(group, 'totals')), 'the dead is folded');
  assert.equal(sum(await cluster.scrape(), COUNT), 48);
  const lines = (pattern: RegExp) => cluster.output.stderr.split('\n').filter((line) => pattern.test(line));
  assert.equal(lines(/totals in .* cannot be written/).length, 1, cluster.output.stderr);
  // One per process that was refused.
  const refused = lines(/the snapshot file cannot be written.*ENOSPC/);
  assert.equal(new Set(refused).size, refused.length, cluster.output.stderr);
  assert.ok(refused.length >= 1 && refused.length <= 4, cluster.output.stderr);
});

test('an app that starts while the disk is full runs, and is counted from its start once there is room', {
  skip: noDisk,
}, async (t) => {
  const disk = smallDisk(t, KILOBYTES);
  disk.fill();
  const app = await startApp(t, APP, { directory: disk.path });
  await requests(`http://127.0.0.1:${app.port}/`, 5);
  await app.scrape();
  assert.match(app.output.stderr, /ENOSPC/);
  disk.free();
  await settled(app, 5);
  app.child.kill('SIGTERM');
  assert.deepEqual(await app.ended(), { code: 0, signal: null });
  assert.deepEqual(readdirSync(disk.path), []);
});
