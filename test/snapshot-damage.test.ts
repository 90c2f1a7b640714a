/**
 * Fuzz of snapshot files: real files of the real writer, damaged in every way that disks and programs have, read by a
 * reader that has seen them whole before. What it gives was published, or it is an error that says what is wrong.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { cellOf } from '../src/aggregate/merge.ts';
import { GroupReader } from '../src/aggregate/workers.ts';
import { GunicornOtelError } from '../src/errors.ts';
import { setLogLevel } from '../src/report.ts';
import { snapshotFile } from '../src/snapshot/directory.ts';
import { SnapshotFile } from '../src/snapshot/file.ts';
import { decodeSnapshot, encodeHeader, encodeSnapshot, type Identity, type Snapshot } from '../src/snapshot/layout.ts';
import { ownMark } from '../src/snapshot/process-mark.ts';
import { SnapshotReader } from '../src/snapshot/reader.ts';
import { SeriesTable } from '../src/snapshot/series-table.ts';
import { SLOT_HEADER_BYTES } from '../src/snapshot/slot.ts';
import { descriptors, IDENTITY, type Recorded, recordings, tableOf } from './arbitrary-tables.ts';
import { damages, fileOfLines } from './damages.ts';
import { freshDirectory } from './processes.ts';

setLogLevel('none');

const RUNS = 400;
const OWNER = { mark: IDENTITY, threadId: 0 };

// What a writer does between two reads; `read` is where the reader looks before the damage is done.
const steps = fc.array(
  fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({ step: fc.constant('update' as const), by: fc.integer({ min: 1, max: 1000 }) }),
    },
    { weight: 3, arbitrary: fc.record({ step: fc.constant('series' as const), descriptor: descriptors, n: fc.nat() }) },
    {
      weight: 1,
      arbitrary: fc.record({ step: fc.constant('many' as const), count: fc.integer({ min: 1, max: 200 }) }),
    },
    { weight: 1, arbitrary: fc.record({ step: fc.constant('state' as const), since: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ step: fc.constant('ended' as const) }) },
    { weight: 2, arbitrary: fc.record({ step: fc.constant('read' as const) }) },
  ),
  { minLength: 1, maxLength: 12 },
);
type Steps = typeof steps extends fc.Arbitrary<infer T> ? T : never;

describe('a damaged file of a real writer', () => {
  it('gives what was published, nothing older than before, or an error; and whole again, the last of it', (t) => {
    const directory = freshDirectory(t);
    const outcomes = { published: 0, refused: 0 };
    let run = 0;
    fc.assert(
      fc.property(steps, steps, fc.array(damages, { minLength: 1, maxLength: 5 }), (history, others, all) => {
        run += 1;
        const path = join(directory, `${run}`);
        const reader = new SnapshotReader(path, OWNER);
        const published = publish(path, IDENTITY, history, () => reader.read());
        const other = join(directory, `${run}-other`);
        publish(other, { ...IDENTITY, workerId: 'another', pid: 4712 }, others);
        const [whole, foreign] = [readFileSync(path), readFileSync(other)];
        const before = tryRead(() => reader.read(), published);
        let newest = before?.sequence ?? 0;
        for (const damage of all) {
          writeFileSync(path, damage(whole, foreign));
          const snapshot = tryRead(() => reader.read(), published);
          outcomes[snapshot ? 'published' : 'refused'] += 1;
          assert.ok(!snapshot || snapshot.sequence >= newest, 'nothing older than what was there before');
          newest = snapshot?.sequence ?? newest;
          tryRead(() => new SnapshotReader(path, OWNER).read(), published);
        }
        writeFileSync(path, whole);
        assert.equal(textOf(reader.read()), published.at(-1));
        for (const file of [path, other]) rmSync(file);
      }),
      { numRuns: RUNS, includeErrorInReport: true },
    );
    t.diagnostic(JSON.stringify(outcomes));
    assert.ok(outcomes.published > RUNS / 10 && outcomes.refused > RUNS / 10, JSON.stringify(outcomes));
  });

  it('with any one bit of its head, its slots and its first lines flipped gives what was published, or an error', (t) => {
    const path = join(freshDirectory(t), 'own.snapshot');
    const history: Steps = [
      { step: 'many', count: 2 },
      { step: 'update', by: 1 },
      { step: 'update', by: 1 },
    ];
    const published = publish(path, IDENTITY, history);
    const whole = readFileSync(path);
    for (let bit = 0; bit < whole.length * 8; bit += 1) {
      // Behind the lines there is room of the dictionary, and behind the values that of the slot: thousands of zeros.
      if (whole[bit >> 3] === 0 && bit % 401 !== 0) continue;
      const file = Buffer.from(whole);
      file[bit >> 3]! ^= 1 << (bit & 7);
      tryRead(() => decodeSnapshot(file), published);
    }
  });

  it('costs the others of its group nothing: they are exact, and it is what it was', (t) => {
    const directory = freshDirectory(t);
    const mark = ownMark();
    const paths = [0, 1, 2].map((thread) => join(directory, snapshotFile(mark, thread)));
    fc.assert(
      fc.property(recordings, recordings, fc.array(damages, { minLength: 1, maxLength: 6 }), (own, others, all) => {
        const identity = (threadId: number) => ({ ...IDENTITY, ...mark, threadId, workerId: `worker_${threadId}_1` });
        const files = [own, others, others].map((recorded, i) => encodeSnapshot(identity(i), tableOf(recorded), 0));
        for (const [i, path] of paths.entries()) writeFileSync(path, files[i]!);
        const reader = new GroupReader({ directory, exitedRetentionMs: 1e9 });
        const texts = () =>
          reader
            .read()
            .map(({ snapshot }) => textOf(snapshot))
            .sort();
        const before = texts();
        assert.equal(before.length, 3);
        for (const damage of all) {
          // The other file is that of a living sibling: a copy of it must not count for two.
          writeFileSync(paths[0]!, damage(files[0]!, files[1]!));
          assert.deepEqual(texts(), before);
        }
        for (const cause of reader.errors.keys()) assert.ok(['torn', 'foreign', 'version'].includes(cause), cause);
      }),
      { numRuns: 150, includeErrorInReport: true },
    );
  });
});

describe('what is under the name of a snapshot', () => {
  it('may say that it is as large as a disk: it is refused, and no memory is taken for it', (t) => {
    const path = join(freshDirectory(t), 'own.snapshot');
    const reader = new SnapshotReader(path);
    const most = 2 ** 32 - 8;
    for (const capacity of [
      { dictionaryBytes: most, values: most },
      { dictionaryBytes: 4096, values: 2 ** 28 },
      { dictionaryBytes: 2 ** 30, values: 1 },
    ]) {
      writeFileSync(path, encodeHeader(capacity, '1.2.3'));
      truncateSync(path, 2 ** 36);
      const before = process.memoryUsage().arrayBuffers;
      assert.throws(() => reader.read(), { code: 'GUNICORN_OTEL_ERR_SNAPSHOT_FOREIGN' });
      assert.ok(process.memoryUsage().arrayBuffers - before < 2 ** 24);
    }
    // One that has grown behind its end is read to its end.
    writeFileSync(path, encodeSnapshot(IDENTITY, tableOf([]), 0));
    truncateSync(path, 2 ** 36);
    const before = process.memoryUsage().arrayBuffers;
    assert.deepEqual(reader.read().identity, IDENTITY);
    assert.ok(process.memoryUsage().arrayBuffers - before < 2 ** 24);
  });

  it('may be a pipe, a link or a directory: it is foreign, and nobody waits for it', { timeout: 60_000 }, (t) => {
    const directory = freshDirectory(t);
    const whole = join(directory, 'whole');
    writeFileSync(whole, encodeSnapshot(IDENTITY, tableOf([]), 0));
    const made: Record<string, (path: string) => void> = {
      pipe: (path) => execFileSync('mkfifo', [path]),
      link: (path) => symlinkSync(whole, path),
      directory: (path) => mkdirSync(path),
    };
    for (const [what, make] of Object.entries(made)) {
      make(join(directory, what));
      const reader = new SnapshotReader(join(directory, what));
      assert.throws(() => reader.read(), { code: 'GUNICORN_OTEL_ERR_SNAPSHOT_FOREIGN' }, what);
    }
  });

  it('may be a line that is nested without end: it is foreign', (t) => {
    const path = join(freshDirectory(t), 'own.snapshot');
    const deep = `{"s":0,"a":{"x":${'['.repeat(200_000)}${']'.repeat(200_000)}}}`;
    const metric = { m: { name: 'n', description: '', unit: '', kind: 'counter', scope: 'app' } };
    writeFileSync(path, fileOfLines([IDENTITY, metric, deep], [1]));
    assert.throws(() => new SnapshotReader(path).read(), { code: 'GUNICORN_OTEL_ERR_SNAPSHOT_FOREIGN' });
  });
});

// Plays a history with the real writer. Returns what each write has published, as textOf tells it.
function publish(path: string, identity: Identity, history: Steps, read?: () => void): string[] {
  const table = new SeriesTable(SLOT_HEADER_BYTES);
  const file = new SnapshotFile(path, identity, table);
  const recorded: { descriptor: Recorded['descriptor']; attributes: object; offset: number; end: number }[] = [];
  const add = (descriptor: Recorded['descriptor'], attributes: Recorded['attributes']) => {
    const offset = table.add(table.define(descriptor), attributes);
    recorded.push({ descriptor, attributes, offset, end: table.used });
  };
  let told = identity;
  const texts: string[] = [];
  const write = () => {
    file.write();
    const cells = recorded.map(({ descriptor, attributes, offset, end }) => {
      return [descriptor, attributes, [...table.values.subarray(offset, end)]];
    });
    texts.push(asText(told, cells));
  };
  write();
  for (const step of history) {
    if (step.step === 'read') read?.();
    if (step.step === 'update') for (let i = 0; i < table.used; i += 1) table.values[i]! += step.by;
    if (step.step === 'series') add(step.descriptor, { n: step.n, route: '/a' });
    if (step.step === 'many') for (let n = 0; n < step.count; n += 1) add(COUNTER, { n, route: `/a/long/route/${n}` });
    const state = { name: 'quitting', sinceSeconds: step.step === 'state' ? step.since : 0 } as const;
    if (step.step === 'state' || step.step === 'ended') {
      told = { ...told, ...(step.step === 'state' ? { state } : { ended: true }) };
      file.identify(told);
    }
    write();
  }
  file.close();
  return texts;
}

const COUNTER = { name: 'n', description: '', unit: '', kind: 'counter', scope: 'app' } as const;

function tryRead(read: () => Snapshot, published: readonly string[]): Snapshot | undefined {
  let snapshot: Snapshot;
  try {
    snapshot = read();
  } catch (error) {
    assert.ok(error instanceof GunicornOtelError, `${(error as Error).stack}`);
    return undefined;
  }
  assert.ok(published.includes(textOf(snapshot)), textOf(snapshot));
  return snapshot;
}

function textOf(snapshot: Snapshot): string {
  const cells = snapshot.metrics.flatMap(({ descriptor, series }) =>
    series.flatMap((entry) => {
      const cell = cellOf(descriptor, entry, snapshot.values);
      return cell ? [[descriptor, entry.attributes, [...cell]]] : [];
    }),
  );
  return asText(snapshot.identity, cells);
}

function asText(identity: Identity, cells: readonly unknown[]): string {
  return JSON.stringify([identity, cells.map((cell) => JSON.stringify(cell)).sort()]);
}
