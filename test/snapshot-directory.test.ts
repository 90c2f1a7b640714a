/** Holds src/snapshot/directory.ts: nothing that others have put into a shared directory is trusted, nothing alive is swept. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs, {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { deleteSnapshot, listSnapshots, markEnded, snapshotFile } from '../src/snapshot/directory.ts';
import { createGroupDirectory, isLiveGroup, sweepDeadGroups } from '../src/snapshot/group.ts';
import { isAlive, ownMark, type ProcessMark } from '../src/snapshot/process-mark.ts';
import { removeGroup } from '../src/snapshot/removal.ts';
import { atEnd, freshDirectory, until } from './processes.ts';
import { deadMark, markOf, startSleeper } from './sleepers.ts';

const NOBODY = 65_534;

describe('the directory of a new group', () => {
  it('is made in the base, with every directory above it, for its owner only', (t) => {
    const { base } = places(t);
    const mask = process.umask(0);
    t.after(() => process.umask(mask));
    const { path, problem } = createGroupDirectory(join(base, 'deep', 'er'));
    assert.equal(problem, undefined);
    assert.equal(dirname(path), join(base, 'deep', 'er'));
    assert.equal(statSync(path).mode & 0o777, 0o700);
    assert.equal(statSync(dirname(path)).mode & 0o777, 0o700);
    assert.ok(isLiveGroup(path));
  });

  it('is named by the process that owns it: pid, start and pid namespace', (t) => {
    const { pid, processStart } = ownMark();
    assert.match(basename(createGroupDirectory(places(t).base).path), new RegExp(`^${pid}-${processStart}-\\d+$`));
  });

  it('is not a link that somebody has put in its place', (t) => {
    const { base, temporary } = places(t);
    const name = basename(createGroupDirectory(base).path);
    removeGroup(join(base, name));
    const trap = freshDirectory(t);
    symlinkSync(trap, join(base, name));
    const { path, problem } = createGroupDirectory(base);
    assertFallback(path, temporary);
    assert.match(problem!, /link/);
    assert.deepEqual(readdirSync(trap), []);
    assert.ok(!isLiveGroup(join(base, name)));
  });

  it('is not a file, nor below one', (t) => {
    const { base, temporary } = places(t);
    const file = join(base, 'file');
    writeFileSync(file, '');
    for (const place of [file, join(file, 'below')]) {
      const { path, problem } = createGroupDirectory(place);
      assertFallback(path, temporary);
      assert.match(problem!, /EEXIST|ENOTDIR/);
    }
  });

  it("is not made in another user's base", (t) => {
    const { base, temporary } = places(t);
    withoutSharedMemory(t);
    asAnotherUsers(t, base);
    if (process.getuid!() !== 0) {
      assert.throws(() => createGroupDirectory(base), { code: 'GUNICORN_OTEL_ERR_DIRECTORY', message: /another user/ });
      return;
    }
    const { path, problem } = createGroupDirectory(base);
    assert.match(problem!, /another user/);
    assertFallback(path, temporary);
    assert.deepEqual(readdirSync(base), []);
  });

  it('is not made behind a link of another user, who could let it point elsewhere at any time', (t) => {
    const { base, temporary } = places(t);
    const link = join(base, 'link');
    symlinkSync(freshDirectory(t), link);
    if (process.getuid!() !== 0) return t.skip('only root can give a link away');
    lchownSync(link, NOBODY, NOBODY);
    const { path } = createGroupDirectory(link);
    assertFallback(path, temporary);
  });

  it('that another user owns is not joined', (t) => {
    const { path } = createGroupDirectory(places(t).base);
    asAnotherUsers(t, path);
    assert.ok(!isLiveGroup(path));
  });

  it('is given up with a code that names every place when none will do', (t) => {
    const { base } = places(t);
    const file = join(base, 'file');
    writeFileSync(file, '');
    process.env['TMPDIR'] = file;
    withoutSharedMemory(t);
    assert.throws(() => createGroupDirectory(file), { code: 'GUNICORN_OTEL_ERR_DIRECTORY', message: /;/ });
  });
});

describe('a mark', () => {
  it('is of a living process while it runs, and of a dead one as soon as it is killed', async (t) => {
    const sleeper = await startSleeper(t);
    assert.ok(isAlive(sleeper.mark));
    await sleeper.kill();
    assert.ok(!isAlive(sleeper.mark));
  });

  it('is not taken for dead because it cannot be looked at for a moment', (t) => {
    const mark = ownMark();
    t.mock.method(fs, 'readFileSync', () => {
      throw Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE' });
    });
    syncBuiltinESMExports();
    try {
      assert.ok(isAlive(mark));
    } finally {
      t.mock.restoreAll();
      syncBuiltinESMExports();
    }
  });

  it('of this very process is alive, and not once its pid is given to another one', () => {
    assert.ok(isAlive(ownMark()));
    assert.ok(!isAlive({ ...ownMark(), processStart: ownMark().processStart - 1 }));
  });

  it('of a zombie is dead', async (t) => {
    // The shell becomes a sleep, which waits for no child.
    const parent = spawn('sh', ['-c', 'sleep 0.2 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'inherit'] });
    atEnd(t, () => parent.kill('SIGKILL'));
    const [output] = await once(parent.stdout, 'data');
    const mark = markOf(Number(String(output)));
    assert.ok(isAlive(mark));
    await until(() => !isAlive(mark), 'the zombie is seen as dead', 5000);
    // Still in the process table: a zombie indeed, not gone.
    assert.ok(existsSync(`/proc/${mark.pid}`));
  });
});

describe('a sweep', () => {
  it('deletes the groups of which owner and members are dead, with every file in them', async (t) => {
    const { base } = places(t);
    const dead = groupOf(base, await deadMark(t));
    writeFileSync(join(dead, snapshotFile(await deadMark(t), 0)), '');
    writeFileSync(join(dead, 'totals'), '');
    assert.equal(sweepDeadGroups(base), 1);
    assert.deepEqual(readdirSync(base), []);
  });

  it('keeps the own group, and that of any living owner', async (t) => {
    const { base } = places(t);
    const own = createGroupDirectory(base).path;
    const { mark } = await startSleeper(t);
    const other = groupOf(base, mark);
    assert.equal(sweepDeadGroups(base), 0);
    assert.ok(existsSync(own) && existsSync(other));
  });

  it('keeps a group whose owner is dead while a member lives', async (t) => {
    const { base } = places(t);
    const group = groupOf(base, await deadMark(t));
    const member = await startSleeper(t);
    writeFileSync(join(group, snapshotFile(member.mark, 0)), '');
    assert.equal(sweepDeadGroups(base), 0);
    await member.kill();
    assert.equal(sweepDeadGroups(base), 1);
  });

  it('keeps a group of another pid namespace as long as somebody writes to it', async (t) => {
    const { base } = places(t);
    const mark = await deadMark(t);
    const group = join(base, `${mark.pid}-${mark.processStart}-1`);
    mkdirSync(group);
    const file = join(group, snapshotFile(mark, 0));
    writeFileSync(file, '');
    const minutesAgo = Date.now() / 1000 - 120;
    utimesSync(group, minutesAgo, minutesAgo);
    assert.equal(sweepDeadGroups(base), 0);
    utimesSync(file, minutesAgo, minutesAgo);
    assert.equal(sweepDeadGroups(base), 1);
  });

  it("touches nothing that is no group's directory of this user", async (t) => {
    const { base } = places(t);
    const mark = await deadMark(t);
    const target = freshDirectory(t);
    writeFileSync(join(target, 'precious'), '');
    symlinkSync(target, join(base, `${mark.pid}-${mark.processStart}-${namespaceOfOwnGroup(base)}`));
    writeFileSync(join(base, `${mark.pid}-${mark.processStart + 1}-${namespaceOfOwnGroup(base)}`), 'a file');
    for (const name of ['data', '1-2', '1-2-3-4', '.hidden', `${mark.pid}-x-1`]) mkdirSync(join(base, name));
    const theirs = groupOf(base, { ...mark, processStart: mark.processStart + 2 });
    asAnotherUsers(t, theirs);
    const before = readdirSync(base);
    assert.equal(sweepDeadGroups(base), 0);
    assert.deepEqual(readdirSync(base), before);
    assert.ok(existsSync(join(target, 'precious')));
  });

  it('of a base that is not there finds nothing', (t) => {
    assert.equal(sweepDeadGroups(join(places(t).base, 'not-there')), 0);
  });
});

describe("a group's directory", () => {
  it('lists the snapshot files, whose they are and whether they are complete, and nothing else', (t) => {
    const path = freshDirectory(t);
    const mark = { pid: 12, processStart: 345 };
    const [main, thread] = [snapshotFile(mark, 0), snapshotFile(mark, 6)];
    for (const file of [
      main,
      thread,
      `${thread}.new`,
      'totals',
      'totals.new',
      'exporter.json',
      `x${main}`,
      `${main}x`,
    ]) {
      writeFileSync(join(path, file), '');
    }
    assert.deepEqual(
      listSnapshots(path).sort((a, b) => (a.file < b.file ? -1 : 1)),
      [
        { file: '12-345-0.snapshot', mark, threadId: 0, complete: true, ended: false },
        { file: '12-345-6.snapshot', mark, threadId: 6, complete: true, ended: false },
        { file: '12-345-6.snapshot.new', mark, threadId: 6, complete: false, ended: false },
      ],
    );
    assert.deepEqual(listSnapshots(join(path, 'not-there')), []);
  });

  it('tells which threads were marked as ended, and forgets the mark with the file', (t) => {
    const path = freshDirectory(t);
    const mark = { pid: 12, processStart: 345 };
    const files = [0, 6, 7].map((threadId) => snapshotFile(mark, threadId));
    for (const file of files) writeFileSync(join(path, file), '');
    const mask = process.umask(0);
    markEnded(path, mark, 6);
    process.umask(mask);
    assert.equal(statSync(join(path, `${files[1]}.ended`)).mode & 0o777, 0o600);
    const ended = () =>
      listSnapshots(path)
        .map(({ threadId, ended }) => [threadId, ended])
        .sort();
    assert.deepEqual(ended(), [
      [0, false],
      [6, true],
      [7, false],
    ]);
    for (const file of [files[1]!, files[2]!]) deleteSnapshot(path, file);
    assert.deepEqual(readdirSync(path), [files[0]]);
    deleteSnapshot(path, files[1]!);
    assert.throws(() => markEnded(join(path, 'not-there'), mark, 6), { code: 'ENOENT' });
  });

  it('is live only while its owner is', async (t) => {
    const { base } = places(t);
    const sleeper = await startSleeper(t);
    const path = groupOf(base, sleeper.mark);
    assert.ok(isLiveGroup(path));
    await sleeper.kill();
    assert.ok(!isLiveGroup(path));
    assert.ok(!isLiveGroup(base), 'a name that tells no owner');
    assert.ok(!isLiveGroup(join(base, 'not-there')));
  });
});

// A base, and a temporary directory of the test's own, where the fallback goes.
function places(t: TestContext): { base: string; temporary: string } {
  const temporary = freshDirectory(t);
  const base = join(freshDirectory(t), 'base');
  mkdirSync(base);
  const before = process.env['TMPDIR'];
  process.env['TMPDIR'] = temporary;
  t.after(() => {
    if (before === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = before;
  });
  return { base, temporary };
}

function assertFallback(path: string, temporary: string): void {
  assert.equal(dirname(dirname(path)), temporary);
  assert.ok(lstatSync(path).isDirectory());
  assert.equal(statSync(path).mode & 0o777, 0o700);
}

// Root gives it away; who is not root becomes somebody else, as far as the code under test can see.
function asAnotherUsers(t: TestContext, path: string): void {
  const uid = process.getuid!();
  if (uid === 0) {
    chmodSync(path, 0o777);
    chownSync(path, NOBODY, NOBODY);
  } else {
    t.mock.method(process as { getuid(): number }, 'getuid', () => uid + 1);
  }
}

// The last fallback is one place for all tests of a machine, and root can always write there.
function withoutSharedMemory(t: TestContext): void {
  const { platform } = process;
  Object.defineProperty(process, 'platform', { value: 'aix', configurable: true });
  t.after(() => Object.defineProperty(process, 'platform', { value: platform, configurable: true }));
}

function namespaceOfOwnGroup(base: string): string {
  const { path } = createGroupDirectory(base);
  return basename(path).split('-')[2]!;
}

function groupOf(base: string, { pid, processStart }: ProcessMark): string {
  const path = join(base, `${pid}-${processStart}-${namespaceOfOwnGroup(join(base, '..', 'other'))}`);
  mkdirSync(path);
  return path;
}

describe('a directory that cannot be made', () => {
  it('is told with what the system says, however deep, and another one is taken', {
    skip: !existsSync('/proc/self') && 'needs /proc',
  }, (t) => {
    for (const base of ['/proc/nowhere', '/proc/nowhere/deeper/still', '/proc/1/nowhere']) {
      const { path, problem } = createGroupDirectory(base);
      atEnd(t, () => removeGroup(path));
      assert.match(problem ?? '', /ENOENT|EACCES|EPERM/, base);
      assert.ok(existsSync(path), path);
    }
  });
});
