/** What lies where groups are made: what is not ours stays, what the dead have left is taken away once, who cannot write goes elsewhere. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { snapshotFile } from '../src/snapshot/directory.ts';
import { CLI } from './cli.ts';
import { fixture, freshDirectory, type StartOptions, start, startApp, until } from './processes.ts';
import { settled } from './request-count.ts';
import { request, requests } from './requests.ts';
import { deadMark } from './sleepers.ts';
import { noDisk, smallDisk } from './small-disk.ts';

const APP = 'counts-its-answers.mjs';
const AT_ONCE = 4;
const ROUNDS = 6;
const DEAD = 120;
const NOBODY = 65_534;
const TWO_MINUTES_AGO = Date.now() / 1000 - 120;

test('a start deletes nothing that others have put beside its group, whatever its name and however old', async (t) => {
  const directory = freshDirectory(t);
  const theirs = {
    '2026-11-22': ['precious.txt'],
    '2026-11-23': ['totals', 'exporter.json'],
    'group-photos': ['precious.txt'],
    'group-mixed': ['1-2-3-0.snapshot', 'precious.txt'],
    'group-empty': [],
    '2026-11-24': [],
    '1-2-3-4~5-6-7-8': ['precious.txt'],
    other: [],
  };
  for (const [name, files] of Object.entries(theirs)) {
    mkdirSync(join(directory, name), { mode: 0o700 });
    for (const file of files) writeFileSync(join(directory, name, file), 'precious');
    age(join(directory, name));
  }
  const below = join(directory, 'group-below', 'leader-1');
  mkdirSync(below, { recursive: true });
  writeFileSync(join(below, 'precious.txt'), 'precious');
  age(join(directory, 'group-below'));
  const killed = join(directory, 'group-killed');
  leaveDead(killed, 2, await deadMark(t));

  // That of another name, and one that finds its own occupied.
  for (const group of ['shop', 'photos']) {
    const app = await startApp(t, APP, { directory, env: { GUNICORN_OTEL_GROUP: group } });
    await app.metricsUrl();
    await until(() => !existsSync(killed), 'the sweep');
    await settled(app, 0);
    app.child.kill('SIGTERM');
    assert.deepEqual(await app.ended(), { code: 0, signal: null });
  }
  for (const [name, files] of Object.entries(theirs)) {
    for (const file of files) assert.equal(readFileSync(join(directory, name, file), 'utf8'), 'precious');
    assert.ok(existsSync(join(directory, name)), name);
  }
  assert.ok(existsSync(join(below, 'precious.txt')));
});

test(`of what a group has left that is long over, ${AT_ONCE} that begin at once begin one anew: ${ROUNDS} times`, async (t) => {
  for (let round = 0; round < ROUNDS; round += 1) await beginAtOnce(t, await deadMark(t));
});

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

test('a sidecar that cannot use the directory, either, leaves the group where its members went', async (t) => {
  const temporary = freshDirectory(t);
  const options = { directory: '/proc/none', env: { GUNICORN_OTEL_GROUP: 'shop', TMPDIR: temporary } };
  const app = await startApp(t, APP, options);
  await settled(app, 0);
  const files = () => readdirSync(temporary, { recursive: true }).filter((name) => String(name).endsWith('.snapshot'));
  const before = files();
  assert.equal(before.length, 1);
  const sidecar = start(t, [CLI, 'serve', '--group', 'shop'], { ...options, preload: 'none' });
  assert.equal((await sidecar.ended()).code, 1);
  assert.deepEqual(files(), before);
  assert.doesNotMatch(app.output.stderr, /cannot be written/);
});

async function beginAtOnce(t: TestContext, dead: Parameters<typeof snapshotFile>[0]): Promise<void> {
  const directory = freshDirectory(t);
  const env = { GUNICORN_OTEL_GROUP: 'shop', TMPDIR: freshDirectory(t) };
  leaveDead(join(directory, 'group-shop'), DEAD, dead);
  const all = Array.from({ length: AT_ONCE }, () =>
    start(t, [fixture('listens-when-told.mjs')], { env, directory, stdin: 'pipe' }),
  );
  for (const each of all) await each.says(/^waits$/m);
  for (const { child } of all) child.stdin!.write('\n');
  for (const each of all) await request(`http://127.0.0.1:${(await each.says(/^ready on port (\d+)/m))[1]}/`);
  const said = () => all.map(({ output }) => output.stderr).join('');
  await until(() => said().includes('metrics of process'), said);
  const leader = all.find(({ output }) => output.stderr.includes('metrics of process'))!;
  assert.doesNotMatch(said(), /cannot be used/);
  await settled(leader, AT_ONCE);
  assert.equal(said().match(/metrics of process/g)?.length, 1, said());
  assert.deepEqual(readdirSync(directory), ['group-shop']);
  const left = readdirSync(join(directory, 'group-shop')).filter((file) => file.startsWith(`${dead.pid}-`));
  assert.deepEqual(left, []);
  for (const { child } of all) child.kill('SIGKILL');
  for (const { ended } of all) await ended();
}

// The snapshots and the totals of processes that were killed two minutes ago.
function leaveDead(path: string, count: number, mark: Parameters<typeof snapshotFile>[0]): void {
  mkdirSync(path, { mode: 0o700 });
  for (let thread = 0; thread < count; thread += 1) writeFileSync(join(path, snapshotFile(mark, thread)), '');
  writeFileSync(join(path, 'totals'), '');
  age(path);
}

function age(path: string): void {
  for (const name of [...readdirSync(path), '.']) utimesSync(join(path, name), TWO_MINUTES_AGO, TWO_MINUTES_AGO);
}
