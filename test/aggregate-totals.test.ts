/** Holds src/aggregate/totals.ts on real directories: what the dead have left counts once, under its own id where that comes back. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import { merge } from '../src/aggregate/merge.ts';
import { SeriesPlaces } from '../src/aggregate/series-places.ts';
import { type Left, Totals } from '../src/aggregate/totals.ts';
import { GroupReader } from '../src/aggregate/workers.ts';
import { setLogLevel } from '../src/report.ts';
import { markEnded, snapshotFile, TOTALS_FILE } from '../src/snapshot/directory.ts';
import { decodeSnapshot, encodeSnapshot, FORMAT_VERSION, type Identity } from '../src/snapshot/layout.ts';
import { ownMark, type ProcessMark } from '../src/snapshot/process-mark.ts';
import { SeriesTable } from '../src/snapshot/series-table.ts';
import { IDENTITY } from './arbitrary-tables.ts';
import { damages, fileOfLines, ofFormat } from './damages.ts';
import { failing } from './failing-calls.ts';
import { freshDirectory } from './processes.ts';
import { deadMark } from './sleepers.ts';

setLogLevel('none');

describe('the totals', () => {
  it('are one file for all whose ids do not come back, and one for each id that does', (t) => {
    const directory = freshDirectory(t);
    const totals = opened(directory);
    const left = [
      dead('a', 1),
      dead('b', 2),
      dead('worker_1', 4, true),
      dead('worker_2', 8, true),
      dead('worker_1', 16, true),
    ];
    assert.deepEqual(totals.add(left, 1000), { added: [left[0], left[1], left[2], left[4], left[3]] });
    assert.deepEqual(readdirSync(directory).sort(), withCopies('totals', 'totals-worker_1', 'totals-worker_2'));
    assert.deepEqual(countsOf(totals), { '': 3, worker_1: 20, worker_2: 8 });
    totals.add([dead('c', 32), dead('worker_2', 64, true)], 2000);
    assert.deepEqual(countsOf(totals), { '': 35, worker_1: 20, worker_2: 72 });
  });

  it('are those of the next reader, which deletes what is in them', (t) => {
    const directory = freshDirectory(t);
    const first = opened(directory);
    first.add([dead('a', 1)], 0);
    const [b, c, slot] = [dead('b', 2), dead('c', 4), dead('worker_1', 8, true)];
    first.add([b, c, slot], 0);
    const second = new Totals(directory, undefined);
    assert.deepEqual([...second.load(fail).folded].sort(), [b.file, c.file, slot.file].sort());
    assert.deepEqual(countsOf(second), countsOf(first));
    assert.deepEqual(countsOf(second), { '': 7, worker_1: 8 });
  });

  it('count as left by the dead: their up-down counters are no longer there', (t) => {
    const totals = opened(freshDirectory(t));
    totals.add([dead('a', 1), dead('worker_1', 1, true)], 0);
    assert.deepEqual(
      totals.members.map(({ alive, snapshot }) => [alive, snapshot.identity.role]),
      [
        [false, 'totals'],
        [false, 'totals'],
      ],
    );
    const kinds = totals.members.flatMap(({ snapshot }) => snapshot.metrics.map(({ descriptor }) => descriptor.kind));
    assert.deepEqual(kinds, ['counter', 'counter']);
  });

  it('hold no more series than they may, and lose no count over it', (t) => {
    const directory = freshDirectory(t);
    const totals = opened(directory, new SeriesPlaces(3));
    for (let n = 0; n < 10; n += 1) totals.add([dead('a', 1, false, `s${n}`), dead('worker_1', 1, true, `s${n}`)], n);
    assert.deepEqual(countsOf(totals), { '': 10, worker_1: 10 });
    for (const { snapshot } of totals.members) assert.equal(snapshot.metrics[0]!.series.length, 4);
  });

  it('have a file whatever an id is made of, and never one elsewhere', (t) => {
    const base = freshDirectory(t);
    const directory = join(base, 'group');
    mkdirSync(directory);
    const totals = opened(directory);
    totals.add([dead('../../x', 1, true), dead('a/b', 2, true), dead('größe', 4, true)], 0);
    assert.deepEqual([readdirSync(base), readdirSync(directory).length], [['group'], 6]);
    const next = opened(directory);
    assert.deepEqual(countsOf(next), { '../../x': 1, 'a/b': 2, größe: 4 });
  });

  it('are readable by their owner only, and were written when they say', (t) => {
    const directory = freshDirectory(t);
    const mask = process.umask(0);
    t.after(() => process.umask(mask));
    opened(directory).add([dead('a', 1)], 4711);
    const path = join(directory, TOTALS_FILE);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(decodeSnapshot(readFileSync(path)).writtenAtMonotonicMs, 4711);
  });

  it('keep out, with the error, those whose file cannot be written, and stay what they were', (t) => {
    const directory = freshDirectory(t);
    const totals = opened(directory);
    totals.add([dead('a', 1), dead('worker_1', 1, true)], 0);
    mkdirSync(join(directory, 'totals-worker_1.new'));
    const [plain, slot] = [dead('b', 2), dead('worker_1', 4, true)];
    const { added, error } = totals.add([plain, slot], 0);
    assert.deepEqual([added, (error as NodeJS.ErrnoException).code], [[plain], 'EISDIR']);
    assert.deepEqual(countsOf(totals), { '': 3, worker_1: 1 });
    rmSync(join(directory, 'totals-worker_1.new'), { recursive: true });
    assert.deepEqual(totals.add([slot], 0), { added: [slot] });
    assert.deepEqual(countsOf(totals), { '': 3, worker_1: 5 });
  });

  it('of which one copy is damaged, missing or older are those of the other, and whole again at once', (t) => {
    const directory = freshDirectory(t);
    const [one, copy] = [join(directory, 'totals'), join(directory, 'totals.copy')];
    opened(directory).add([dead('a', 1)], 0);
    const older = readFileSync(one);
    opened(directory).add([dead('b', 2)], 0);
    for (const path of [one, copy]) {
      for (const damage of [() => writeFileSync(path, 'x'), () => rmSync(path), () => writeFileSync(path, older)]) {
        damage();
        const told: string[] = [];
        const totals = new Totals(directory, undefined);
        assert.deepEqual(totals.load((path) => told.push(path)).lost, []);
        assert.deepEqual(countsOf(totals), { '': 3 });
        assert.ok(told.length === 0 || (told.length === 1 && told[0] === path), String(told));
        assert.deepEqual(countsOf(opened(directory)), { '': 3 });
        assert.ok(readFileSync(one).equals(readFileSync(copy)));
      }
    }
  });

  it('that are damaged in both copies are told as lost and kept aside, and keep nobody from the others', (t) => {
    const directory = freshDirectory(t);
    opened(directory).add([dead('a', 1), dead('worker_1', 2, true), dead('worker_2', 4, true)], 0);
    const paths = ['totals-worker_1', 'totals-worker_1.copy'].map((file) => join(directory, file));
    for (const path of paths) writeFileSync(path, 'x');
    const totals = new Totals(directory, undefined);
    const told: unknown[] = [];
    const { lost } = totals.load((path, error) => told.push([path, (error as NodeJS.ErrnoException).code]));
    assert.deepEqual(
      told,
      paths.map((path) => [path, 'GUNICORN_OTEL_ERR_SNAPSHOT_TORN']),
    );
    assert.deepEqual(lost, [paths[0]]);
    assert.deepEqual(countsOf(totals), { '': 1, worker_2: 4 });
    totals.add([dead('worker_1', 8, true)], 0);
    assert.equal(countsOf(totals)['worker_1'], 8);
    for (const path of paths) assert.equal(readFileSync(`${path}.unreadable`, 'utf8'), 'x');
    assert.equal(countsOf(opened(directory))['worker_1'], 8);
  });

  it('of another version are kept aside as they are, and told', (t) => {
    const directory = freshDirectory(t);
    opened(directory).add([dead('a', 1)], 0);
    const paths = ['totals', 'totals.copy'].map((file) => join(directory, file));
    const bytes = ofFormat(readFileSync(paths[0]!), FORMAT_VERSION + 1);
    for (const path of paths) writeFileSync(path, bytes);
    const totals = new Totals(directory, undefined);
    const codes: unknown[] = [];
    assert.equal(totals.load((_, error) => codes.push((error as NodeJS.ErrnoException).code)).lost.length, 1);
    assert.deepEqual(new Set(codes), new Set(['GUNICORN_OTEL_ERR_SNAPSHOT_VERSION']));
    totals.add([dead('b', 2)], 0);
    for (const path of paths) assert.ok(readFileSync(`${path}.unreadable`).equals(bytes));
  });

  it('are not those of another file: of a member, or of another worker id', (t) => {
    const directory = freshDirectory(t);
    opened(directory).add([dead('worker_1', 2, true)], 0);
    writeFileSync(join(directory, 'totals-worker_2'), readFileSync(join(directory, 'totals-worker_1')));
    writeFileSync(join(directory, 'totals'), encodeSnapshot(IDENTITY, table(5), 0));
    const totals = new Totals(directory, undefined);
    const codes: unknown[] = [];
    totals.load((_, error) => codes.push((error as NodeJS.ErrnoException).code));
    assert.deepEqual(codes, ['GUNICORN_OTEL_ERR_SNAPSHOT_FOREIGN', 'GUNICORN_OTEL_ERR_SNAPSHOT_FOREIGN']);
    assert.deepEqual(countsOf(totals), { worker_1: 2 });
  });

  it('that name a file outside as one that they hold delete nothing there', (t) => {
    const base = freshDirectory(t);
    const directory = join(base, 'group');
    mkdirSync(directory);
    writeFileSync(join(base, 'precious.snapshot'), 'precious');
    for (const folded of [['../precious.snapshot'], ['/etc/passwd'], ['..'], [7], 'x', [{ toString: 1 }]]) {
      const lines = [{ ...IDENTITY, role: 'totals', folded }];
      for (const file of ['totals', 'totals.copy']) writeFileSync(join(directory, file), fileOfLines(lines));
      const reader = new GroupReader({ directory, exitedRetentionMs: 0 });
      reader.read();
      assert.deepEqual(reader.errors.get('foreign'), 2, JSON.stringify(folded));
    }
    assert.equal(readFileSync(join(base, 'precious.snapshot'), 'utf8'), 'precious');
  });

  it('that cannot be read for the moment are waited for: a scrape without them would be a fall', async (t) => {
    const directory = freshDirectory(t);
    opened(directory).add([dead('a', 8)], 0);
    publish(directory, await deadMark(t), 1);
    for (const call of ['openSync', 'readdirSync'] as const) {
      const restore = failing(t, call, 'EMFILE');
      const reader = new GroupReader({ directory, exitedRetentionMs: 1000 });
      assert.throws(() => sumOf(reader), { code: 'EMFILE' });
      restore();
      assert.equal(sumOf(reader), 9);
    }
    assert.deepEqual(countsOf(opened(directory)), { '': 8 });
  });

  it('that somebody has deleted are written again', (t) => {
    const directory = freshDirectory(t);
    const totals = opened(directory);
    totals.add([dead('a', 1), dead('worker_1', 2, true)], 0);
    const before = withCopies('totals', 'totals-worker_1').map((file) => readFileSync(join(directory, file)));
    for (const file of ['totals', 'totals.copy', 'totals-worker_1']) rmSync(join(directory, file));
    totals.restore();
    const after = withCopies('totals', 'totals-worker_1').map((file) => readFileSync(join(directory, file)));
    assert.deepEqual(after, before);
    rmSync(directory, { recursive: true });
    totals.restore();
    assert.ok(!existsSync(directory));
  });

  it('that another leader has added to meanwhile are taken up, not written over', (t) => {
    const directory = freshDirectory(t);
    const stopped = opened(directory);
    stopped.add([dead('a', 1)], 0);
    const [b, c] = [dead('b', 2), dead('c', 4)];
    for (const { file } of [b, c]) writeFileSync(join(directory, file), '');
    opened(directory).add([b, dead('d', 8)], 0);
    // It has read two before it was stopped, and knows neither that one of them is in by now nor of the third one.
    assert.deepEqual(stopped.adopt([b, c]), [b]);
    assert.deepEqual(stopped.adopt([c]), [], 'once');
    assert.deepEqual(stopped.add([c], 0).added, [c]);
    assert.deepEqual([countsOf(stopped), countsOf(opened(directory))], [{ '': 15 }, { '': 15 }]);
  });

  it('are exact whatever becomes of one of their copies; of both, exact or told as lost', (t) => {
    const outcomes = { exact: 0, lost: 0 };
    fc.assert(
      fc.property(damages, fc.constantFrom(['totals'], ['totals.copy'], ['totals', 'totals.copy']), (damage, files) => {
        const directory = freshDirectory(t);
        const before = opened(directory);
        before.add([dead('a', 1)], 0);
        const older = readFileSync(join(directory, 'totals'));
        before.add([dead('b', 2), dead('c', 4)], 0);
        for (const file of files) {
          const path = join(directory, file);
          writeFileSync(path, damage(readFileSync(path), older));
        }
        const totals = new Totals(directory, undefined);
        const { lost } = totals.load(() => {});
        const { '': count = 0 } = countsOf(totals);
        // Damage may put the older file back, whole; in both places that is what there is.
        const isExact = count === 7 || (files.length === 2 && count === 1);
        if (isExact) assert.deepEqual(lost, []);
        else assert.deepEqual([files.length, count, lost.length], [2, 0, 1]);
        outcomes[isExact ? 'exact' : 'lost'] += 1;
        totals.add([dead('d', 8)], 0);
        assert.deepEqual(countsOf(opened(directory)), { '': count + 8 });
      }),
      { numRuns: 150, includeErrorInReport: true },
    );
    t.diagnostic(JSON.stringify(outcomes));
  });

  it('are the same however the dead are cut into portions and read anew in between', (t) => {
    const one = fc.record({ slot: fc.constantFrom(undefined, 'worker_1', 'worker_2'), value: fc.nat(1000) });
    const portions = fc.array(fc.tuple(fc.array(one, { maxLength: 4 }), fc.boolean()), { maxLength: 6 });
    fc.assert(
      fc.property(portions, (portions) => {
        const directory = freshDirectory(t);
        let totals = opened(directory);
        const expected: Record<string, number> = {};
        for (const [portion, readAnew] of portions) {
          if (readAnew) totals = opened(directory);
          const left = portion.map(({ slot, value }) => dead(slot ?? 'a', value, slot !== undefined));
          assert.equal(totals.add(left, 0).added.length, left.length);
          for (const { slot = '', value } of portion) expected[slot] = (expected[slot] ?? 0) + value;
        }
        assert.deepEqual(countsOf(totals), expected);
      }),
      { numRuns: 50 },
    );
  });
});

describe('a group whose worker ids come back', () => {
  it('keeps the counts of each id for the reader that comes after, and deletes the files', async (t) => {
    const directory = freshDirectory(t);
    for (const value of [1, 2]) publish(directory, await deadMark(t), value, { workerId: 'worker_1', lasting: true });
    publish(directory, ownMark(), 4, { workerId: 'worker_1', lasting: true });
    const first = new GroupReader({ directory, exitedRetentionMs: 0 });
    assert.equal(first.read().length, 1);
    for (const reader of [first, new GroupReader({ directory, exitedRetentionMs: 0 })]) {
      const [totals] = reader.totals;
      assert.deepEqual([totals!.snapshot.identity.workerId, totals!.snapshot.identity.lasting], ['worker_1', true]);
      assert.deepEqual(sumOf(reader), 7);
    }
    assert.deepEqual(
      readdirSync(directory).sort(),
      [snapshotFile(ownMark(), 0), ...withCopies('totals-worker_1')].sort(),
    );
  });

  it('counts nothing twice when the fold was killed between its rename and its deletions', async (t) => {
    const directory = freshDirectory(t);
    const files = new Map<string, Buffer>();
    for (const identity of [{}, { workerId: 'worker_1', lasting: true }, { workerId: 'worker_2', lasting: true }]) {
      const mark = await deadMark(t);
      publish(directory, mark, 10, identity);
      const file = snapshotFile(mark, 0);
      files.set(file, readFileSync(join(directory, file)));
    }
    new GroupReader({ directory, exitedRetentionMs: 0 }).read();
    for (const [file, bytes] of files) writeFileSync(join(directory, file), bytes);
    const reader = new GroupReader({ directory, exitedRetentionMs: 0 });
    assert.equal(sumOf(reader), 30);
    assert.deepEqual(readdirSync(directory).sort(), withCopies('totals', 'totals-worker_1', 'totals-worker_2'));
  });

  it('counts nothing twice when the file of a dead one cannot be deleted, and deletes it when it can', async (t) => {
    const directory = freshDirectory(t);
    const mark = await deadMark(t);
    publish(directory, mark, 10);
    const reader = new GroupReader({ directory, exitedRetentionMs: 0 });
    const restore = withoutDeletion(t);
    for (let n = 0; n < 3; n += 1) assert.equal(sumOf(reader), 10);
    assert.ok(reader.errors.get('delete')! > 0);
    // More have died: the totals are written anew.
    publish(directory, await deadMark(t), 5);
    assert.equal(sumOf(reader), 15);
    assert.equal(sumOf(new GroupReader({ directory, exitedRetentionMs: 0 })), 15);
    restore();
    assert.equal(sumOf(reader), 15);
    assert.deepEqual(readdirSync(directory).sort(), withCopies(TOTALS_FILE));
  });
});

describe('the totals of a group', () => {
  it('are written again by its reader when somebody has deleted them', async (t) => {
    const directory = freshDirectory(t);
    publish(directory, await deadMark(t), 1);
    const reader = new GroupReader({ directory, exitedRetentionMs: 0 });
    reader.reap();
    for (const file of readdirSync(directory)) rmSync(join(directory, file));
    reader.reap();
    assert.deepEqual(readdirSync(directory).sort(), withCopies(TOTALS_FILE));
    assert.deepEqual(countsOf(opened(directory)), { '': 1 });
  });
});

describe('a thread whose process lives on', () => {
  it('is dead once its process has marked its file, and is folded with the mark', (t) => {
    const directory = freshDirectory(t);
    publish(directory, ownMark(), 1);
    publish(directory, ownMark(), 2, { threadId: 6 });
    const reader = new GroupReader({ directory, exitedRetentionMs: 1000 });
    const alive = () =>
      reader
        .read(0)
        .map(({ file, alive }) => [file, alive])
        .sort();
    const [main, thread] = [snapshotFile(ownMark(), 0), snapshotFile(ownMark(), 6)];
    assert.deepEqual(alive(), [
      [main, true],
      [thread, true],
    ]);
    markEnded(directory, ownMark(), 6);
    assert.deepEqual(alive(), [
      [main, true],
      [thread, false],
    ]);
    assert.deepEqual(
      reader.living().map(({ pid }) => pid),
      [process.pid],
    );
    reader.read(1000);
    assert.deepEqual(readdirSync(directory).sort(), [main, ...withCopies(TOTALS_FILE)].sort());
    assert.equal(sumOf(reader), 3);
  });

  it('is dead once it says so itself, before anybody has marked it, and is not counted twice by the mark', (t) => {
    const directory = freshDirectory(t);
    publish(directory, ownMark(), 2, { threadId: 6, ended: true });
    const reader = new GroupReader({ directory, exitedRetentionMs: 1000 });
    for (const nowMs of [500, 700]) {
      const [state] = reader.read(nowMs);
      assert.deepEqual([state!.alive, state!.exitedAtMonotonicMs], [false, 500], 'since it was seen first');
    }
    markEnded(directory, ownMark(), 6);
    assert.equal(reader.read(1499).length, 1);
    assert.deepEqual(reader.read(1500), []);
    assert.equal(sumOf(reader), 2);
    assert.ok(!existsSync(join(directory, `${snapshotFile(ownMark(), 6)}.ended`)));
  });

  it('that was terminated while it laid out its file anew leaves nothing of that', (t) => {
    const directory = freshDirectory(t);
    publish(directory, ownMark(), 2, { threadId: 6 });
    writeFileSync(join(directory, `${snapshotFile(ownMark(), 6)}.new`), 'half a layout');
    const reader = new GroupReader({ directory, exitedRetentionMs: 1000 });
    markEnded(directory, ownMark(), 6);
    reader.read(0);
    reader.read(1000);
    assert.deepEqual(readdirSync(directory).sort(), withCopies(TOTALS_FILE).sort());
    assert.equal(sumOf(reader), 2);
  });
});

const COUNTER = { name: 'c', description: '', unit: '', kind: 'counter', scope: 'app' } as const;
let files = 0;

function opened(directory: string, places?: SeriesPlaces): Totals {
  const totals = new Totals(directory, places);
  totals.load(fail);
  return totals;
}

function withCopies(...names: string[]): string[] {
  return names.flatMap((name) => [name, `${name}.copy`]).sort();
}

function dead(workerId: string, value: number, lasting = false, series = ''): Left {
  files += 1;
  const identity: Identity = { ...IDENTITY, workerId, ...(lasting && { lasting }) };
  return {
    file: `${files}-1-0.snapshot`,
    snapshot: decodeSnapshot(encodeSnapshot(identity, table(value, series), 0)),
    alive: false,
  };
}

function publish(directory: string, mark: ProcessMark, value: number, told: Partial<Identity> = {}): void {
  const identity = { ...IDENTITY, ...mark, ...told };
  writeFileSync(join(directory, snapshotFile(mark, identity.threadId)), encodeSnapshot(identity, table(value), 0));
}

function table(value: number, series = ''): SeriesTable {
  const table = new SeriesTable();
  table.values[table.add(table.define(COUNTER), { series })] = value;
  table.values[table.add(table.define({ ...COUNTER, name: 'u', kind: 'updowncounter' }), {})] = value;
  return table;
}

// By worker id; '' for those that have none of their own any more.
function countsOf(totals: Totals): Record<string, number> {
  return Object.fromEntries(
    totals.members.map(({ snapshot }) => {
      const { lasting, workerId } = snapshot.identity;
      return [lasting ? workerId : '', snapshot.values.reduce((sum, value) => sum + value, 0)];
    }),
  );
}

function sumOf(reader: GroupReader): number {
  const states = reader.read();
  const [counter] = [...merge([...reader.totals, ...states]).values()].filter(
    ({ descriptor }) => descriptor.name === 'c',
  );
  return [...counter!.series.values()][0]!.values[0]!;
}

// A directory that lets nobody delete, as an immutable or a stale one does.
function withoutDeletion(t: TestContext): () => void {
  return failing(t, 'rmSync', 'EPERM');
}

function fail(path: string, error: unknown): void {
  assert.fail(`${path}: ${error}`);
}
