/** Holds src/export/deltas.ts: whatever does not arrive, what has arrived adds up to the totals, and times leave no gap. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { HrTime } from '@opentelemetry/api';
import { AggregationTemporality, type InstrumentType, type MetricData } from '@opentelemetry/sdk-metrics';
import fc from 'fast-check';
import { toMetricData } from '../src/catalogue/families.ts';
import { Deltas } from '../src/export/deltas.ts';

const { DELTA, CUMULATIVE } = AggregationTemporality;
const START: HrTime = [100, 0];
const BOUNDS = [1, 2];

/** A series' increments: how many requests came in each bucket. */
type Counts = [number, number, number];

describe('deltas', () => {
  it('that have arrived add up to the totals, however many did not, and each begins where the one before ended', () => {
    const step = fc.record({
      arrives: fc.boolean(),
      added: fc.dictionary(fc.constantFrom('a', 'b'), fc.tuple(fc.nat(3), fc.nat(3), fc.nat(3)), {
        noNullPrototype: true,
      }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        const deltas = new Deltas(() => DELTA);
        const totals = new Map<string, Counts>();
        const got = new Map<string, { counter: number; counts: Counts; sum: number; endTime: HrTime }>();
        for (const [i, { arrives, added }] of [...steps, { arrives: true, added: {} }].entries()) {
          for (const [series, counts] of Object.entries(added)) {
            const total = totals.get(series) ?? [0, 0, 0];
            totals.set(series, total.map((count, bucket) => count + counts[bucket]!) as Counts);
          }
          const endTime: HrTime = [101 + i, 0];
          const { metrics, delivered } = deltas.convert(collected(totals, endTime));
          if (!arrives) continue;
          delivered();
          const [counter, histogram] = metrics as [MetricData, MetricData];
          assert.equal(counter.aggregationTemporality, DELTA);
          assert.equal(counter.dataPoints.length, histogram.dataPoints.length);
          for (const [n, point] of counter.dataPoints.entries()) {
            const series = String(point.attributes['series']);
            const cell = histogram.dataPoints[n]!.value as {
              sum: number;
              count: number;
              buckets: { counts: number[] };
            };
            const known = got.get(series) ?? { counter: 0, counts: [0, 0, 0] as Counts, sum: 0, endTime: START };
            assert.ok(compare(point.startTime, known.endTime) >= 0 && compare(point.startTime, point.endTime) < 0);
            assert.equal(
              cell.count,
              cell.buckets.counts.reduce((a, b) => a + b, 0),
            );
            got.set(series, {
              counter: known.counter + (point.value as number),
              counts: known.counts.map((count, bucket) => count + cell.buckets.counts[bucket]!) as Counts,
              sum: known.sum + cell.sum,
              endTime: point.endTime,
            });
          }
        }
        assert.deepEqual([...got.keys()].sort(), [...totals.keys()].sort());
        for (const [series, counts] of totals) {
          const { endTime: _, ...sums } = got.get(series)!;
          assert.deepEqual(sums, { counter: total(counts), counts, sum: total(counts) });
        }
      }),
    );
  });

  it('begin, for a series that is new, where its group began, at 0 too', () => {
    const { metrics } = new Deltas(() => DELTA).convert(collected(new Map([['a', [0, 0, 0]]]), [101, 0]));
    assert.deepEqual(metrics[0]!.dataPoints[0], {
      startTime: START,
      endTime: [101, 0],
      attributes: { series: 'a' },
      value: 0,
    });
  });

  it('leave out what has not changed, and begin the next where that was last looked at', () => {
    const deltas = new Deltas(() => DELTA);
    const at = (seconds: number, count: number) => {
      const conversion = deltas.convert(collected(new Map([['a', [count, 0, 0]]]), [seconds, 0]));
      conversion.delivered();
      return conversion.metrics.map(({ dataPoints }) => dataPoints.map(({ startTime }) => startTime));
    };
    at(101, 1);
    assert.deepEqual(at(102, 1), [[], []]);
    assert.deepEqual(at(103, 2), [[[102, 0]], [[102, 0]]]);
  });

  it('of what has fallen are all that there is now', () => {
    const deltas = new Deltas(() => DELTA);
    deltas.convert(collected(new Map([['a', [5, 0, 0]]]), [101, 0])).delivered();
    const { metrics } = deltas.convert(collected(new Map([['a', [2, 0, 0]]]), [102, 0]));
    assert.equal(metrics[0]!.dataPoints[0]!.value, 2);
    assert.deepEqual(metrics[1]!.dataPoints[0]!.value, {
      sum: 2,
      count: 2,
      buckets: { boundaries: BOUNDS, counts: [2, 0, 0] },
    });
  });

  it('of a histogram whose buckets have changed never tell again what was told', () => {
    const deltas = new Deltas(() => DELTA);
    const of = (bounds: number[], counts: number[]) => deltas.convert([histogram([[{}, counts, bounds]], [101, 0])]);
    of([1, 2], [3, 0, 1]).delivered();
    const finer = of([2], [4, 1]);
    assert.deepEqual(finer.metrics[0]!.dataPoints[0]!.value, {
      sum: 1,
      count: 1,
      buckets: { boundaries: [2], counts: [1, 0] },
    });
    // 3 below 1 may be anywhere below it: nobody can tell the new ones from them.
    assert.deepEqual(of([0.5, 2], [2, 2, 1]).metrics[0]!.dataPoints, []);
  });

  it('forget a series that is gone, so that nothing grows with the number of workers that ever were', () => {
    const deltas = new Deltas(() => DELTA);
    deltas.convert(collected(new Map([['a', [1, 0, 0]]]), [101, 0])).delivered();
    deltas.convert(collected(new Map(), [102, 0])).delivered();
    const { metrics } = deltas.convert(collected(new Map([['a', [1, 0, 0]]]), [103, 0]));
    assert.equal(metrics[0]!.dataPoints[0]!.value, 1);
  });

  it('are made of what the receiver wants as deltas alone, and never of gauges and amounts', () => {
    const family = { help: '', points: [{ labels: {}, value: 3 }] };
    const gauge = toMetricData({ ...family, name: 'g', type: 'gauge' }, START, [101, 0]);
    const amount = toMetricData({ ...family, name: 'u', type: 'gauge', additive: true }, START, [101, 0]);
    const metrics = [gauge, amount, ...collected(new Map([['a', [1, 0, 0]]]), [101, 0])];
    const kinds = (temporalityOf: (type: InstrumentType) => AggregationTemporality) =>
      new Deltas(temporalityOf).convert(metrics).metrics.map(({ aggregationTemporality }) => aggregationTemporality);
    assert.deepEqual(
      kinds(() => DELTA),
      [CUMULATIVE, CUMULATIVE, DELTA, DELTA],
    );
    assert.deepEqual(
      kinds((type) => (type === 'COUNTER' ? DELTA : CUMULATIVE)),
      [CUMULATIVE, CUMULATIVE, DELTA, CUMULATIVE],
    );
    assert.deepEqual(
      kinds(() => CUMULATIVE),
      [CUMULATIVE, CUMULATIVE, CUMULATIVE, CUMULATIVE],
    );
  });
});

// A counter and a histogram of the same requests, each of which took a second.
function collected(totals: ReadonlyMap<string, Counts>, endTime: HrTime): MetricData[] {
  const points = [...totals].map(([series, counts]) => ({ labels: { series }, value: total(counts) }));
  const counter = toMetricData({ name: 'c', type: 'counter', help: '', points }, START, endTime);
  return [
    counter,
    histogram(
      [...totals].map(([series, counts]) => [{ series }, counts, BOUNDS]),
      endTime,
    ),
  ];
}

function histogram(series: [Record<string, string>, number[], number[]][], endTime: HrTime): MetricData {
  const points = series.map(([labels, counts, bounds]) => ({
    labels,
    value: { cell: Float64Array.from([total(counts), ...counts]), bounds },
  }));
  return toMetricData({ name: 'h', type: 'histogram', help: '', points }, START, endTime);
}

function total(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

function compare(a: HrTime, b: HrTime): number {
  return a[0] - b[0] || a[1] - b[1];
}
