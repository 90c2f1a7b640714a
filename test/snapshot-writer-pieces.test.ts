/** Holds what src/snapshot/writer.ts does with a table that is written in pieces: who carries them, and when all is written at once. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs, { readdirSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { dirname, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { SnapshotReader } from '../src/snapshot/reader.ts';
import { PIECE_BYTES, SeriesTable } from '../src/snapshot/series-table.ts';
import { SLOT_HEADER_BYTES } from '../src/snapshot/slot.ts';
import { SnapshotWriter, type WriterOptions } from '../src/snapshot/writer.ts';
import { IDENTITY } from './arbitrary-tables.ts';
import { atEnd, freshDirectory, until } from './processes.ts';
import { recordWrites } from './recorded-writes.ts';

// More than any machine writes in one turn.
const PIECES = 64;
const VALUES = (PIECES * PIECE_BYTES) / 8;
// Few names, so that a test takes no longer than its writes.
const WIDTH = 1024;
const BOUNDS = [Array.from({ length: WIDTH - 2 }, (_, i) => i)];
const HISTOGRAM = { name: 'n', description: '', unit: '', kind: 'histogram', scope: 'app', bounds: BOUNDS } as const;
// Longer than the writes are apart, see the writer.
const LATE_MS = 300;

describe('a writer of a large table', () => {
  it('begins at once when it is not busy, and goes on by itself', async (t) => {
    const { writer, table, read } = open(t);
    const before = read().sequence;
    table.values.fill(1, 0, VALUES);
    writer.changed(performance.now());
    assert.equal(read().sequence, before);
    await until(() => read().values.every((value) => value === 1), 'all of it');
  });

  it('publishes by itself what has changed behind the pieces that were written', async (t) => {
    const { writer, table, read } = open(t);
    for (let number = 1; number <= 3; number += 1) {
      table.values.fill(number, 0, VALUES);
      writer.changed(performance.now());
    }
    await until(() => read().values.every((value) => value === 3), 'all of it');
  });

  for (const [what, end] of [
    ['flushed', (writer) => writer.flush()],
    ['told another identity', (writer) => writer.identify({ role: 'primary' })],
    ['closed', (writer) => writer.close({ ended: true })],
    ['finished', (writer) => writer.finish()],
  ] as const satisfies readonly (readonly [string, (writer: SnapshotWriter) => void])[]) {
    it(`is whole at once, with the last values, when it is ${what} in the middle`, (t) => {
      const { writer, table, read, path } = open(t);
      table.values.fill(1, 0, VALUES);
      writer.changed(performance.now());
      table.values.fill(2, 0, VALUES);
      end(writer);
      assert.ok(read().values.every((value) => value === 2));
      assert.deepEqual(readdirSync(dirname(path)), ['own.snapshot']);
    });
  }

  it('writes each change at once when it has finished: nothing runs any more that could go on', (t) => {
    const { writer, table, read } = open(t);
    writer.finish();
    table.values.fill(5, 0, VALUES);
    writer.changed(performance.now());
    assert.ok(read().values.every((value) => value === 5));
  });

  it('has handlers wait for some pieces, and not for more without a millisecond between them', (t) => {
    const { writer, table, read } = open(t);
    const writes = recordWrites(t);
    table.values.fill(1, 0, VALUES);
    const startMs = performance.now();
    writer.changed(startMs);
    const first = writes.length;
    assert.ok(first > 0 && first < PIECES, `${first} of ${PIECES} at once`);
    // Of the past, as far as the writer knows: the pieces before were later.
    for (let n = 0; n < 10; n += 1) writer.beforeHandler(startMs);
    assert.equal(writes.length, first);
    while (writes.length < PIECES) {
      const before = writes.length;
      writer.beforeHandler(performance.now() + 2);
      assert.ok(writes.length > before);
    }
    assert.ok(read().values.every((value) => value === 1));
  });

  it('writes the rest at once where the loop was held up: it may be so again', (t) => {
    const { writer, table, read } = open(t);
    table.values.fill(1, 0, VALUES);
    writer.changed(performance.now());
    table.values.fill(2, 0, VALUES);
    block(LATE_MS);
    writer.beforeHandler(performance.now());
    assert.ok(read().values.every((value) => value === 2));
  });

  it('tells that it is back when it was away between two pieces, before anything is published', (t) => {
    const resumed: number[] = [];
    const { writer, read } = open(t, {
      unresponsiveAfterMs: 2 * LATE_MS,
      onResume: () => resumed.push(read().sequence),
    });
    const before = read().sequence;
    writer.changed(performance.now());
    block(2 * LATE_MS);
    writer.beforeHandler(performance.now());
    assert.deepEqual(resumed, [before]);
    assert.ok(read().sequence > before);
  });

  it('is told once when a piece is refused, and once when all are written again', async (t) => {
    const told: unknown[] = [];
    const { writer, table, read } = open(t, {
      onStateChange: (error) => told.push(error ? (error as NodeJS.ErrnoException).code : 'works'),
    });
    table.values.fill(1, 0, VALUES);
    writer.changed(performance.now());
    t.mock.method(fs, 'writeSync', () => {
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    });
    syncBuiltinESMExports();
    await until(() => told.length > 0, 'the refusal');
    writer.changed(performance.now());
    t.mock.restoreAll();
    syncBuiltinESMExports();
    assert.ok(read().values.every((value) => value === 0));
    writer.changed(performance.now());
    await until(() => read().values.every((value) => value === 1), 'all of it');
    assert.deepEqual(told, ['ENOSPC', 'works']);
  });

  it('tries a write that is refused behind its first piece no oftener than others', (t) => {
    const { writer, table } = open(t, { flushIntervalMs: 60_000, onStateChange: () => {} });
    table.values.fill(1, 0, VALUES);
    let tries = 0;
    t.mock.method(fs, 'writeSync', (...[, , , length]: [number, Uint8Array, number, number]) => {
      tries += 1;
      if (tries % 2 === 1) return length;
      throw Object.assign(new Error('EIO: i/o error, write'), { code: 'EIO' });
    });
    syncBuiltinESMExports();
    for (let n = 0; n < 100; n += 1) {
      writer.changed(performance.now());
      writer.beforeHandler(performance.now() + 2);
    }
    t.mock.restoreAll();
    syncBuiltinESMExports();
    assert.ok(tries < 100, `${tries} pieces were begun`);
  });

  it('does not keep its process, and leaves it when it ends what it had', (t) => {
    const path = join(freshDirectory(t), 'own.snapshot');
    const module = (name: string) => JSON.stringify(new URL(`../src/snapshot/${name}.js`, import.meta.url).href);
    const source = `
      import { SnapshotWriter } from ${module('writer')};
      import { SeriesTable } from ${module('series-table')};
      const table = new SeriesTable(${SLOT_HEADER_BYTES});
      const metric = table.define(${JSON.stringify(HISTOGRAM)});
      for (let n = 0; n < ${VALUES / WIDTH}; n += 1) table.add(metric, {});
      const identity = ${JSON.stringify(IDENTITY)};
      const writer = new SnapshotWriter({ path: ${JSON.stringify(path)}, identity, table, flushIntervalMs: 10, onStateChange() {} });
      table.values.fill(1, 0, ${VALUES});
      writer.changed(performance.now());`;
    execFileSync(process.execPath, ['--input-type=module', '--eval', source], { timeout: 10_000 });
    assert.ok(new SnapshotReader(path).read().values.every((value) => value === 0));
  });
});

function open(t: TestContext, options: Partial<WriterOptions> = {}) {
  const table = new SeriesTable(SLOT_HEADER_BYTES);
  const metric = table.define(HISTOGRAM);
  for (let n = 0; n < VALUES / WIDTH; n += 1) table.add(metric, {});
  const path = join(freshDirectory(t), 'own.snapshot');
  const onStateChange = (error?: Error) => assert.fail(error);
  const writer = new SnapshotWriter({
    path,
    identity: IDENTITY,
    table,
    flushIntervalMs: 10,
    onStateChange,
    ...options,
  });
  atEnd(t, () => writer.close());
  const reader = new SnapshotReader(path);
  return { writer, table, path, read: () => reader.read() };
}

function block(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end; );
}
