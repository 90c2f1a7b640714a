/** Holds src/export/status-load.ts: rates and quantiles are what PromQL would say of the same counts. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Counts, countsOf, loadOf, quantileOf, sumOfCounts } from '../src/export/status-load.ts';

const BOUNDS = [0.1, 0.5, 1];

describe('a quantile', () => {
  it('is linear in the bucket it falls in, the first of which begins at 0', () => {
    assert.equal(quantileOf(0.5, cell(4, 0, 0, 0), BOUNDS), 0.05);
    assert.equal(quantileOf(0.5, cell(2, 4, 2, 0), BOUNDS), 0.1 + 0.4 * 0.5);
    assert.equal(quantileOf(0.99, cell(50, 0, 50, 0), BOUNDS), 0.5 + 0.5 * (49 / 50));
  });

  it('of what lies above the last bound is that bound', () => {
    assert.equal(quantileOf(0.5, cell(0, 0, 0, 7), BOUNDS), 1);
    assert.equal(quantileOf(0.99, cell(98, 0, 0, 2), BOUNDS), 1);
  });

  it('of nothing is null, and so is that of counts without bounds', () => {
    assert.equal(quantileOf(0.5, cell(0, 0, 0, 0), BOUNDS), null);
    assert.equal(quantileOf(0.5, Float64Array.of(1, 5), []), null);
  });

  it('is for any counts and bounds what the definition of histogram_quantile() gives', () => {
    const histograms = fc
      .uniqueArray(fc.integer({ min: 1, max: 10_000 }), { minLength: 1, maxLength: 16 })
      .chain((bounds) =>
        fc.record({
          bounds: fc.constant(bounds.sort((a, b) => a - b).map((bound) => bound / 100)),
          counts: fc.array(fc.nat(1000), { minLength: bounds.length + 1, maxLength: bounds.length + 1 }),
        }),
      );
    fc.assert(
      fc.property(histograms, fc.constantFrom(0.5, 0.95, 0.99, 0.001, 1), ({ bounds, counts }, q) => {
        const value = quantileOf(q, cell(...counts), bounds);
        const expected = reference(q, counts, bounds);
        if (expected === null) return assert.equal(value, null);
        assert.ok(Math.abs(value! - expected) <= 1e-9 * Math.max(1, expected), `${value} is not ${expected}`);
      }),
      { numRuns: 500 },
    );
  });
});

describe('a load', () => {
  const counts: Counts = { requests: 10, failedRequests: 2, cell: cell(10, 0, 0, 0), bounds: BOUNDS };

  it('has rates and quantiles of its window', () => {
    assert.deepEqual(loadOf(counts, { seconds: 4, failedRequests: 1, cell: cell(0, 2, 0, 0) }), {
      requests: 10,
      failedRequests: 2,
      requestsPerSecond: 0.5,
      failedRequestsPerSecond: 0.25,
      durationSeconds: { p50: 0.1 + 0.4 * 0.5, p95: 0.1 + 0.4 * 0.95, p99: 0.1 + 0.4 * 0.99 },
    });
  });

  it('that had no request in its window has rates of 0 and no quantiles', () => {
    const { requestsPerSecond, durationSeconds } = loadOf(counts, {
      seconds: 4,
      failedRequests: 0,
      cell: cell(0, 0, 0, 0),
    });
    assert.equal(requestsPerSecond, 0);
    assert.deepEqual(durationSeconds, { p50: null, p95: null, p99: null });
  });

  it('without a window has no rates, and quantiles of all that it has counted', () => {
    const load = loadOf(counts, undefined);
    assert.deepEqual([load.requestsPerSecond, load.failedRequestsPerSecond], [null, null]);
    assert.equal(load.durationSeconds.p50, 0.05);
  });

  it('of nothing at all is zeros, and nulls where nothing is known', () => {
    assert.deepEqual(loadOf(countsOf(undefined, 0), undefined), {
      requests: 0,
      failedRequests: 0,
      requestsPerSecond: null,
      failedRequestsPerSecond: null,
      durationSeconds: { p50: null, p95: null, p99: null },
    });
  });

  it('of several is in the buckets of the first, whatever the others have, and owns what it adds to', () => {
    const other: Counts = { requests: 3, failedRequests: 1, cell: Float64Array.of(9, 1, 2), bounds: [0.3] };
    const sum = sumOfCounts([counts, other, counts]);
    assert.deepEqual([sum.requests, sum.failedRequests, sum.bounds], [23, 5, BOUNDS]);
    assert.deepEqual([...sum.cell].slice(1), [20, 1, 0, 2]);
    assert.deepEqual([...counts.cell].slice(1), [10, 0, 0, 0]);
    assert.equal(sumOfCounts([]).requests, 0);
  });
});

// The definition, on cumulative buckets as they are scraped.
function reference(q: number, counts: readonly number[], bounds: readonly number[]): number | null {
  const cumulative = counts.map((_, i) => counts.slice(0, i + 1).reduce((a, b) => a + b, 0));
  const all = cumulative.at(-1)!;
  if (all === 0) return null;
  const bucket = cumulative.findIndex((count) => count >= q * all);
  if (bucket >= bounds.length) return bounds.at(-1)!;
  const [start, below] = bucket === 0 ? [0, 0] : [bounds[bucket - 1]!, cumulative[bucket - 1]!];
  return start + ((bounds[bucket]! - start) * (q * all - below)) / (cumulative[bucket]! - below);
}

function cell(...counts: number[]): Float64Array {
  return Float64Array.of(123, ...counts);
}
