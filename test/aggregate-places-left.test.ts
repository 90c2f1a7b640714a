/** Holds src/aggregate/places-left.ts and series-places.ts: under a cap a series keeps its name, whoever reads the group next. */
import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type Merged, merge } from '../src/aggregate/merge.ts';
import { SeriesPlaces } from '../src/aggregate/series-places.ts';
import { GroupReader } from '../src/aggregate/workers.ts';
import { setLogLevel } from '../src/report.ts';
import { snapshotFile } from '../src/snapshot/directory.ts';
import { encodeSnapshot } from '../src/snapshot/layout.ts';
import { monotonicMs } from '../src/snapshot/monotonic.ts';
import { ownMark } from '../src/snapshot/process-mark.ts';
import { SeriesTable } from '../src/snapshot/series-table.ts';
import { IDENTITY } from './arbitrary-tables.ts';
import { freshDirectory } from './processes.ts';
import { measure } from './scenes.ts';

setLogLevel('none');

describe('the places of series', () => {
  it('are taken by those that come first, and kept by them', () => {
    const places = new SeriesPlaces(2);
    const taken = ['a', 'b', 'c', 'a', 'c', 'b'].map((series) => places.take('orders', series));
    assert.deepEqual(taken, [true, true, false, true, false, true]);
    assert.equal(places.take('waits', 'c'), true);
    assert.deepEqual([...places.metrics], ['orders', 'waits']);
  });

  it('are to be written down each time one is taken, from half of them on', () => {
    const places = new SeriesPlaces(4);
    const unkept = ['a', 'b', 'b', 'c', 'd', 'e'].map((series) => {
      places.take('orders', series);
      const metrics = places.unkept;
      places.keep(metrics);
      return metrics.length;
    });
    assert.deepEqual(unkept, [0, 1, 0, 1, 1, 0]);
    assert.deepEqual(new SeriesPlaces().unkept, []);
  });

  it('are those of the next reader, who was there when nobody had been refused', (t) => {
    const directory = freshDirectory(t);
    publish(directory, 0, 'first');
    const before = read(directory);
    assert.deepEqual(before.names(), { first: 1 });
    publish(directory, 1, 'second');
    // For whoever reads it now, the other one comes first.
    rmSync(join(directory, snapshotFile(ownMark(), 0)));
    publish(directory, 2, 'first');
    assert.deepEqual(read(directory).names(), { first: 1, rest: 1 });
  });

  it('are written down as soon as that can be done', (t) => {
    const directory = freshDirectory(t);
    publish(directory, 0, 'first');
    publish(directory, 1, 'second');
    mkdirSync(join(directory, 'totals.new'));
    const reader = read(directory);
    assert.deepEqual(reader.names(), { first: 1, rest: 1 });
    assert.equal(reader.reader.errors.get('totals'), 1);
    rmSync(join(directory, 'totals.new'), { recursive: true });
    reader.names();
    rmSync(join(directory, snapshotFile(ownMark(), 0)));
    assert.deepEqual(read(directory).names(), { first: 0, rest: 1 });
  });
});

function read(directory: string): { reader: GroupReader; names(): Record<string, number> } {
  const reader = new GroupReader({ directory, exitedRetentionMs: 1000, maxSeries: 1 });
  const names = () => {
    const states = reader.read().sort((a, b) => a.snapshot.identity.threadId - b.snapshot.identity.threadId);
    const merged: Merged = merge([...reader.totals, ...states], reader.places);
    reader.keepPlaces(merged);
    return Object.fromEntries(
      [...[...merged.values()][0]!.series.values()].map(({ attributes: { n = 'rest' }, values }) => [n, values[0]!]),
    );
  };
  return { reader, names };
}

// A thread of this process, so that it lives.
function publish(directory: string, threadId: number, n: string): void {
  const table = measure(new SeriesTable(), { name: 'orders', attributes: { n }, cell: [1] });
  const bytes = encodeSnapshot({ ...IDENTITY, ...ownMark(), threadId }, table, monotonicMs());
  writeFileSync(join(directory, snapshotFile(ownMark(), threadId)), bytes);
}
