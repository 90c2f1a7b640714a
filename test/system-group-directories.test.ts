/** What lies where groups are made: who cannot write goes elsewhere, who comes and goes leaves nothing. */
import assert from 'node:assert/strict';
import { chmodSync, chownSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { freshDirectory, type StartOptions, startApp } from './processes.ts';
import { settled } from './request-count.ts';
import { request, requests } from './requests.ts';
import { noDisk, smallDisk } from './small-disk.ts';

const APP = 'counts-its-answers.mjs';
const NOBODY = 65_534;

test('a group directory that nobody can write to is passed over with one line, and the metrics are there', async (t) => {
  const directory = freshDirectory(t);
  const temporary = freshDirectory(t);
  const group = join(directory, 'group-shop');
  mkdirSync(group, { mode: 0o500 });
  const options: StartOptions = { directory, env: { GUNICORN_OTEL_GROUP: 'shop', TMPDIR: temporary } };
  // Root can write anywhere.
  if (process.getuid!() === 0) {
    for (const path of [group, temporary]) chownSync(path, NOBODY, NOBODY);
    chmodSync(directory, 0o755);
    options.uid = NOBODY;
  }
  const app = await startApp(t, APP, options);
  await requests(`http://127.0.0.1:${app.port}/`, 3);
  await settled(app, 3);
  const complaints = app.output.stderr.split('\n').filter((line) => line && !line.includes('metrics of process'));
  assert.equal(complaints.length, 1, app.output.stderr);
  assert.match(
    complaints[0]!,
    /PROMETHEUS_MULTIPROC_DIR=\S+ cannot be used \(EACCES.*\); \S+\/group-shop is used instead/,
  );
  assert.ok(complaints[0]!.includes(temporary), complaints[0]);
});

test('processes that come and go while the disk is full leave nothing in their group', { skip: noDisk }, async (t) => {
  const disk = smallDisk(t, 512);
  const options = { directory: disk.path, env: { GUNICORN_OTEL_GROUP: 'shop' } };
  const leader = await startApp(t, APP, options);
  await leader.metricsUrl();
  disk.fill();
  const group = join(disk.path, 'group-shop');
  const before = readdirSync(group).length;
  for (let i = 0; i < 3; i += 1) {
    const app = await startApp(t, APP, options);
    assert.equal((await request(`http://127.0.0.1:${app.port}/`)).status, 200);
    app.child.kill('SIGTERM');
    assert.deepEqual(await app.ended(), { code: 0, signal: null });
    assert.match(app.output.stderr, /ENOSPC/);
  }
  assert.deepEqual(
    readdirSync(group).filter((file) => file.endsWith('.ended')),
    [],
  );
  assert.ok(readdirSync(group).length <= before + 1, `${readdirSync(group)}`);
});
