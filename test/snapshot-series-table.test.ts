/** Holds src/snapshot/series-table.ts: cells never overlap, keep their values when the table grows, and are told of in order. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { cellWidth, SeriesTable } from '../src/snapshot/series-table.ts';
import { recordings, tableOf } from './arbitrary-tables.ts';

const COUNTER = { name: 'n', description: '', unit: '', kind: 'counter', scope: 'app' } as const;

describe('a series table', () => {
  it('gives each series a cell of its own, one behind the other, as wide as its metric needs', () => {
    fc.assert(
      fc.property(recordings, (recorded) => {
        const table = tableOf(recorded);
        const cells = recorded.flatMap(({ cell }) => cell);
        assert.equal(table.used, cells.length);
        assert.deepEqual([...table.values.subarray(0, table.used)], cells);
      }),
    );
  });

  it('keeps every value and its prefix when it grows far beyond its first size', () => {
    const table = new SeriesTable(48);
    const metric = table.define(COUNTER);
    for (let i = 0; i < 5000; i += 1) {
      const cell = table.add(metric, { i });
      table.values[cell] = i;
    }
    assert.ok(table.values.subarray(0, 5000).every((value, i) => value === i));
    assert.equal(table.values.byteOffset, 48);
    assert.equal(table.dictionary.length, 5001);
  });

  it('counts the width of a cell from the kind, every list of bounds, and the fields of an event', () => {
    assert.equal(cellWidth(COUNTER), 1);
    assert.equal(cellWidth({ ...COUNTER, kind: 'updowncounter' }), 1);
    assert.equal(cellWidth({ ...COUNTER, kind: 'gauge' }), 2);
    assert.equal(cellWidth({ ...COUNTER, kind: 'histogram', bounds: [[1, 2, 3]] }), 5);
    assert.equal(cellWidth({ ...COUNTER, kind: 'histogram', bounds: [[1], [1, 2], []] }), 3 + 4 + 2);
    assert.equal(cellWidth({ ...COUNTER, kind: 'histogram' }), 2);
    assert.equal(cellWidth({ ...COUNTER, kind: 'event', fields: ['a', 'b', 'c'] }), 3);
    assert.equal(cellWidth({ ...COUNTER, kind: 'event', fields: ['a'], bounds: [[1, 2]] }), 1);
    assert.equal(cellWidth({ ...COUNTER, kind: 'event' }), 0);
  });
});
