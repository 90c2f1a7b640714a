/** Holds src/snapshot/writer.ts with real files: whatever happens to the writer or its disk, a reader finds no wrong value. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs, { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { dirname, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { cellOf } from '../src/aggregate/merge.ts';
import { GroupReader } from '../src/aggregate/workers.ts';
import { GunicornOtelError } from '../src/errors.ts';
import { setLogLevel } from '../src/report.ts';
import { snapshotFile } from '../src/snapshot/directory.ts';
import { decodeHeader, decodeSnapshot, type Snapshot, slotOffset } from '../src/snapshot/layout.ts';
import { ownMark } from '../src/snapshot/process-mark.ts';
import { SeriesTable } from '../src/snapshot/series-table.ts';
import { SLOT_HEADER_BYTES } from '../src/snapshot/slot.ts';
import { HEARTBEAT_MS, SnapshotWriter } from '../src/snapshot/writer.ts';
import { IDENTITY, recordings, tableOf } from './arbitrary-tables.ts';
import { atEnd, freshDirectory, until } from './processes.ts';

// Readers that poll faster than any scraper may find a file torn three times in a row, which they say.
setLogLevel('none');

const COUNTER = { name: 'n', description: '', unit: '', kind: 'counter', scope: 'app' } as const;
const ENDLESS_WRITER = fileURLToPath(new URL('./endless-writer.js', import.meta.url));
const KILLS = 20;
const POLLING_MS = 1500;

describe('what was published', () => {
  it('reads back equal, whatever was recorded', (t) => {
    const directory = freshDirectory(t);
    let run = 0;
    fc.assert(
      fc.property(recordings, (recorded) => {
        run += 1;
        const table = tableOf(recorded, SLOT_HEADER_BYTES);
        const { writer, path } = open(t, { table, path: join(directory, `${run}`) });
        const snapshot = read(path);
        assert.deepEqual(snapshot.identity, IDENTITY);
        assert.deepEqual([...snapshot.values], [...table.values.subarray(0, table.used)]);
        const series = snapshot.metrics.reduce((sum, metric) => sum + metric.series.length, 0);
        assert.equal(series, recorded.length);
        writer.close();
      }),
      { numRuns: 30 },
    );
  });

  it('alternates between the slots and counts every write', (t) => {
    const { writer, table, path } = open(t);
    const cell = addCounter(table, {});
    for (let n = 1; n <= 5; n += 1) {
      table.values[cell] = n;
      writer.flush();
      assert.deepEqual(
        { sequence: read(path).sequence, values: [...read(path).values] },
        { sequence: n + 1, values: [n] },
      );
    }
  });

  it('is in the same file under the same name after table and dictionary have outgrown it many times', (t) => {
    const { writer, table, path } = open(t);
    let { ino } = statSync(path);
    let layouts = 0;
    let sequence = 0;
    for (let n = 0; n < 3000; n += 1) {
      const cell = addCounter(table, { n, route: `/a/long/route/of/this/service/${n}` });
      table.values[cell] = n;
      if (n % 10 === 0) {
        writer.flush();
        const snapshot = read(path);
        assert.equal(snapshot.values.length, table.used);
        assert.ok(snapshot.sequence > sequence);
        sequence = snapshot.sequence;
        if (statSync(path).ino !== ino) layouts += 1;
        ino = statSync(path).ino;
      }
    }
    writer.flush();
    const snapshot = read(path);
    assert.ok(snapshot.values.every((value, n) => value === n));
    assert.deepEqual(snapshot.metrics[0]!.series.at(-1)!.attributes['n'], 2999);
    // Laid out anew now and then, not on each of the 300 writes that had something new.
    assert.ok(layouts > 3 && layouts < 30, `${layouts} layouts`);
    assert.deepEqual(readdirSync(dirname(path)), ['own.snapshot']);
  });

  it('carries a changed identity, and what was counted before it', (t) => {
    const { writer, table, path } = open(t);
    const cell = addCounter(table, {});
    table.values[cell] = 3;
    writer.identify({ ...IDENTITY, role: 'primary' });
    assert.equal(read(path).identity.role, 'primary');
    assert.deepEqual([...read(path).values], [3]);
  });

  it('is readable by its owner only', (t) => {
    const mask = process.umask(0);
    try {
      assert.equal(statSync(open(t).path).mode & 0o777, 0o600);
    } finally {
      process.umask(mask);
    }
  });
});

describe('the writer', () => {
  it('publishes a change at once while the process is not busy', (t) => {
    const { writer, table, path } = open(t);
    const cell = addCounter(table, {});
    table.values[cell] = 1;
    writer.changed(performance.now());
    assert.deepEqual([...read(path).values], [1]);
  });

  it('spaces its writes under load, and publishes the last change within the flush interval', async (t) => {
    const { writer, table, path } = open(t, { flushIntervalMs: 50 });
    const cell = addCounter(table, {});
    for (let n = 1; n <= 5000; n += 1) {
      table.values[cell] = n;
      writer.changed(performance.now());
    }
    assert.ok(read(path).sequence < 100, `${read(path).sequence} writes for 5000 changes`);
    const began = performance.now();
    await until(() => read(path).values[0] === 5000, 'the last change is published');
    assert.ok(performance.now() - began < 500);
  });

  it('publishes what has waited an interval before a handler may block the loop', (t) => {
    const { writer, table, path } = open(t, { flushIntervalMs: 5 });
    const cell = addCounter(table, {});
    for (let n = 1; n <= 1000; n += 1) {
      table.values[cell] = n;
      writer.changed(performance.now());
    }
    assert.ok(read(path).values[0]! < 1000);
    writer.beforeHandler(performance.now() + 60_000);
    assert.equal(read(path).values[0], 1000);
  });

  it('publishes once a second though nothing has changed, and what was only touched with it', async (t) => {
    const { writer, table, path } = open(t, { flushIntervalMs: 20 });
    const before = read(path).writtenAtMonotonicMs;
    await until(() => read(path).writtenAtMonotonicMs > before, 'the heartbeat', HEARTBEAT_MS * 3);
    const cell = addCounter(table, {});
    table.values[cell] = 1;
    writer.touched();
    await until(() => read(path).values[0] === 1, 'the touched value', HEARTBEAT_MS / 2);
  });

  it('publishes a last time when it is closed, leaves the file, and never touches it again', async (t) => {
    const { writer, table, path } = open(t);
    const cell = addCounter(table, {});
    table.values[cell] = 7;
    writer.close();
    assert.deepEqual([...read(path).values], [7]);
    // An observable callback of the app, say, that comes back after the end.
    const { sequence } = read(path);
    writer.changed(performance.now());
    writer.touched();
    await delay(50);
    assert.equal(read(path).sequence, sequence);
  });

  it('does not keep its process', () => {
    const source = `
      import { SnapshotWriter } from ${JSON.stringify(new URL('../src/snapshot/writer.js', import.meta.url).href)};
      import { SeriesTable } from ${JSON.stringify(new URL('../src/snapshot/series-table.js', import.meta.url).href)};
      const options = { path: '/dev/null/no', identity: {}, table: new SeriesTable(48), flushIntervalMs: 10 };
      new SnapshotWriter({ ...options, onStateChange() {} }).touched();`;
    execFileSync(process.execPath, ['--input-type=module', '--eval', source], { timeout: 10_000 });
  });
});

describe('a disk that refuses', () => {
  it('cannot refuse what was there before: a file has its whole room from the first write on', (t) => {
    const { path } = open(t);
    const { size, blocks } = statSync(path);
    const capacity = decodeHeader(readFileSync(path));
    assert.equal(size, slotOffset(capacity, 2));
    assert.ok(blocks * 512 >= size, `${blocks} blocks for ${size} bytes`);
  });

  it('is told when the directory is gone, though the open file could be written to for ever', async (t) => {
    const { path, told } = open(t);
    rmSync(dirname(path), { recursive: true });
    await until(() => told.length > 0, 'the writer notices', HEARTBEAT_MS * 3);
    assert.deepEqual(told, ['ENOENT']);
  });

  it('is told once when a layout finds no directory, once when there is one again, and never thrown', (t) => {
    const { writer, table, path, told } = open(t);
    const cell = addCounter(table, {});
    writer.flush();
    rmSync(dirname(path), { recursive: true });
    outgrow(table);
    for (let n = 0; n < 5; n += 1) writer.flush();
    assert.deepEqual(told, ['ENOENT']);
    mkdirSync(dirname(path));
    table.values[cell] = 9;
    for (let n = 0; n < 5; n += 1) writer.flush();
    assert.deepEqual(told, ['ENOENT', 'works']);
    assert.equal(read(path).values[0], 9);
  });

  it('is told once when it was refused from the start', (t) => {
    const { writer, told } = open(t, { path: join(freshDirectory(t), 'not', 'there') });
    writer.flush();
    writer.close();
    assert.deepEqual(told, ['ENOENT']);
  });

  it('is told once when it is full, and what has its place in the file goes on there', (t) => {
    const { writer, table, path, told } = open(t);
    const cell = addCounter(table, {});
    table.values[cell] = 5;
    writer.flush();
    outgrow(table);
    table.values[cell] = 6;
    const known = read(path).metrics[0]!.series.length;
    // A device that is always full, where the next layout would go.
    symlinkSync('/dev/full', `${path}.new`);
    writer.flush();
    assert.deepEqual(told, ['ENOSPC']);
    assert.deepEqual([read(path).values[0], read(path).metrics[0]!.series.length], [6, known]);
    assert.ok(!existsSync(`${path}.new`), 'nothing half made is left');
    symlinkSync('/dev/full', `${path}.new`);
    table.values[cell] = 7;
    writer.flush();
    assert.deepEqual([told, read(path).values[0]], [['ENOSPC'], 7]);
    writer.flush();
    assert.deepEqual(told, ['ENOSPC', 'works']);
    assert.deepEqual([read(path).values[0], read(path).values.length], [7, table.used]);
  });

  it('is told once when it cuts every write short, and one slot stays whole all the time', (t) => {
    const { writer, table, path, told } = open(t);
    for (let n = 0; n < 100; n += 1) addCounter(table, {});
    table.values.fill(1, 0, table.used);
    writer.flush();
    writer.flush();
    fillDisk(t, 0.5);
    table.values.fill(2, 0, table.used);
    for (let n = 0; n < 6; n += 1) {
      writer.flush();
      assert.ok(read(path).values.every((value) => value === 1));
    }
    assert.deepEqual(told, ['ENOSPC']);
    t.mock.restoreAll();
    syncBuiltinESMExports();
    writer.flush();
    assert.deepEqual(told, ['ENOSPC', 'works']);
    assert.ok(read(path).values.every((value) => value === 2));
  });

  it('that cut off a dictionary line gets it again when there is room', (t) => {
    const { writer, table, path } = open(t);
    const cell = addCounter(table, { first: true });
    writer.flush();
    addCounter(table, { second: true });
    table.values[cell] = 1;
    fillDisk(t, 0.5);
    writer.flush();
    t.mock.restoreAll();
    syncBuiltinESMExports();
    writer.flush();
    const snapshot = read(path);
    assert.deepEqual([...snapshot.values], [1, 0]);
    assert.deepEqual(
      snapshot.metrics[0]!.series.map(({ attributes }) => attributes),
      [{ first: true }, { second: true }],
    );
  });
});

describe('a writer in another process', () => {
  for (const [what, args] of [
    ['whose file keeps its size', ['3000']],
    ['whose table grows and is laid out anew all the time', ['50', 'grows']],
  ] as const) {
    it(`${what} never shows a wrong or falling value to readers that poll at full speed`, async (t) => {
      const directory = freshDirectory(t);
      const path = join(directory, snapshotFile(ownMark(), 0));
      const { child } = startWriter(t, path, args);
      await until(() => existsSync(path), 'the file');
      const reader = new GroupReader({ directory, exitedRetentionMs: 1e9 });
      const last = { raw: 0, known: 0, sequence: 0 };
      const reads = { good: 0, torn: 0 };
      for (const end = performance.now() + POLLING_MS; performance.now() < end; ) {
        const raw = readUnlessTorn(path);
        reads[raw ? 'good' : 'torn'] += 1;
        const seen = raw ? roundOf(raw) : last.raw;
        assert.ok(seen >= last.raw && (raw?.sequence ?? last.sequence) >= last.sequence);
        last.raw = seen;
        last.sequence = raw?.sequence ?? last.sequence;

        const [state] = reader.read();
        const known = roundOf(state!.snapshot);
        assert.ok(known >= last.known, `${known} after ${last.known}`);
        last.known = known;
        // The writer's stdout must not fill up while this loop is not read from.
        await delay(1);
      }
      assert.equal(child.exitCode, null, 'the writer is still at it');
      assert.ok(reads.good > 20 && last.raw > 50, `${JSON.stringify(reads)} up to round ${last.raw}`);
    });
  }

  it(`killed in the middle of its writing leaves a readable file with all it had published, ${KILLS} times`, async (t) => {
    const directory = freshDirectory(t);
    // The kernel cuts a write of many pages short for a SIGKILL, so half of the writers have large tables.
    const kills = Array.from({ length: KILLS }, async (_, n) => {
      const path = join(directory, `${n}.snapshot`);
      const { child, published } = startWriter(t, path, n % 2 === 0 ? ['10000'] : ['50', 'grows']);
      await until(() => published() > n, `round ${n} of writer ${n}`);
      child.kill('SIGKILL');
      await once(child, 'close');
      const told = published();
      const snapshot = read(path);
      assert.ok(roundOf(snapshot) >= told, `${roundOf(snapshot)} in the file, ${told} told`);
      assert.ok(roundOf(snapshot) <= told + 1);
    });
    await Promise.all(kills);
  });
});

interface OpenOptions {
  path?: string;
  table?: SeriesTable;
  flushIntervalMs?: number;
}

function open(t: TestContext, options: OpenOptions = {}) {
  const table = options.table ?? new SeriesTable(SLOT_HEADER_BYTES);
  const path = options.path ?? join(freshDirectory(t), 'own.snapshot');
  if (!options.table) table.define(COUNTER);
  const told: unknown[] = [];
  const writer = new SnapshotWriter({
    path,
    identity: IDENTITY,
    table,
    flushIntervalMs: options.flushIntervalMs ?? 10,
    onStateChange: (error) => told.push(error ? (error as NodeJS.ErrnoException).code : 'works'),
  });
  atEnd(t, () => writer.close());
  return { writer, table, path, told };
}

// `open` has defined one metric, whose number is 0.
function addCounter(table: SeriesTable, attributes: Record<string, unknown>): number {
  return table.add(0, attributes);
}

function outgrow(table: SeriesTable): void {
  for (const end = table.values.length; table.used <= end; ) addCounter(table, {});
}

// A disk that takes this part of every write and then has no room; SIGKILL apart, the only way to a half-written slot.
function fillDisk(t: TestContext, part: number): void {
  const write = fs.writeSync as (file: number, bytes: Uint8Array, from: number, length: number, at: number) => number;
  t.mock.method(fs, 'writeSync', (file: number, bytes: Uint8Array, from: number, length: number, at: number) => {
    write(file, bytes, from, Math.floor(length * part), at);
    throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
  });
  // ES modules see a changed builtin only then.
  syncBuiltinESMExports();
}

function read(path: string): Snapshot {
  return decodeSnapshot(readFileSync(path));
}

function readUnlessTorn(path: string): Snapshot | undefined {
  try {
    return read(path);
  } catch (error) {
    if (error instanceof GunicornOtelError && error.code === 'GUNICORN_OTEL_ERR_SNAPSHOT_TORN') return undefined;
    throw error;
  }
}

// Of an endless writer: all values of one snapshot are of one round, and every series that it tells of has its cell.
function roundOf(snapshot: Snapshot): number {
  const [metric] = snapshot.metrics;
  const round = snapshot.values[0]!;
  assert.ok(snapshot.values.every((value) => value === round));
  assert.ok(snapshot.metrics.length === 1 && snapshot.identity.workerId === IDENTITY.workerId);
  const told = metric!.series.filter((series) => cellOf(metric!.descriptor, series, snapshot.values)).length;
  assert.equal(told, snapshot.values.length);
  return round;
}

function startWriter(
  t: TestContext,
  path: string,
  args: readonly string[],
): { child: ChildProcess; published: () => number } {
  const child = spawn(process.execPath, [ENDLESS_WRITER, path, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  atEnd(t, async () => {
    child.kill('SIGKILL');
    await ended;
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output = (output + text).slice(-40);
  });
  // The last whole line.
  return { child, published: () => Number(output.split('\n').at(-2) ?? 0) };
}
