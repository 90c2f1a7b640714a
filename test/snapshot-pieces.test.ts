/**
 * Holds the pieces in which src/snapshot/file.ts writes a large table: none is large, and whatever comes between two of
 * them, readers see whole cells, of no moment before the one that was promised, and nothing that is not whole.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs, { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { dirname, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { cellOf } from '../src/aggregate/merge.ts';
import { GunicornOtelError } from '../src/errors.ts';
import { SnapshotFile } from '../src/snapshot/file.ts';
import type { Snapshot } from '../src/snapshot/layout.ts';
import { SnapshotReader } from '../src/snapshot/reader.ts';
import { PIECE_BYTES, SeriesTable } from '../src/snapshot/series-table.ts';
import { SLOT_HEADER_BYTES } from '../src/snapshot/slot.ts';
import { IDENTITY } from './arbitrary-tables.ts';
import { atEnd, freshDirectory, until } from './processes.ts';
import { recordWrites } from './recorded-writes.ts';

const BOUNDS = [Array.from({ length: 16 }, (_, i) => i), [1, 2, 3, 4, 5, 6, 7], [1, 2, 3, 4, 5, 6, 7]];
const HISTOGRAM = { name: 'n', description: '', unit: '', kind: 'histogram', scope: 'app', bounds: BOUNDS } as const;
// As wide as a cell of requests: 911 of them are more than a piece.
const WIDTH = 36;
const MANY = 3000;
const RUNS = 30;
const KILLS = 24;
const POLLING_MS = 1500;
const PIECEWISE_WRITER = fileURLToPath(new URL('./piecewise-writer.js', import.meta.url));

describe('a large table', () => {
  it('is written in pieces, none of them larger than is said, and each of whole cells', (t) => {
    const { file, table, read } = open(t, MANY);
    const writes = recordWrites(t);
    const pieces = piecesOf(file, (piece) => table.values.fill(piece, 0, table.used));
    assert.equal(pieces, Math.ceil((MANY * WIDTH * 8) / PIECE_BYTES));
    // The slot's header is the last, by itself.
    assert.equal(writes.length, pieces + 1);
    assert.equal(writes.at(-1), SLOT_HEADER_BYTES);
    assert.ok(Math.max(...writes) <= PIECE_BYTES, `${Math.max(...writes)} bytes at once`);
    const numbers = cellsOf(read());
    assert.equal(numbers.length, MANY);
    assert.deepEqual([numbers[0], numbers.at(-1)], [0, pieces - 1]);
  });

  it('is one write where it is no larger than a piece', (t) => {
    const { file, table, read } = open(t, Math.floor(PIECE_BYTES / (WIDTH * 8)));
    const writes = recordWrites(t);
    table.values.fill(7, 0, table.used);
    assert.equal(file.writePiece(), true);
    assert.deepEqual(writes, [SLOT_HEADER_BYTES + table.used * 8]);
    assert.ok(cellsOf(read()).every((number) => number === 7));
  });

  it('is what it was for readers until the last piece, and has all that it had with the first one', (t) => {
    const { file, table, read } = open(t, MANY);
    const before = read();
    table.values.fill(1, 0, table.used);
    while (!file.writePiece()) {
      assert.deepEqual([read().sequence, cellsOf(read())[0]], [before.sequence, 0]);
      table.values.fill(2, 0, table.used);
    }
    assert.equal(read().sequence, before.sequence + 1);
    assert.ok(cellsOf(read()).every((number) => number >= 1));
  });

  it('that is wider than a piece in one cell is written in one, and whole', (t) => {
    const { file, table, read } = open(t, 3);
    const wide = Array.from({ length: PIECE_BYTES / 8 + 10 }, (_, i) => i);
    const metric = table.define({ ...HISTOGRAM, name: 'wide', bounds: [wide] });
    table.add(metric, {});
    table.add(metric, {});
    file.write();
    piecesOf(file, (piece) => table.values.fill(piece, 0, table.used));
    const { metrics, values } = read();
    assert.equal(metrics[1]!.series.length, 2);
    for (const series of metrics[1]!.series) numberOf(cellOf(metrics[1]!.descriptor, series, values)!);
  });

  it('that outgrows its file gets the next one in pieces, and what has its place goes on meanwhile', (t) => {
    const { file, table, add, read, path } = open(t, MANY);
    const writes = recordWrites(t);
    add(MANY);
    table.values.fill(5, 0, table.used);
    let largest = 0;
    let known = 0;
    const pieces = piecesOf(file, () => {
      // The names of one piece and its values are never written together.
      largest = Math.max(
        largest,
        writes.splice(0).reduce((sum, bytes) => sum + bytes, 0),
      );
      if (cellsOf(read()).length === MANY && cellsOf(read()).every((number) => number === 5)) known += 1;
    });
    assert.ok(pieces > 20, `${pieces} pieces`);
    assert.ok(largest <= PIECE_BYTES + SLOT_HEADER_BYTES, `${largest} bytes at once`);
    assert.ok(known > 5, `known values after ${known} of ${pieces} pieces`);
    assert.ok(cellsOf(read()).length === 2 * MANY && cellsOf(read()).every((number) => number === 5));
    assert.deepEqual(readdirSync(dirname(path)), ['own.snapshot']);
  });

  it('written at once has the series, too, that were born while the next file was made', (t) => {
    const { file, table, add, read } = open(t, MANY);
    add(MANY);
    for (let piece = 0; piece < 12; piece += 1) file.writePiece();
    add(1);
    table.values.fill(4, 0, table.used);
    file.write();
    assert.deepEqual([cellsOf(read()).length, cellsOf(read()).at(-1)], [2 * MANY + 1, 4]);
  });

  it('leaves nothing of a next file that is given up', (t) => {
    const { file, add, path, read } = open(t, MANY);
    add(MANY);
    for (let piece = 0; piece < 12; piece += 1) file.writePiece();
    assert.deepEqual(readdirSync(dirname(path)), ['own.snapshot', 'own.snapshot.new']);
    file.identify({ role: 'primary' });
    assert.deepEqual(readdirSync(dirname(path)), ['own.snapshot']);
    for (let piece = 0; piece < 12; piece += 1) file.writePiece();
    file.close();
    assert.deepEqual(readdirSync(dirname(path)), ['own.snapshot']);
    assert.equal(cellsOf(read()).length, MANY);
  });

  it('whose file loses its name between two pieces gets another one, and never writes to what is not its file', (t) => {
    const { file, table, path, read } = open(t, MANY);
    file.writePiece();
    rmSync(path);
    file.check();
    assert.equal(file.isUnderWay, false);
    // The lowest free handle is the one that was let go of.
    const other = join(dirname(path), 'other');
    writeFileSync(other, 'of the app');
    const handle = fs.openSync(other, 'r+');
    atEnd(t, () => fs.closeSync(handle));
    table.values.fill(3, 0, table.used);
    while (!file.writePiece());
    assert.equal(fs.readFileSync(other, 'utf8'), 'of the app');
    assert.ok(cellsOf(read()).every((number) => number === 3));
  });

  it('that is refused at any piece is what it was, and is written when it is refused no more', (t) => {
    const { file, table, read } = open(t, MANY);
    let number = 0;
    for (const refused of [1, 2, 3, 4, 5]) {
      const before = read().sequence;
      number += 1;
      table.values.fill(number, 0, table.used);
      refuseWrite(t, refused);
      assert.throws(() => file.write(), { code: 'ENOSPC' });
      t.mock.restoreAll();
      syncBuiltinESMExports();
      // What the file knows is tried once more, as it is for a small one; that it is whole is what counts.
      assert.ok(cellsOf(read()).every((each) => each === number || each === number - 1));
      assert.ok(read().sequence >= before);
      file.write();
      assert.ok(cellsOf(read()).every((each) => each === number));
    }
  });

  it('has its names read back in pieces, and damage in the last of them found', (t) => {
    const { file, path } = open(t, 4 * MANY);
    const reads: number[] = [];
    const readSync = fs.readSync as (...args: unknown[]) => number;
    t.mock.method(fs, 'readSync', (...args: unknown[]) => {
      reads.push(args[3] as number);
      return readSync(...args);
    });
    syncBuiltinESMExports();
    const checks = () => {
      for (let check = 0; check < 8; check += 1) file.check();
    };
    checks();
    assert.ok(Math.max(...reads) <= PIECE_BYTES);
    t.mock.restoreAll();
    syncBuiltinESMExports();
    const { ino } = fs.statSync(path);
    file.write();
    assert.equal(fs.statSync(path).ino, ino, 'it was whole');
    const bytes = fs.readFileSync(path);
    const handle = fs.openSync(path, 'r+');
    const last = bytes.indexOf(`{"n":${4 * MANY - 1}}`);
    fs.writeSync(handle, 'X', last);
    fs.closeSync(handle);
    checks();
    file.write();
    assert.notEqual(fs.statSync(path).ino, ino, 'it is another one');
  });

  it('is right for readers whatever comes between two pieces', (t) => {
    const directory = freshDirectory(t);
    let run = 0;
    fc.assert(
      fc.property(fc.array(steps, { minLength: 5, maxLength: 40 }), (history) => {
        run += 1;
        const { file, table, add, read, path } = open(t, 1200, join(directory, `${run}`));
        let number = 0;
        let began = 0;
        let seen: number[] = [];
        let role = 'worker';
        for (const [step, n] of history) {
          if (step === 'change') table.values.fill(++number, 0, table.used);
          if (step === 'series') {
            add(n * 20);
            table.values.fill(number, 0, table.used);
          }
          if (step === 'check') file.check();
          if (step === 'identity') {
            role = n % 2 === 0 ? 'primary' : 'worker';
            file.identify({ role: role as 'worker' });
          }
          if (step === 'piece' && !file.isUnderWay) began = number;
          const cells = table.used / WIDTH;
          let done = step === 'piece' && file.writePiece();
          for (let piece = 1; step === 'piece' && !done && piece < n; piece += 1) done = file.writePiece();
          if (step === 'catchUp') file.catchUp();
          if (step === 'write' || step === 'identity') file.write();
          const snapshot = read();
          const now = cellsOf(snapshot);
          for (const [i, value] of now.entries()) assert.ok(value >= (seen[i] ?? 0) && value <= number, `${step} ${i}`);
          assert.ok(now.length >= seen.length, 'no series has gone');
          seen = now;
          if (done) assert.ok(now.every((value) => value >= began));
          if (step === 'write' || step === 'identity') {
            assert.ok(now.length === cells && now.every((value) => value === number), 'all at once');
            assert.equal(snapshot.identity.role, role);
          }
        }
        file.close();
        rmSync(path);
      }),
      { numRuns: RUNS, includeErrorInReport: true },
    );
  });
});

describe('a process that writes in pieces', () => {
  for (const [what, args] of [
    ['of 10,000 cells', ['10000']],
    ['of ever more cells', ['1000', 'grows']],
  ] as const) {
    it(`${what} never shows a torn or falling cell to a reader that polls`, async (t) => {
      const path = join(freshDirectory(t), 'own.snapshot');
      const { child } = startWriter(t, path, args);
      await until(() => existsSync(path), 'the file');
      const reader = new SnapshotReader(path);
      let seen: number[] = [];
      const reads = { good: 0, torn: 0 };
      for (const end = performance.now() + POLLING_MS; performance.now() < end; await delay(1)) {
        const snapshot = readUnlessTorn(reader);
        reads[snapshot ? 'good' : 'torn'] += 1;
        if (!snapshot) continue;
        const now = cellsOf(snapshot);
        assert.ok(now.length >= seen.length);
        assert.ok(seen.every((number, i) => now[i]! >= number));
        seen = now;
      }
      assert.equal(child.exitCode, null, 'the writer is still at it');
      assert.ok(reads.good > 10 && seen[0]! > 10, `${JSON.stringify(reads)} up to ${seen[0]}`);
    });

    it(`${what} leaves what it had published when it is killed between them, ${KILLS} times`, async (t) => {
      const directory = freshDirectory(t);
      for (let kill = 0; kill < KILLS; kill += 1) {
        const path = join(directory, `${kill}.snapshot`);
        const { child, published } = startWriter(t, path, args);
        await until(() => published() > kill, `publication ${kill}`);
        await delay(kill % 7);
        child.kill('SIGKILL');
        await once(child, 'close');
        const snapshot = new SnapshotReader(path).read();
        const numbers = cellsOf(snapshot);
        assert.ok(
          numbers.every((number) => number >= published()),
          `${Math.min(...numbers)} in the file, ${published()} told`,
        );
        for (const file of readdirSync(directory)) rmSync(join(directory, file));
      }
    });
  }
});

const steps = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(fc.constant('piece' as const), fc.integer({ min: 1, max: 20 })) },
  { weight: 4, arbitrary: fc.tuple(fc.constant('change' as const), fc.constant(0)) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('series' as const), fc.integer({ min: 1, max: 60 })) },
  { weight: 1, arbitrary: fc.tuple(fc.constantFrom('write' as const, 'catchUp' as const), fc.constant(0)) },
  { weight: 1, arbitrary: fc.tuple(fc.constantFrom('check' as const, 'identity' as const), fc.nat(1)) },
);

function open(t: TestContext, cells: number, path = join(freshDirectory(t), 'own.snapshot')) {
  const table = new SeriesTable(SLOT_HEADER_BYTES);
  const metric = table.define(HISTOGRAM);
  let count = 0;
  const add = (more: number) => {
    for (let i = 0; i < more; i += 1) table.add(metric, { n: count++ });
  };
  add(cells);
  const file = new SnapshotFile(path, IDENTITY, table);
  file.write();
  atEnd(t, () => file.close());
  const reader = new SnapshotReader(path);
  return { file, table, add, path, read: () => reader.read() };
}

// One publication. @returns how many pieces it took
function piecesOf(file: SnapshotFile, before: (piece: number) => void): number {
  for (let piece = 0; ; piece += 1) {
    before(piece);
    if (file.writePiece()) return piece + 1;
  }
}

function cellsOf({ metrics, values }: Snapshot): number[] {
  const [metric] = metrics;
  return metric!.series.flatMap((series) => {
    const cell = cellOf(metric!.descriptor, series, values);
    return cell ? [numberOf(cell)] : [];
  });
}

// A cell that is not whole has two numbers.
function numberOf(cell: Float64Array): number {
  assert.ok(cell.every((value) => value === cell[0]));
  return cell[0]!;
}

type Write = (file: number, bytes: Uint8Array, from: number, length: number, at: number) => number;

// The so manyth write from now on, and none after it.
function refuseWrite(t: TestContext, which: number): void {
  const write = fs.writeSync as Write;
  let count = 0;
  t.mock.method(fs, 'writeSync', (...args: Parameters<Write>) => {
    count += 1;
    if (count !== which) return write(...args);
    throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
  });
  syncBuiltinESMExports();
}

function readUnlessTorn(reader: SnapshotReader): Snapshot | undefined {
  try {
    return reader.read();
  } catch (error) {
    if (error instanceof GunicornOtelError && error.code === 'GUNICORN_OTEL_ERR_SNAPSHOT_TORN') return undefined;
    throw error;
  }
}

function startWriter(t: TestContext, path: string, args: readonly string[]) {
  const child: ChildProcess = spawn(process.execPath, [PIECEWISE_WRITER, path, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'close');
  atEnd(t, async () => {
    child.kill('SIGKILL');
    await ended;
  });
  let output = '';
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    output = (output + text).slice(-40);
  });
  // The last whole line.
  return { child, published: () => Number(output.split('\n').at(-2) ?? 0) };
}
