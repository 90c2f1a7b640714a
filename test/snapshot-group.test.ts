/** Holds src/snapshot/group.ts where groups are named by people: who may join, when one is over, who deletes it. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { listSnapshots, snapshotFile } from '../src/snapshot/directory.ts';
import {
  createGroupDirectory,
  hasEnded,
  isLiveGroup,
  leaveGroup,
  liveGroups,
  sweepDeadGroups,
} from '../src/snapshot/group.ts';
import { releaseLead, takeLead } from '../src/snapshot/leader.ts';
import { formatMark, ownMark, type ProcessMark } from '../src/snapshot/process-mark.ts';
import { freshDirectory } from './processes.ts';
import { deadMark, startSleeper } from './sleepers.ts';

const OWN = { mark: ownMark(), threadId: 0 };
const TWO_MINUTES_AGO = Date.now() / 1000 - 120;

describe('a named group', () => {
  it('may be joined as long as it is there, and is not one of those that live when nobody is in it', (t) => {
    const { base, path } = named(t);
    assert.ok(isLiveGroup(path));
    assert.deepEqual(liveGroups(base), []);
    publish(path, OWN.mark);
    assert.deepEqual(liveGroups(base), [path]);
  });

  it('goes on within a minute after all have died, and is begun anew later', async (t) => {
    const { base, path } = named(t);
    publish(path, await deadMark(t));
    writeFileSync(join(path, 'totals'), '');
    createGroupDirectory(base, 'group-shop');
    assert.ok(existsSync(join(path, 'totals')));
    age(path);
    createGroupDirectory(base, 'group-shop');
    assert.deepEqual(readdirSync(path), []);
  });

  it('is not begun anew, however old its files, while a member or its leader lives', async (t) => {
    for (const live of [
      (path: string, mark: ProcessMark) => publish(path, mark),
      (path: string, mark: ProcessMark) => takeLead(path, { ...mark, threadId: 0 }, 0, 1),
    ]) {
      const { base, path } = named(t);
      const { mark } = await startSleeper(t);
      live(path, mark);
      writeFileSync(join(path, 'totals'), '');
      age(path);
      createGroupDirectory(base, 'group-shop');
      assert.equal(sweepDeadGroups(base), 0);
      assert.ok(existsSync(join(path, 'totals')));
    }
  });

  it('is swept when it was deserted a minute ago', async (t) => {
    const { base, path } = named(t);
    publish(path, await deadMark(t));
    assert.equal(sweepDeadGroups(base), 0);
    age(path);
    assert.equal(sweepDeadGroups(base), 1);
  });

  it('is deleted by the last one out, and not by one before', async (t) => {
    const { path } = named(t);
    const other = await startSleeper(t);
    publish(path, other.mark);
    publish(path, OWN.mark);
    leaveGroup(path, OWN, false);
    assert.ok(existsSync(path));
    await other.kill();
    leaveGroup(path, OWN, false);
    assert.ok(!existsSync(path));
  });

  it('is deleted by one of two that leave at once: each says first that it has left', async (t) => {
    const { path } = named(t);
    const { mark } = await startSleeper(t);
    publish(path, mark);
    publish(path, OWN.mark);
    leaveGroup(path, { mark, threadId: 0 }, false);
    assert.ok(existsSync(path));
    leaveGroup(path, OWN, false);
    assert.ok(!existsSync(path));
  });

  it('is not deleted by its last thread, whose process may start another', (t) => {
    const { path } = named(t);
    publish(path, OWN.mark, 4);
    leaveGroup(path, { mark: OWN.mark, threadId: 4 }, true);
    assert.ok(existsSync(path));
  });

  it('is left to its leader while that lives, and to go on when that was killed', async (t) => {
    const { path } = named(t);
    const leader = await startSleeper(t);
    publish(path, OWN.mark);
    takeLead(path, { ...leader.mark, threadId: 0 }, 0, 1);
    leaveGroup(path, OWN, false);
    const own = snapshotFile(OWN.mark, 0);
    assert.deepEqual(readdirSync(path).sort(), [own, `${own}.ended`, 'leader-1'].sort());
    await leader.kill();
    leaveGroup(path, OWN, false);
    assert.ok(existsSync(path));
  });

  it('is deleted by the last one out when its leader has given the lead back', async (t) => {
    const { path } = named(t);
    publish(path, OWN.mark);
    releaseLead(path, takeLead(path, { ...(await deadMark(t)), threadId: 0 }, 0, 1)!);
    leaveGroup(path, OWN, false);
    assert.ok(!existsSync(path));
  });

  it("is not kept by the leaving process's own threads, which end with it", (t) => {
    const { path } = named(t);
    publish(path, OWN.mark);
    publish(path, OWN.mark, 3);
    leaveGroup(path, OWN, false);
    assert.ok(!existsSync(path));
  });

  it('with members of another pid namespace is left to the sweep', (t) => {
    const { base, path } = named(t);
    publish(path, OWN.mark);
    publish(path, { pid: 1, processStart: 1, namespace: 7 });
    leaveGroup(path, OWN, false);
    assert.equal(sweepDeadGroups(base), 0);
    age(path);
    assert.equal(sweepDeadGroups(base), 1);
  });
});

describe('a group that is named after a process', () => {
  it('is over when that process has led it and is dead, and is not when it never has', async (t) => {
    const base = freshDirectory(t);
    const namesake = await startSleeper(t);
    const other = await startSleeper(t);
    const { path } = createGroupDirectory(base, `${formatMark(namesake.mark)}-9090`);
    publish(path, other.mark);
    takeLead(path, { ...other.mark, threadId: 0 }, 0, 1);
    assert.ok(!hasEnded(path));
    takeLead(path, { ...namesake.mark, threadId: 0 }, 1, 1);
    assert.ok(!hasEnded(path) && isLiveGroup(path));
    await namesake.kill();
    assert.ok(hasEnded(path) && !isLiveGroup(path));
  });

  it('may be joined while a member lives though the process itself is dead and never led', async (t) => {
    const base = freshDirectory(t);
    const { path } = createGroupDirectory(base, `${formatMark(await deadMark(t))}-9090`);
    assert.ok(!isLiveGroup(path));
    publish(path, (await startSleeper(t)).mark);
    assert.ok(isLiveGroup(path));
  });

  it('is told by a member that lives on and measures no more that it has left, and not by one that ends', async (t) => {
    const namesake = await startSleeper(t);
    const { path } = createGroupDirectory(freshDirectory(t), `${formatMark(namesake.mark)}-9090`);
    takeLead(path, { ...namesake.mark, threadId: 0 }, 0, 1);
    publish(path, OWN.mark);
    const ended = () => listSnapshots(path).map((file) => file.ended);
    leaveGroup(path, OWN, false);
    assert.deepEqual(ended(), [false], 'everybody sees its end');
    leaveGroup(path, OWN, false, true);
    assert.deepEqual(ended(), [true]);
  });

  it('is not swept in its first minute while nobody has written into it, though that process is dead', async (t) => {
    const base = freshDirectory(t);
    const { path } = createGroupDirectory(base, `${formatMark(await deadMark(t))}-9090`);
    assert.equal(sweepDeadGroups(base), 0);
    age(path);
    assert.equal(sweepDeadGroups(base), 1);
  });

  it('is deleted by that process when it has led it, whoever else lives', async (t) => {
    const { path } = createGroupDirectory(freshDirectory(t), `${formatMark(ownMark())}-9090`);
    publish(path, (await startSleeper(t)).mark);
    leaveGroup(path, OWN, true);
    assert.ok(!existsSync(path));
  });
});

function named(t: TestContext): { base: string; path: string } {
  const base = freshDirectory(t);
  return { base, path: createGroupDirectory(base, 'group-shop').path };
}

function publish(path: string, mark: ProcessMark, threadId = 0): void {
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, snapshotFile(mark, threadId)), '');
}

function age(path: string): void {
  for (const name of [...readdirSync(path), '.']) utimesSync(join(path, name), TWO_MINUTES_AGO, TWO_MINUTES_AGO);
}
