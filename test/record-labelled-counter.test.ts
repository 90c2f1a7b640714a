/** Holds src/record/labelled-counter.ts: every count is in one series, and there are never more than were allowed. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { LabelledCounter } from '../src/record/labelled-counter.ts';
import { OWN_SCOPE } from '../src/snapshot/own-metrics.ts';
import { SeriesTable } from '../src/snapshot/series-table.ts';
import { seriesIn } from './scenes.ts';

describe('a labelled counter', () => {
  it('counts by its labels, one at a time or as many as it is told', () => {
    const { counter, counts } = newCounter(10);
    counter.add({ signal: 'HUP', action: 'reload' });
    counter.add({ signal: 'INT', action: 'quit' }, 0);
    counter.add({ signal: 'HUP', action: 'reload' }, 3);
    assert.deepEqual(counts(), [
      [{ signal: 'HUP', action: 'reload' }, 4],
      [{ signal: 'INT', action: 'quit' }, 0],
    ]);
  });

  it('is a counter of this package, with no series before its first count', () => {
    const { table, counts } = newCounter(10);
    assert.deepEqual(counts(), []);
    assert.deepEqual(JSON.parse(table.dictionary[0]!).m, {
      name: 'n',
      description: '',
      unit: '',
      kind: 'counter',
      scope: OWN_SCOPE,
    });
  });

  it('counts what comes after its last series in one whose labels are all _OTHER', () => {
    const { counter, counts } = newCounter(2);
    for (const [a, b] of ['11', '22', '33', '44', '11'] as unknown as [string, string][]) counter.add({ a, b });
    counter.add({ a: '5', b: '5' }, 7);
    assert.deepEqual(counts(), [
      [{ a: '1', b: '1' }, 2],
      [{ a: '2', b: '2' }, 1],
      [{ a: '_OTHER', b: '_OTHER' }, 9],
    ]);
  });

  it('tells different labels apart and loses no count, whatever is in them', () => {
    const text = fc.constantFrom('', 'a', '\n', 'a\na', ',', '"', '","', '_OTHER');
    const labels = fc.record({ x: text, y: text }, { noNullPrototype: true });
    fc.assert(
      fc.property(fc.array(fc.tuple(labels, fc.nat(9)), { maxLength: 20 }), fc.nat(5), (all, max) => {
        const { counter, counts } = newCounter(max);
        for (const [each, count] of all) counter.add(each, count);
        const expected = new Map<string, number>();
        for (const [each, count] of all) {
          const key = JSON.stringify(each);
          const own = expected.has(key) || expected.size < max ? key : 'beyond';
          expected.set(own, (expected.get(own) ?? 0) + count);
        }
        assert.deepEqual(
          counts().map(([, count]) => count),
          [...expected.values()],
        );
      }),
    );
  });

  it('counts also when its series is the one for which the table has to grow', () => {
    const { table, counter, counts } = newCounter(10_000);
    const filler = table.define({ name: 'filler', description: '', unit: '', kind: 'counter', scope: 'app' });
    while (table.used < table.values.length) table.add(filler, {});
    counter.add({ a: 'x' });
    assert.deepEqual(counts(), [[{ a: 'x' }, 1]]);
  });
});

function newCounter(maxSeries: number) {
  const table = new SeriesTable();
  const counter = new LabelledCounter(table, 'n', maxSeries);
  return { table, counter, counts: () => seriesIn(table, 'n').map(({ labels, values }) => [labels, values[0]]) };
}
