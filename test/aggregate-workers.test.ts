/** Holds src/aggregate/workers.ts on real directories and real processes: the dead are folded, and nothing is lost or doubled. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs, { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { type Merged, merge } from '../src/aggregate/merge.ts';
import { SILENT_MS } from '../src/aggregate/silence.ts';
import { GroupReader, type GroupReaderOptions, type WorkerState } from '../src/aggregate/workers.ts';
import { setLogLevel } from '../src/report.ts';
import { snapshotFile, TOTALS_FILE } from '../src/snapshot/directory.ts';
import { SnapshotFile } from '../src/snapshot/file.ts';
import { encodeSnapshot, FORMAT_VERSION, type Identity } from '../src/snapshot/layout.ts';
import { ownMark, type ProcessMark, type Task } from '../src/snapshot/process-mark.ts';
import { type MetricDescriptor, SeriesTable } from '../src/snapshot/series-table.ts';
import { SLOT_HEADER_BYTES } from '../src/snapshot/slot.ts';
import { SnapshotWriter } from '../src/snapshot/writer.ts';
import { IDENTITY } from './arbitrary-tables.ts';
import { ofFormat } from './damages.ts';
import { atEnd, freshDirectory } from './processes.ts';
import { deadMark, markOf, type Sleeper, startSleeper } from './sleepers.ts';

// The reader says each kind of trouble once; these tests make all kinds of it.
setLogLevel('none');

const RETENTION_MS = 300_000;
const TOTALS = [TOTALS_FILE, `${TOTALS_FILE}.copy`];
const METRICS: readonly MetricDescriptor[] = [
  { name: 'c', description: '', unit: '', kind: 'counter', scope: 'app' },
  { name: 'h', description: '', unit: 's', kind: 'histogram', scope: 'app', bounds: [[1]] },
  { name: 'u', description: '', unit: '', kind: 'updowncounter', scope: 'app' },
  { name: 'g', description: '', unit: '', kind: 'gauge', scope: 'app' },
];

describe('a group', () => {
  it('is read as its members have published it', async (t) => {
    const directory = freshDirectory(t);
    const sleeper = await startSleeper(t);
    publish(directory, sleeper.mark, 5);
    publish(directory, ownMark(), 7);
    const reader = open(directory);
    const states = reader.read();
    assert.deepEqual(states.map(({ mark, alive, snapshot }) => [mark.pid, alive, snapshot.values[0]]).sort(), [
      ...[
        [sleeper.mark.pid, true, 5],
        [process.pid, true, 7],
      ].sort(),
    ]);
    assert.deepEqual(
      reader
        .living()
        .map(({ pid }) => pid)
        .sort(),
      [sleeper.mark.pid, process.pid].sort(),
    );
    assert.deepEqual(reader.totals, []);
  });

  it('shows what a member publishes between two reads, series that were born meanwhile included', (t) => {
    const directory = freshDirectory(t);
    const table = new SeriesTable(SLOT_HEADER_BYTES);
    const metric = table.define(METRICS[0]!);
    const path = join(directory, snapshotFile(ownMark(), 0));
    const writer = new SnapshotWriter({
      path,
      identity: { ...IDENTITY, ...ownMark() },
      table,
      flushIntervalMs: 10,
      onStateChange: () => {},
    });
    atEnd(t, () => writer.close());
    const reader = open(directory);
    for (let n = 1; n <= 500; n += 1) {
      const cell = table.add(metric, { n });
      table.values[cell] = n;
      writer.flush();
      const [state] = reader.read();
      assert.equal(state!.snapshot.values.length, n);
      assert.equal(state!.snapshot.metrics[0]!.series.length, n);
      assert.equal(state!.snapshot.values[n - 1], n);
    }
    assert.equal(reader.errors.size, 0);
  });

  it('stays as it was read for that turn of the loop, however often it is read; then its memory is used again', async (t) => {
    const directory = freshDirectory(t);
    const reader = open(directory);
    const valuesOf = (value: number) => {
      publish(directory, ownMark(), value);
      return reader.read()[0]!.snapshot.values;
    };
    const first = [1, 2, 3, 4].map(valuesOf);
    assert.deepEqual(
      first.map((values) => values[0]),
      [1, 2, 3, 4],
    );
    assert.equal(new Set(first).size, 4);
    const later = [];
    for (const value of [5, 6, 7, 8]) {
      await new Promise((resolve) => setImmediate(resolve));
      later.push(valuesOf(value));
      assert.deepEqual([later.at(-2)?.[0] ?? 4, later.at(-1)![0]], [value - 1, value]);
    }
    assert.equal(new Set([...first, ...later]).size, 4);
  });

  it('whose directory is gone has nobody, and says nothing', (t) => {
    const directory = freshDirectory(t);
    const reader = open(directory);
    rmSync(directory, { recursive: true });
    assert.deepEqual([reader.read(), reader.reap(), reader.living(), reader.errors.size], [[], [], [], 0]);
  });
});

describe('a member that dies', () => {
  it('stays visible as exited with the last that it wrote, then is folded, and its file is deleted', async (t) => {
    const directory = freshDirectory(t);
    const sleeper = await startSleeper(t);
    publish(directory, sleeper.mark, 5);
    const reader = open(directory);
    reader.read();
    publish(directory, sleeper.mark, 6);
    await sleeper.kill();
    const diedAtMs = Date.now();
    const [exited] = reader.read(diedAtMs);
    assert.deepEqual([exited!.alive, exited!.exitedAtMonotonicMs, exited!.snapshot.values[0]], [false, diedAtMs, 6]);
    assert.deepEqual(
      reader.living().map(({ pid }) => pid),
      [],
    );
    assert.equal(reader.read(diedAtMs + RETENTION_MS - 1).length, 1);
    assert.deepEqual(reader.read(diedAtMs + RETENTION_MS), []);
    assert.deepEqual(readdirSync(directory).sort(), TOTALS);
    assert.deepEqual(counts(reader, []), { c: 6, h: [6, 6, 6] });
  });

  it('is folded when more than the allowed number have exited after it, the first ones first', async (t) => {
    const directory = freshDirectory(t);
    const reader = open(directory, { maxExited: 2 });
    for (let n = 1; n <= 5; n += 1) {
      publish(directory, await deadMark(t), n);
      reader.read(n);
    }
    assert.deepEqual(
      reader.read(6).map(({ snapshot }) => snapshot.values[0]),
      [4, 5],
    );
    assert.equal(readdirSync(directory).length, 2 + TOTALS.length);
    assert.equal(counts(reader, reader.read(6))['c'], 15);
  });

  it('is folded at once when nothing is to be retained', async (t) => {
    const directory = freshDirectory(t);
    publish(directory, await deadMark(t), 5);
    const reader = open(directory, { exitedRetentionMs: 0 });
    assert.deepEqual(reader.read(), []);
    assert.deepEqual(readdirSync(directory).sort(), TOTALS);
  });

  it('before anybody has read it is counted all the same', async (t) => {
    const directory = freshDirectory(t);
    publish(directory, await deadMark(t), 5);
    const reader = open(directory);
    assert.equal(counts(reader, reader.read())['c'], 5);
  });

  it('is gone with its process also when somebody has deleted its file before', async (t) => {
    const directory = freshDirectory(t);
    const sleeper = await startSleeper(t);
    publish(directory, sleeper.mark, 5);
    const reader = open(directory);
    reader.read();
    rmSync(join(directory, snapshotFile(sleeper.mark, 0)));
    await sleeper.kill();
    const states = reader.read(1000);
    assert.deepEqual(
      states.filter(({ alive }) => alive),
      [],
    );
    assert.equal(counts(reader, states)['c'], 5, 'and its counts are not lost');
    assert.deepEqual(reader.read(1000 + RETENTION_MS), []);
  });

  it('in the middle of laying out its file leaves nothing behind for ever', async (t) => {
    const directory = freshDirectory(t);
    const mark = await deadMark(t);
    publish(directory, mark, 5);
    writeFileSync(join(directory, `${snapshotFile(mark, 0)}.new`), 'half made');
    const reader = open(directory);
    reader.read(0);
    reader.read(RETENTION_MS);
    assert.deepEqual(readdirSync(directory).sort(), TOTALS);
  });
});

describe('the sums of a group', () => {
  // What may happen, in any order; the numbers choose among those that it can happen to.
  const steps = fc.array(
    fc.oneof(
      fc.record({ what: fc.constant('birth' as const), which: fc.nat(2) }),
      fc.record({ what: fc.constant('update' as const), which: fc.nat(), by: fc.integer({ min: 1, max: 1000 }) }),
      fc.record({ what: fc.constant('death' as const), which: fc.nat() }),
      fc.record({ what: fc.constant('time' as const), ms: fc.constantFrom(1000, RETENTION_MS / 2, RETENTION_MS) }),
      fc.record({ what: fc.constant('restart' as const) }),
      fc.record({ what: fc.constant('crash' as const) }),
    ),
    { minLength: 5, maxLength: 25 },
  );

  it('equal those of all that was ever published, whoever is born, dies, or reads it anew', async (t) => {
    await fc.assert(
      fc.asyncProperty(steps, async (history) => {
        const directory = freshDirectory(t);
        const members: { sleeper: Sleeper; thread: number; value: number; alive: boolean }[] = [];
        let reader = open(directory, { maxExited: 3 });
        let nowMs = 1_000_000;
        for (const step of history) {
          const living = members.filter(({ alive }) => alive);
          const chosen = 'which' in step ? living[step.which % living.length] : undefined;
          if (step.what === 'birth') {
            members.push({ sleeper: await startSleeper(t), thread: step.which, value: 1, alive: true });
            publish(directory, members.at(-1)!.sleeper.mark, 1, step.which);
          } else if (step.what === 'update' && chosen) {
            chosen.value += step.by;
            publish(directory, chosen.sleeper.mark, chosen.value, chosen.thread);
          } else if (step.what === 'death' && chosen) {
            chosen.alive = false;
            await chosen.sleeper.kill();
          } else if (step.what === 'time') {
            nowMs += step.ms;
          } else if (step.what === 'restart') {
            reader = open(directory, { maxExited: 3 });
          } else if (step.what === 'crash') {
            reader = crashWhileFolding(t, directory, nowMs);
          }
          const all = members.reduce((sum, { value }) => sum + value, 0);
          const now = members.filter(({ alive }) => alive).reduce((sum, { value }) => sum + value, 0);
          const expected = members.length === 0 ? {} : { c: all, h: [all, all, all], ...(now > 0 && { u: now }) };
          assert.deepEqual(counts(reader, reader.read(nowMs)), expected, JSON.stringify(step));
        }
        await Promise.all(members.filter(({ alive }) => alive).map(({ sleeper }) => sleeper.kill()));
        reader.read(nowMs);
        reader.read(nowMs + RETENTION_MS);
        assert.deepEqual(readdirSync(directory).sort(), members.length === 0 ? [] : TOTALS);
        assert.equal(reader.errors.size, 0);
      }),
      { numRuns: 60 },
    );
  });

  it('do not count twice what was folded by a reader that died before it had deleted the files', async (t) => {
    const directory = freshDirectory(t);
    for (let n = 0; n < 3; n += 1) publish(directory, await deadMark(t), 10);
    const after = crashWhileFolding(t, directory, 0);
    assert.deepEqual(readdirSync(directory).sort(), TOTALS, 'the next reader deletes what is in the totals');
    assert.equal(counts(after, after.read())['c'], 30);
  });

  it('survive a reader that died while it wrote new totals', async (t) => {
    const directory = freshDirectory(t);
    publish(directory, await deadMark(t), 10);
    open(directory, { exitedRetentionMs: 0 }).read();
    writeFileSync(join(directory, `${TOTALS_FILE}.new`), 'half written');
    publish(directory, await deadMark(t), 5);
    const reader = open(directory, { exitedRetentionMs: 0 });
    assert.equal(counts(reader, reader.read())['c'], 15);
    assert.deepEqual(readdirSync(directory).sort(), TOTALS);
  });

  it('wait in the files of the dead while totals cannot be written, and are folded once they can', async (t) => {
    const directory = freshDirectory(t);
    const mark = await deadMark(t);
    publish(directory, mark, 5);
    // A directory where the file should go: nobody can write it, root included.
    mkdirSync(join(directory, `${TOTALS_FILE}.new`));
    const reader = open(directory, { exitedRetentionMs: 0 });
    assert.equal(counts(reader, reader.read())['c'], 5);
    assert.equal(counts(reader, reader.read())['c'], 5);
    assert.ok(existsSync(join(directory, snapshotFile(mark, 0))));
    assert.equal(reader.errors.get('totals'), 2);
    rmSync(join(directory, `${TOTALS_FILE}.new`), { recursive: true });
    assert.equal(counts(reader, reader.read())['c'], 5);
    assert.deepEqual(readdirSync(directory).sort(), TOTALS);
  });
});

describe('a group of which two readers take themselves for the leader', () => {
  for (const lasting of [false, true]) {
    for (const when of ['between two reads', 'between a read and what is written of it']) {
      it(`counts nobody twice whom the other one folds ${when}${lasting ? ', by slots' : ''}`, async (t) => {
        const directory = freshDirectory(t);
        const told = { lasting, workerId: 'worker_1' };
        publish(directory, ownMark(), 1);
        publish(directory, await deadMark(t), 100, 0, told);
        publish(directory, await deadMark(t), 1000, 0, told);
        const stopped = open(directory);
        stopped.read(0);
        const reader = open(directory, { maxSeries: 1 });
        reader.read(1);
        const fold = () => stopped.read(RETENTION_MS);
        if (when === 'between two reads') fold();
        const states = reader.read(RETENTION_MS);
        if (when !== 'between two reads') fold();
        // One place of one is taken: it is written down, in totals that are newer than those that this reader knows.
        reader.keepPlaces(merge([...reader.totals, ...states], reader.places), RETENTION_MS);
        for (const nowMs of [RETENTION_MS + 1, 2 * RETENTION_MS, 3 * RETENTION_MS]) {
          assert.equal(counts(reader, reader.read(nowMs))['c'], 1101, `${nowMs}`);
          assert.equal(counts(stopped, stopped.read(nowMs))['c'], 1101, `${nowMs}, by the other one`);
        }
        const next = open(directory);
        assert.equal(counts(next, next.read(0))['c'], 1101);
      });
    }
  }

  it('counts nobody twice whom the other one has folded before others, as this one folds what is too much', async (t) => {
    const directory = freshDirectory(t);
    const reader = open(directory, { maxExited: 2 });
    for (const value of [1, 10]) publish(directory, await deadMark(t), value);
    const stopped = open(directory);
    stopped.read(0);
    reader.read(1);
    stopped.read(RETENTION_MS);
    // In totals of their own, so that those with the first two name them no more.
    publish(directory, await deadMark(t), 100);
    stopped.read(RETENTION_MS);
    stopped.read(2 * RETENTION_MS);
    for (const value of [1000, 10_000, 100_000]) publish(directory, await deadMark(t), value);
    for (const nowMs of [RETENTION_MS - 1, RETENTION_MS + 1, 3 * RETENTION_MS]) {
      assert.equal(counts(reader, reader.read(nowMs))['c'], 111_111, `${nowMs}`);
    }
  });

  it('takes up nothing of another one as long as it cannot read all of it', async (t) => {
    const directory = freshDirectory(t);
    publish(directory, await deadMark(t), 100);
    publish(directory, await deadMark(t), 1000, 0, { lasting: true, workerId: 'worker_1' });
    const stopped = open(directory);
    stopped.read(0);
    const reader = open(directory);
    reader.read(1);
    stopped.read(RETENTION_MS);
    const openSync = fs.openSync as (...args: unknown[]) => number;
    const noHandle = t.mock.method(fs, 'openSync', (...args: unknown[]) => {
      if (String(args[0]).includes('totals-worker_1')) throw Object.assign(new Error('not now'), { code: 'EMFILE' });
      return openSync(...args);
    });
    syncBuiltinESMExports();
    reader.read(RETENTION_MS + 1);
    noHandle.mock.restore();
    syncBuiltinESMExports();
    for (const nowMs of [RETENTION_MS + 2, 3 * RETENTION_MS]) {
      assert.equal(counts(reader, reader.read(nowMs))['c'], 1100, `${nowMs}`);
    }
    const next = open(directory);
    assert.equal(counts(next, next.read(0))['c'], 1100);
  });

  it('is changed by nobody who has been told that he leads no more, and seen as it was', async (t) => {
    const directory = freshDirectory(t);
    let leads = true;
    const stopped = open(directory, { maxSeries: 1, leads: () => leads });
    const mark = await deadMark(t);
    publish(directory, mark, 5);
    stopped.read(0);
    leads = false;
    writeFileSync(join(directory, snapshotFile(await deadMark(t), 0)), 'x');
    const before = readdirSync(directory).sort();
    const states = stopped.read(RETENTION_MS);
    stopped.keepPlaces(merge(states, stopped.places), RETENTION_MS);
    assert.equal(counts(stopped, states)['c'], 5);
    assert.deepEqual(readdirSync(directory).sort(), before);
    leads = true;
    stopped.read(RETENTION_MS);
    assert.deepEqual(readdirSync(directory).sort(), TOTALS);
    assert.equal(counts(stopped, stopped.read(RETENTION_MS))['c'], 5);
  });
});

describe('a file that somebody has deleted', () => {
  for (const what of ['file', 'directory']) {
    it(`with its whole ${what} is folded from memory when its process is dead: the next reader counts on`, async (t) => {
      const directory = freshDirectory(t);
      const mark = await deadMark(t);
      publish(directory, mark, 99);
      const reader = open(directory);
      reader.read(0);
      if (what === 'file') rmSync(join(directory, snapshotFile(mark, 0)));
      else {
        rmSync(directory, { recursive: true });
        assert.equal(counts(reader, reader.read(1))['c'], 99);
        assert.equal(reader.errors.size, 0, 'without its directory there is no group to keep anything for');
        mkdirSync(directory);
      }
      assert.equal(counts(reader, reader.read(2))['c'], 99);
      const next = open(directory);
      assert.equal(counts(next, next.read(3))['c'], 99);
      assert.equal(counts(reader, reader.read(RETENTION_MS))['c'], 99);
    });
  }

  it('of a paused container is not folded: it goes on with all that it has counted', (t) => {
    const directory = freshDirectory(t);
    const paused = { ...ownMark(), namespace: 7 };
    publish(directory, paused, 5);
    const reader = open(directory);
    reader.read(0);
    reader.read(SILENT_MS);
    rmSync(join(directory, snapshotFile(paused, 0)));
    assert.equal(counts(reader, reader.read(SILENT_MS + 1))['c'], 5);
    publish(directory, paused, 6);
    assert.equal(counts(reader, reader.read(SILENT_MS + 2))['c'], 6);
  });

  it('of a thread that is terminated behind that keeps no ghost of it', async (t) => {
    const directory = freshDirectory(t);
    const { thread, task } = await startThread(t);
    publish(directory, ownMark(), 1);
    publish(directory, ownMark(), 5, 6, { task });
    const reader = open(directory);
    const alive = (nowMs: number) => reader.read(nowMs).map(({ alive, snapshot }) => [snapshot.values[0], alive]);
    assert.deepEqual(alive(0).sort(), [
      [1, true],
      [5, true],
    ]);
    rmSync(join(directory, snapshotFile(ownMark(), 6)));
    assert.equal(alive(1).length, 2, 'it lives, and writes it anew');
    await thread.terminate();
    assert.deepEqual(alive(2).sort(), [
      [1, true],
      [5, false],
    ]);
    // What it handles to its end, it may still publish.
    assert.deepEqual(alive(1003), [[1, true]]);
    assert.equal(counts(reader, reader.read(1004))['c'], 6);
  });
});

describe('a file that cannot be read', () => {
  for (const [cause, damage] of Object.entries({
    torn: (bytes: Buffer) => bytes.subarray(0, 100),
    foreign: () => Buffer.alloc(1000, 'x'),
    version: (bytes: Buffer) => ofFormat(bytes, FORMAT_VERSION + 1),
  })) {
    it(`because it is ${cause} is counted as such, and the last good values stand in for it`, async (t) => {
      const directory = freshDirectory(t);
      const path = join(directory, snapshotFile(ownMark(), 0));
      publish(directory, ownMark(), 5);
      const reader = open(directory);
      reader.read();
      writeFileSync(path, damage(readFileSync(path)));
      const [state] = reader.read();
      assert.deepEqual([state!.alive, state!.snapshot.values[0]], [true, 5]);
      assert.deepEqual([...reader.errors], [[cause, 1]]);
      publish(directory, ownMark(), 6);
      assert.equal(reader.read()[0]!.snapshot.values[0], 6);
    });
  }

  it('of a dead one of another version stays for whoever can read it, as many as exited ones may be shown', async (t) => {
    const directory = freshDirectory(t);
    const reader = open(directory, { maxExited: 2 });
    const files: string[] = [];
    for (let n = 0; n < 3; n += 1) {
      const mark = await deadMark(t);
      publish(directory, mark, 5);
      const file = snapshotFile(mark, 0);
      const path = join(directory, file);
      writeFileSync(path, ofFormat(readFileSync(path), FORMAT_VERSION + 1));
      files.push(file);
      for (let read = 0; read < 3; read += 1) assert.deepEqual(reader.read(read), []);
    }
    assert.deepEqual(readdirSync(directory).sort(), files.slice(1).sort());
    assert.deepEqual(
      [...reader.errors],
      [
        ['version', 3],
        ['lost', 1],
      ],
      'each is read once',
    );
  });

  it('of a living one of another version is never deleted', (t) => {
    const directory = freshDirectory(t);
    publish(directory, ownMark(), 5);
    const path = join(directory, snapshotFile(ownMark(), 0));
    const bytes = ofFormat(readFileSync(path), FORMAT_VERSION + 1);
    writeFileSync(path, bytes);
    const reader = open(directory, { exitedRetentionMs: 0, maxExited: 0 });
    for (let n = 0; n < 5; n += 1) reader.read(n * RETENTION_MS);
    assert.ok(readFileSync(path).equals(bytes));
    assert.deepEqual([...reader.errors], [['version', 5]]);
  });

  it('of a dead one that was never read whole is told as lost, and gone', async (t) => {
    const directory = freshDirectory(t);
    writeFileSync(join(directory, snapshotFile(await deadMark(t), 0)), 'x'.repeat(100));
    const reader = open(directory);
    reader.read(0);
    assert.deepEqual(readdirSync(directory), []);
    assert.deepEqual(
      [...reader.errors],
      [
        ['foreign', 1],
        ['lost', 1],
      ],
    );
  });

  it('because it is the copy of another counts nobody twice', (t) => {
    const directory = freshDirectory(t);
    publish(directory, ownMark(), 5, 1);
    const path = join(directory, snapshotFile(ownMark(), 1));
    copyFileSync(path, join(directory, snapshotFile(ownMark(), 2)));
    copyFileSync(path, join(directory, snapshotFile({ pid: 1, processStart: markOf(1).processStart }, 1)));
    const reader = open(directory);
    assert.equal(counts(reader, reader.read())['c'], 5);
    assert.deepEqual([...reader.errors], [['foreign', 2]]);
  });

  it('in its newer half shows no fall: the last good values stand in', (t) => {
    const directory = freshDirectory(t);
    const table = new SeriesTable(SLOT_HEADER_BYTES);
    const cell = table.add(table.define(METRICS[0]!), {});
    const path = join(directory, snapshotFile(ownMark(), 0));
    const file = new SnapshotFile(path, { ...IDENTITY, ...ownMark() }, table);
    atEnd(t, () => file.close());
    for (const value of [1, 2]) {
      table.values[cell] = value;
      file.write();
    }
    const reader = open(directory);
    assert.equal(reader.read()[0]!.snapshot.values[0], 2);
    const bytes = readFileSync(path);
    const newer = bytes.lastIndexOf(Buffer.from(Float64Array.of(2).buffer));
    bytes[newer + 7]! ^= 1;
    writeFileSync(path, bytes);
    assert.equal(reader.read()[0]!.snapshot.values[0], 2);
    assert.deepEqual([...reader.errors], [['torn', 1]]);
    assert.equal(
      open(directory).read()[0]!.snapshot.values[0],
      1,
      'to one who has not seen it the older half is right',
    );
  });

  it('keeps its process among the living, for whom memory and CPU are sampled', (t) => {
    const directory = freshDirectory(t);
    writeFileSync(join(directory, snapshotFile(ownMark(), 0)), 'x');
    const reader = open(directory);
    assert.deepEqual(reader.read(), []);
    assert.deepEqual(
      reader.living().map(({ pid }) => pid),
      [process.pid],
    );
  });

  it('does not stay for ever when its process is dead', async (t) => {
    const directory = freshDirectory(t);
    writeFileSync(join(directory, snapshotFile(await deadMark(t), 0)), Buffer.alloc(1000, 'x'));
    const reader = open(directory);
    reader.read(0);
    reader.read(RETENTION_MS);
    assert.deepEqual(readdirSync(directory), []);
  });

  it('for the moment, because there are too many open files, is read later: its process may be dead by now', async (t) => {
    const directory = freshDirectory(t);
    publish(directory, await deadMark(t), 5);
    const reader = open(directory);
    t.mock.method(fs, 'openSync', () => {
      throw Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE' });
    });
    // ES modules see a changed builtin only then.
    syncBuiltinESMExports();
    reader.read();
    t.mock.restoreAll();
    syncBuiltinESMExports();
    assert.equal(counts(reader, reader.read())['c'], 5);
  });

  it('because it is a directory keeps no one from scraping', async (t) => {
    const directory = freshDirectory(t);
    for (const mark of [ownMark(), await deadMark(t)]) mkdirSync(join(directory, snapshotFile(mark, 0)));
    publish(directory, ownMark(), 5, 1);
    const reader = open(directory);
    assert.equal(counts(reader, reader.read())['c'], 5);
  });

  it('of totals keeps no one from scraping', (t) => {
    const directory = freshDirectory(t);
    writeFileSync(join(directory, TOTALS_FILE), 'x');
    publish(directory, ownMark(), 5);
    const reader = open(directory);
    assert.equal(counts(reader, reader.read())['c'], 5);
    assert.deepEqual(
      [...reader.errors],
      [
        ['torn', 1],
        ['lost', 1],
      ],
    );
  });
});

function open(directory: string, options: Partial<GroupReaderOptions> = {}): GroupReader {
  return new GroupReader({ directory, exitedRetentionMs: RETENTION_MS, ...options });
}

// Every cell of a member holds `value`, so that its share in each sum is known.
function publish(
  directory: string,
  mark: ProcessMark,
  value: number,
  threadId = 0,
  told: Partial<Identity> = {},
): void {
  const table = new SeriesTable();
  for (const descriptor of METRICS) table.add(table.define(descriptor), {});
  table.values.fill(value, 0, table.used);
  writeFileSync(
    join(directory, snapshotFile(mark, threadId)),
    encodeSnapshot({ ...IDENTITY, ...mark, threadId, ...told }, table, 0),
  );
}

// A thread of this process that does nothing, and what the system calls it.
async function startThread(t: TestContext): Promise<{ thread: Worker; task: Task }> {
  const module = JSON.stringify(new URL('../src/snapshot/process-mark.js', import.meta.url).href);
  const thread = new Worker(
    `import(${module}).then(({ ownTask }) => require('node:worker_threads').parentPort.postMessage(ownTask()));
     setInterval(() => {}, 1e6);`,
    { eval: true },
  );
  t.after(() => thread.terminate());
  const [task] = await once(thread, 'message');
  return { thread, task };
}

function counts(reader: GroupReader, states: readonly WorkerState[]): Record<string, number | number[]> {
  const merged: Merged = merge([...reader.totals, ...states]);
  return Object.fromEntries(
    [...merged.values()].map(({ descriptor, series }) => {
      const values = [...[...series.values()][0]!.values];
      return [descriptor.name, values.length === 1 ? values[0]! : values];
    }),
  );
}

// Folds all who have exited and puts their files back, as if the fold had been killed between its rename and its deletions.
function crashWhileFolding(t: TestContext, directory: string, nowMs: number): GroupReader {
  const aside = freshDirectory(t);
  const files = readdirSync(directory).filter((file) => !TOTALS.includes(file));
  for (const file of files) copyFileSync(join(directory, file), join(aside, file));
  const folding = open(directory, { exitedRetentionMs: 0 });
  folding.read(nowMs);
  for (const file of files) copyFileSync(join(aside, file), join(directory, file));
  return open(directory, { maxExited: 3 });
}
