/** Holds src/snapshot/reader.ts: a file read again and again shows what is in it now, whatever was in it before. */
import assert from 'node:assert/strict';
import { readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { encodeSnapshot } from '../src/snapshot/layout.ts';
import { SnapshotReader } from '../src/snapshot/reader.ts';
import { SeriesTable } from '../src/snapshot/series-table.ts';
import { IDENTITY, recordings, tableOf } from './arbitrary-tables.ts';
import { freshDirectory } from './processes.ts';

describe('a reader', () => {
  it('shows what a file has been replaced by', (t) => {
    const path = join(freshDirectory(t), 'own.snapshot');
    const reader = new SnapshotReader(path);
    fc.assert(
      fc.property(recordings, (recorded) => {
        const table = tableOf(recorded);
        writeFileSync(`${path}.new`, encodeSnapshot(IDENTITY, table, 0));
        renameSync(`${path}.new`, path);
        const { values, metrics } = reader.read();
        assert.deepEqual([...values], [...table.values.subarray(0, table.used)]);
        assert.equal(metrics.flatMap(({ series }) => series).length, recorded.length);
      }),
      { numRuns: 30 },
    );
  });

  it('shows what is in the file also when it has come to lie where the one before has been', (t) => {
    // File systems give the number of a deleted file to the next one: to a reader it looks like the same.
    const path = join(freshDirectory(t), 'own.snapshot');
    const reader = new SnapshotReader(path);
    writeFileSync(path, encodeSnapshot({ ...IDENTITY, role: 'single' }, counters('a', 'b', 'c'), 0));
    const { ino } = statSync(path);
    reader.read();
    writeFileSync(path, encodeSnapshot({ ...IDENTITY, role: 'primary' }, counters('x', 'y'), 0));
    assert.equal(statSync(path).ino, ino);
    const { identity, metrics } = reader.read();
    assert.equal(identity.role, 'primary');
    assert.deepEqual(
      metrics.flatMap(({ series }) => series).map(({ attributes }) => attributes['name']),
      ['x', 'y'],
    );
  });

  it('gives values that later reads do not change', (t) => {
    const path = join(freshDirectory(t), 'own.snapshot');
    const other = join(freshDirectory(t), 'other.snapshot');
    writeFileSync(path, encodeSnapshot(IDENTITY, counters('a'), 0));
    writeFileSync(other, encodeSnapshot(IDENTITY, counters('a', 'b', 'c'), 0));
    const first = new SnapshotReader(path).read();
    new SnapshotReader(other).read();
    assert.deepEqual([...first.values], [1]);
  });

  it('reads into memory that was given back, once, and where it is as long', (t) => {
    const path = join(freshDirectory(t), 'own.snapshot');
    const reader = new SnapshotReader(path);
    writeFileSync(path, encodeSnapshot(IDENTITY, counters('a', 'b'), 0));
    const first = reader.read();
    reader.giveBack(first);
    writeFileSync(path, 'short');
    assert.throws(() => reader.read(), { code: 'GUNICORN_OTEL_ERR_SNAPSHOT_TORN' });
    writeFileSync(path, encodeSnapshot(IDENTITY, counters('c', 'b'), 0));
    const second = reader.read();
    assert.equal(second.values, first.values);
    assert.deepEqual([...second.values], [1, 2]);
    assert.notEqual(reader.read().values, first.values);
    reader.giveBack(first);
    writeFileSync(path, encodeSnapshot(IDENTITY, counters('a', 'b', 'c'), 0));
    assert.deepEqual([...reader.read().values], [1, 2, 3]);
    assert.equal(first.values.length, 2);
  });

  it('reads files far larger than any before', (t) => {
    const path = join(freshDirectory(t), 'own.snapshot');
    const names = Array.from({ length: 20_000 }, (_, i) => `series ${i}`);
    writeFileSync(path, encodeSnapshot(IDENTITY, counters(...names), 0));
    const { values, metrics } = new SnapshotReader(path).read();
    assert.deepEqual([values.length, values.at(-1), metrics[0]!.series.length], [20_000, 20_000, 20_000]);
  });

  it('tells by code what is wrong with a file, and that there is none', (t) => {
    const path = join(freshDirectory(t), 'own.snapshot');
    const reader = new SnapshotReader(path);
    assert.throws(() => reader.read(), { code: 'ENOENT' });
    writeFileSync(path, 'short');
    assert.throws(() => reader.read(), { code: 'GUNICORN_OTEL_ERR_SNAPSHOT_TORN' });
    for (const byte of [0, 0xff]) {
      writeFileSync(path, Buffer.alloc(5000, byte));
      assert.throws(() => reader.read(), { code: 'GUNICORN_OTEL_ERR_SNAPSHOT_FOREIGN' });
    }
    writeFileSync(path, encodeSnapshot(IDENTITY, counters('a'), 0));
    assert.deepEqual([...reader.read().values], [1]);
    rmSync(path);
    assert.throws(() => reader.read(), { code: 'ENOENT' });
  });

  it('leaves no file open', (t) => {
    const path = join(freshDirectory(t), 'own.snapshot');
    const reader = new SnapshotReader(path);
    const open = () => readdirSync('/proc/self/fd').length;
    const before = open();
    writeFileSync(path, encodeSnapshot(IDENTITY, counters('a'), 0));
    for (let i = 0; i < 100; i += 1) reader.read();
    writeFileSync(path, 'short');
    for (let i = 0; i < 100; i += 1) assert.throws(() => reader.read());
    assert.equal(open(), before);
  });
});

// One counter with a series per name, the first of value 1, the second of 2.
function counters(...names: string[]): SeriesTable {
  const table = new SeriesTable();
  const metric = table.define({ name: 'n', description: '', unit: '', kind: 'counter', scope: 'app' });
  for (const [i, name] of names.entries()) {
    const cell = table.add(metric, { name });
    table.values[cell] = i + 1;
  }
  return table;
}
