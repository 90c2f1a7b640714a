/** Holds src/aggregate/merge.ts: sums do not depend on the order or the grouping they are made in, and gauges are no sums. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { cellOf, type Member, type Merged, Merger, merge, toTable } from '../src/aggregate/merge.ts';
import { SeriesPlaces } from '../src/aggregate/series-places.ts';
import { decodeSnapshot, encodeSnapshot } from '../src/snapshot/layout.ts';
import { OWN_SCOPE, REQUESTS_METRIC, SIGNALS_METRIC } from '../src/snapshot/own-metrics.ts';
import { type MetricDescriptor, SeriesTable } from '../src/snapshot/series-table.ts';
import { IDENTITY, type Recorded, recordings, tableOf } from './arbitrary-tables.ts';

const REST = { 'otel.metric.overflow': true };

interface Process {
  readonly recorded: readonly Recorded[];
  readonly alive: boolean;
}

const processes: fc.Arbitrary<Process[]> = fc.array(fc.record({ recorded: recordings, alive: fc.boolean() }), {
  maxLength: 6,
});

describe('a merge', () => {
  it('equals a sum that is made without it', () => {
    fc.assert(
      fc.property(processes, (group) => {
        assert.deepEqual(sums(merge(group.map(memberOf))), naiveSums(group));
      }),
    );
  });

  it('is the same in any order of the processes', () => {
    const shuffled = processes.chain((group) =>
      fc.tuple(fc.constant(group), fc.shuffledSubarray(group, { minLength: group.length })),
    );
    fc.assert(
      fc.property(shuffled, ([group, other]) => {
        assert.deepEqual(sums(merge(group.map(memberOf))), sums(merge(other.map(memberOf))));
      }),
    );
  });

  it('of the dead may be folded in any portions: written down, read back and merged again it is the same', () => {
    fc.assert(
      fc.property(processes, fc.nat(6), (group, at) => {
        const members = group.map(memberOf).map((member) => ({ ...member, alive: false }));
        const portions = [members.slice(0, at), members.slice(at)].map((portion) => merge(portion));
        assert.deepEqual(sums(merge(portions.map(asTotals))), sums(merge(members)));
      }),
    );
  });

  it('is the same whatever was merged before into its memory', () => {
    const groups = fc.array(processes, { minLength: 2, maxLength: 5 });
    fc.assert(
      fc.property(groups, fc.constantFrom(1, 2, 100), (times, cap) => {
        const merger = new Merger();
        const [own, anew] = [new SeriesPlaces(cap), new SeriesPlaces(cap)];
        for (const members of times.map((group) => group.map(memberOf))) {
          const merged = merger.merge(members, own);
          const expected = merge(members, anew);
          assert.deepEqual(sums(merged), sums(expected));
          assert.deepEqual([...merged.keys()], [...expected.keys()]);
        }
      }),
    );
  });

  it('forgets what the merge before had rounded away', () => {
    const merger = new Merger();
    const counting = (n: number) => memberOf({ alive: true, recorded: [{ ...recordedAs({}), cell: [n] }] });
    merger.merge([counting(1e16), counting(1)], new SeriesPlaces());
    assert.deepEqual(Object.values(sums(merger.merge([counting(5)], new SeriesPlaces()))), [[5]]);
  });

  it('tells by its revision whether it has other series than before, and by its memory that they are the same', () => {
    const merger = new Merger();
    const series = (...names: string[]) =>
      memberOf({ alive: true, recorded: names.map((n) => ({ ...recordedAs({}), attributes: { n } })) });
    const mergedOf = (...members: Member[]) => [...merger.merge(members, new SeriesPlaces()).values()][0]!;
    const first = mergedOf(series('a', 'b'));
    const [values] = [...first.series.values()].map((sum) => sum.values);
    const { revision } = first;
    const again = mergedOf(series('a', 'b'), series('b'));
    assert.equal(again.revision, revision);
    assert.equal([...again.series.values()][0]!.values, values);
    const others = [mergedOf(series('a', 'b', 'c')).revision, mergedOf(series('a', 'b')).revision];
    assert.equal(new Set([revision, ...others]).size, 3);
  });

  it('leaves the snapshots that it was made from as they were', () => {
    fc.assert(
      fc.property(recordings, (recorded) => {
        const member = memberOf({ recorded, alive: true });
        const before = [...member.snapshot.values];
        merge([member, member, member]);
        assert.deepEqual([...member.snapshot.values], before);
      }),
    );
  });

  it('has no gauges, and up-down counters of the living alone', () => {
    const member = (alive: boolean) =>
      memberOf({
        alive,
        recorded: (['counter', 'updowncounter', 'gauge'] as const).map((kind) => recordedAs({ kind })),
      });
    const kinds = (members: Member[]) =>
      [...merge(members).values()].map(({ descriptor: { kind }, series }) => {
        return [kind, [...series.values()][0]!.values[0]];
      });
    assert.deepEqual(kinds([member(true), member(false)]), [
      ['counter', 2],
      ['updowncounter', 1],
    ]);
    assert.deepEqual(kinds([member(false)]), [['counter', 1]]);
  });

  it('adds what two libraries call the same, and keeps apart what differs in unit, kind, bounds or owner', () => {
    const apart: Partial<MetricDescriptor>[] = [
      {},
      { unit: 's' },
      { kind: 'updowncounter' },
      { scope: OWN_SCOPE },
      { kind: 'histogram', bounds: [[1]] },
      { kind: 'histogram', bounds: [[2]] },
    ];
    const merged = merge([memberOf({ alive: true, recorded: apart.map(recordedAs) })]);
    assert.equal(merged.size, apart.length);
    const same = [
      { scope: 'a', description: 'one' },
      { scope: 'b', description: 'other' },
    ].map(recordedAs);
    assert.deepEqual(Object.values(sums(merge([memberOf({ alive: true, recorded: same })]))), [[2]]);
  });

  it('does not take a cell that lies beyond what was published', () => {
    const { snapshot } = memberOf({ alive: true, recorded: [recordedAs({}), recordedAs({})] });
    const older = { ...snapshot, values: snapshot.values.subarray(0, 1) };
    const [metric] = older.metrics;
    assert.equal(cellOf(metric!.descriptor, metric!.series[1]!, older.values), undefined);
    assert.deepEqual(Object.values(sums(merge([{ snapshot: older, alive: true }]))), [[1]]);
  });

  it('has at most so many series per metric, whoever they came from, and loses no value', () => {
    fc.assert(
      fc.property(processes, fc.integer({ min: 1, max: 3 }), (group, cap) => {
        const all = merge(group.map(memberOf));
        const capped = merge(group.map(memberOf), new SeriesPlaces(cap));
        for (const [key, { series, descriptor }] of capped) {
          if (descriptor.scope === OWN_SCOPE && descriptor.name !== REQUESTS_METRIC) continue;
          assert.ok(series.size <= cap + 1);
          const total = (from: typeof series) =>
            [...from.values()].reduce((sum, { values }) => sum + values.reduce((a, b) => a + b, 0), 0);
          assert.equal(total(series), total(all.get(key)!.series));
        }
      }),
    );
  });

  it('leaves those their places who have them, whoever comes in front, and the overflow none', () => {
    const series = (n: unknown) => ({ ...recordedAs({}), attributes: n === 'rest' ? REST : { n } });
    const member = (...names: unknown[]) => memberOf({ alive: true, recorded: names.map(series) });
    const places = new SeriesPlaces(2);
    const [first, second] = [member('rest', 'a'), member('c', 'b')];
    const names = (members: Member[]) =>
      [...[...merge(members, places).values()][0]!.series.values()].map(({ attributes: { n = 'rest' } }) => n).sort();
    assert.deepEqual(names([first]), ['a', 'rest']);
    assert.deepEqual(names([second, first]), ['a', 'c', 'rest']);
    assert.deepEqual(names([member('b', 'd'), second, first]), ['a', 'c', 'rest']);
    assert.deepEqual(places.unkept.length, 1);
  });

  it('tells metrics in the order in which they came: of two that may not have one name the first one has it', () => {
    const [first, second] = ['s', 'ms'].map((unit) => memberOf({ alive: true, recorded: [recordedAs({ unit })] }));
    const places = new SeriesPlaces();
    const units = (members: Member[]) => [...merge(members, places).values()].map(({ descriptor }) => descriptor.unit);
    assert.deepEqual(units([first!]), ['s']);
    assert.deepEqual(units([second!, first!]), ['s', 'ms']);
  });

  it('has all that this package counts by names of its own, whatever the cap', () => {
    const recorded = ['HUP', 'INT', 'TERM'].map((signal) => ({
      ...recordedAs({ name: SIGNALS_METRIC, scope: OWN_SCOPE }),
      attributes: { signal },
    }));
    const [signals] = [...merge([memberOf({ alive: true, recorded })], new SeriesPlaces(1)).values()];
    assert.equal(signals!.series.size, 3);
  });

  it('has room for so many metrics of the app and for all of ours; what has its place keeps it, and the others are told once', () => {
    const metric = (name: string, scope = 'app'): MetricDescriptor => ({
      name,
      description: '',
      unit: '',
      kind: 'counter',
      scope,
    });
    const dead = (descriptor: MetricDescriptor) => {
      const table = new SeriesTable();
      table.values[table.add(table.define(descriptor), {})] = 1;
      return { snapshot: decodeSnapshot(encodeSnapshot(IDENTITY, table, 1)), alive: false };
    };
    const leftOut: string[] = [];
    const places = new SeriesPlaces(10, (key) => leftOut.push(key), 2);
    const names = (members: Member[]) => [...merge(members, places).values()].map(({ descriptor }) => descriptor.name);
    const [a, b, c, ours] = [
      dead(metric('a')),
      dead(metric('b')),
      dead(metric('c')),
      dead(metric(SIGNALS_METRIC, OWN_SCOPE)),
    ];
    assert.deepEqual(names([a, b, c, ours]), ['a', 'b', SIGNALS_METRIC]);
    assert.deepEqual(names([c, b, ours]), ['b', SIGNALS_METRIC]);
    assert.equal(leftOut.length, 1);
    assert.match(leftOut[0]!, /^\["c"/);
  });
});

function memberOf({ recorded, alive }: Process): Member {
  return { snapshot: decodeSnapshot(encodeSnapshot(IDENTITY, tableOf(recorded), 0)), alive };
}

function asTotals(merged: Merged): Member {
  return { snapshot: decodeSnapshot(encodeSnapshot(IDENTITY, toTable(merged), 0)), alive: false };
}

function recordedAs(differing: Partial<MetricDescriptor>): Recorded {
  const descriptor: MetricDescriptor = {
    name: 'n',
    description: '',
    unit: '',
    kind: 'counter',
    scope: 'app',
    ...differing,
  };
  const width = descriptor.kind === 'gauge' ? 2 : descriptor.kind === 'histogram' ? 3 : 1;
  return { descriptor, attributes: {}, cell: new Array(width).fill(1) };
}

// What the code under test calls keys is made anew here, in another way.
function nameOf({ descriptor, attributes }: Pick<Recorded, 'descriptor' | 'attributes'>): string {
  const { name, unit, kind, scope, bounds } = descriptor;
  const owner = scope === OWN_SCOPE ? 'own' : 'app';
  const labels = Object.entries(attributes).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  return [name, unit, kind, owner, JSON.stringify(bounds), ...labels.sort()].join(' ');
}

function sums(merged: Merged): Record<string, readonly number[]> {
  const entries = [...merged.values()].flatMap(({ descriptor, series }) =>
    [...series.values()].map(({ attributes, values }) => [nameOf({ descriptor, attributes }), [...values]] as const),
  );
  assert.equal(new Set(entries.map(([name]) => name)).size, entries.length, 'each series once');
  return Object.fromEntries(entries);
}

function naiveSums(group: readonly Process[]): Record<string, readonly number[]> {
  const result: Record<string, readonly number[]> = {};
  for (const { recorded, alive } of group) {
    for (const entry of recorded) {
      const { kind } = entry.descriptor;
      if (kind === 'gauge' || (kind === 'updowncounter' && !alive)) continue;
      const known = result[nameOf(entry)];
      result[nameOf(entry)] = entry.cell.map((value, i) => value + (known?.[i] ?? 0));
    }
  }
  return result;
}
