/** Holds src/snapshot/shared-names.ts: equal series are named once, nobody by another's name, and who has gone leaves nothing. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import type { Series } from '../src/snapshot/dictionary.ts';
import { decodeSnapshot, encodeSnapshot, type Snapshot } from '../src/snapshot/layout.ts';
import { SeriesTable } from '../src/snapshot/series-table.ts';
import { SharedNames } from '../src/snapshot/shared-names.ts';
import { IDENTITY, recordings, tableOf } from './arbitrary-tables.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const groups = fc.array(recordings, { maxLength: 6 });

describe('names that are shared', () => {
  it('are those that each series had, one object for all that are equal', () => {
    fc.assert(
      fc.property(groups, (group) => {
        const snapshots = group.map((recorded) => snapshotOf(tableOf(recorded)));
        const before = seriesOf(snapshots).map((series) => ({ ...series }));
        new SharedNames().share(snapshots);
        assert.deepEqual(
          seriesOf(snapshots).map(({ key, offset }) => [key, offset]),
          before.map(({ key, offset }) => [key, offset]),
        );
        const first = new Map<string, Series>();
        for (const [i, series] of seriesOf(snapshots).entries()) {
          const same = first.get(series.key) ?? series;
          first.set(series.key, same);
          assert.equal(series.attributes, same.attributes);
          assert.deepEqual({ ...series.attributes }, { ...before[i]!.attributes });
        }
      }),
    );
  });

  it('are those of series, too, that have come since, in a file that was there and in another', () => {
    const table = named('a');
    const [one, other] = [snapshotOf(table), snapshotOf(named('a', 'b'))];
    const names = new SharedNames();
    names.share([one, other]);
    table.add(0, { name: 'b' });
    const [grown, third] = [snapshotOf(table), snapshotOf(named('b', 'a'))];
    one.metrics[0]!.series.push(grown.metrics[0]!.series[1]!);
    names.share([one, other]);
    assert.deepEqual(distinct([one, other]), 2);
    names.share([one, other, third]);
    assert.deepEqual(distinct([one, other, third]), 2);
  });

  it('go with the last who has them, however many workers come with other series', async () => {
    const names = new SharedNames();
    const staying = snapshotOf(named('stays'));
    // A function, since what it had in its hands is in nobody's when it has ended.
    const comeAndGo = (worker: number): WeakRef<object> => {
      const passing = snapshotOf(named('stays', `only of ${worker}`));
      names.share([staying, passing]);
      assert.equal(passing.metrics[0]!.series[0]!.attributes, staying.metrics[0]!.series[0]!.attributes);
      return new WeakRef(passing.metrics[0]!.series[1]!.attributes);
    };
    const gone = Array.from({ length: 50 }, (_, worker) => comeAndGo(worker));
    // A WeakRef that was just made holds until the turn of the loop is over.
    await new Promise((resolve) => setImmediate(resolve));
    collectGarbage();
    assert.equal(gone.filter((attributes) => attributes.deref()).length, 0);
    names.share([staying]);
  });
});

function snapshotOf(table: SeriesTable): Snapshot {
  return decodeSnapshot(encodeSnapshot(IDENTITY, table, 0));
}

function named(...all: string[]): SeriesTable {
  const table = new SeriesTable();
  const metric = table.define({ name: 'n', description: '', unit: '', kind: 'counter', scope: 'app' });
  for (const name of all) table.add(metric, { name });
  return table;
}

function seriesOf(snapshots: readonly Snapshot[]): Series[] {
  return snapshots.flatMap(({ metrics }) => metrics.flatMap(({ series }) => series));
}

function distinct(snapshots: readonly Snapshot[]): number {
  return new Set(seriesOf(snapshots).map(({ attributes }) => attributes)).size;
}
