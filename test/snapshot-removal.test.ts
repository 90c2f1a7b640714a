/** Holds src/snapshot/removal.ts: what is deleted with a group, what never is, and whose turn it is. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { basename, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { EXPORTER_FILE } from '../src/export/endpoint.ts';
import { COUNTS_FILE } from '../src/export/lasting-counts.ts';
import { snapshotFile, TOTALS_FILE } from '../src/snapshot/directory.ts';
import { createGroupDirectory, sweepDeadGroups } from '../src/snapshot/group.ts';
import { TRIAL_FILE } from '../src/snapshot/place.ts';
import { formatMark, ownMark, type ProcessMark } from '../src/snapshot/process-mark.ts';
import { removeGroup } from '../src/snapshot/removal.ts';
import { failing } from './failing-calls.ts';
import { freshDirectory, start } from './processes.ts';
import { deadMark } from './sleepers.ts';

const TWO_MINUTES_AGO = Date.now() / 1000 - 120;
const REMOVAL = new URL('../src/snapshot/removal.js', import.meta.url);

describe("a group's directory is removed", () => {
  it('with every file that this package writes', (t) => {
    const { base, path } = named(t);
    const own = snapshotFile(ownMark(), 0, 2);
    const totals = [TOTALS_FILE, `${TOTALS_FILE}-worker_1`];
    const copies = totals.flatMap((name) => [name, `${name}.copy`]);
    const written = [own, ...copies, EXPORTER_FILE, COUNTS_FILE].flatMap((name) => [name, `${name}.new`]);
    const rest = [`${own}.ended`, ...copies.map((name) => `${name}.unreadable`), 'leader-12', TRIAL_FILE];
    for (const name of [...written, ...rest]) writeFileSync(join(path, name), '');
    assert.ok(removeGroup(path));
    assert.ok(!removeGroup(path), 'once');
    assert.deepEqual(readdirSync(base), []);
  });

  it('and stays as it is when there is one entry that this package does not write', (t) => {
    for (const put of [
      (path: string) => writeFileSync(join(path, 'precious.txt'), ''),
      (path: string) => writeFileSync(join(path, 'leader-1.bak'), ''),
      (path: string) => mkdirSync(join(path, 'leader-1')),
      (path: string) => symlinkSync('/', join(path, 'totals')),
    ]) {
      const { base, path } = named(t);
      publish(path, ownMark());
      put(path);
      const before = readdirSync(path);
      assert.ok(!removeGroup(path));
      assert.deepEqual(readdirSync(path), before);
      assert.deepEqual(readdirSync(base), ['group-shop']);
    }
  });

  it('and given back to who has come in while it was moved out of the way', (t) => {
    const { base, path } = named(t);
    const comeIn = (at: string) => {
      publish(at, ownMark());
      return false;
    };
    assert.ok(!removeGroup(path, (at) => at === path || comeIn(at)));
    assert.deepEqual(readdirSync(base), ['group-shop']);
    assert.deepEqual(readdirSync(path), [snapshotFile(ownMark(), 0)]);
  });

  it('and given back when nobody can look into it for the moment', (t) => {
    const { base, path } = named(t);
    publish(path, ownMark());
    const noHandle = (at: string) => {
      if (at === path) failing(t, 'readdirSync', 'EMFILE');
      return true;
    };
    assert.ok(!removeGroup(path, noHandle));
    t.mock.restoreAll();
    syncBuiltinESMExports();
    assert.deepEqual(readdirSync(base), ['group-shop']);
    assert.deepEqual(readdirSync(path), [snapshotFile(ownMark(), 0)]);
  });

  it('and not put in the place of one that others have begun meanwhile', (t) => {
    const { base, path } = named(t);
    writeFileSync(join(path, 'totals'), '');
    const begin = () => {
      publish(path, ownMark());
      return false;
    };
    removeGroup(path, (at) => at === path || begin());
    assert.deepEqual(readdirSync(base), ['group-shop']);
    assert.deepEqual(readdirSync(path), [snapshotFile(ownMark(), 0)]);
  });
});

describe('a sweep', () => {
  it('finishes the removal that a killed process has begun', async (t) => {
    const { base, path } = named(t);
    for (const name of ['leader-1', 'totals']) writeFileSync(join(path, name), '');
    const blocks =
      "(at) => { if (at !== path) { console.log('moved'); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); } return true; }";
    const code = `const path = ${JSON.stringify(path)}; (await import('${REMOVAL}')).removeGroup(path, ${blocks})`;
    const remover = start(t, ['--input-type=module', '-e', code], { preload: 'none' });
    await remover.says(/moved/);
    assert.match(readdirSync(base).join(), new RegExp(`^group-shop~${remover.pid}-\\d+-\\d+-\\d+$`));
    assert.equal(sweepDeadGroups(base), 0, 'it is still at work');
    remover.child.kill('SIGKILL');
    await remover.ended();
    assert.equal(sweepDeadGroups(base), 1);
    assert.deepEqual(readdirSync(base), []);
  });

  it('finishes that of a process of another pid namespace when it has done nothing for a minute', (t) => {
    const base = freshDirectory(t);
    const path = join(base, `1-2-7-9090~${formatMark({ pid: 1, processStart: 2, namespace: 7 })}-1`);
    publish(path, ownMark());
    assert.equal(sweepDeadGroups(base), 0);
    age(path);
    assert.equal(sweepDeadGroups(base), 1);
  });

  it('deletes an empty group that was made here, and none that has only its name', async (t) => {
    const base = freshDirectory(t);
    const dead = await deadMark(t);
    const names = ['group-shop', `${formatMark(dead)}-9090`];
    const ours = names.map((name) => createGroupDirectory(base, name).path);
    const theirs = ['group-photos', '2026-11-22', `group-photos~${formatMark(ownMark())}-1`];
    for (const name of theirs) mkdirSync(join(base, name), { mode: 0o700 });
    for (const name of readdirSync(base)) age(join(base, name));
    assert.equal(sweepDeadGroups(base), ours.length);
    assert.deepEqual(readdirSync(base).sort(), theirs.sort());
  });

  it('leaves what is beside the files of a dead group, and them', async (t) => {
    const { base, path } = named(t);
    publish(path, await deadMark(t));
    writeFileSync(join(path, 'precious.txt'), '');
    age(path);
    assert.equal(sweepDeadGroups(base), 0);
    assert.equal(createGroupDirectory(base, basename(path)).path, path);
    assert.equal(readdirSync(path).length, 2);
    assert.ok(existsSync(join(path, 'precious.txt')));
  });
});

function named(t: TestContext): { base: string; path: string } {
  const base = freshDirectory(t);
  return { base, path: createGroupDirectory(base, 'group-shop').path };
}

function publish(path: string, mark: ProcessMark): void {
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, snapshotFile(mark, 0)), '');
}

function age(path: string): void {
  for (const name of [...readdirSync(path), '.']) utimesSync(join(path, name), TWO_MINUTES_AGO, TWO_MINUTES_AGO);
}
