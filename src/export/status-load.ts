/** What is told of a load over a window: rates, and quantiles estimated as PromQL does. */
import { countOf, type Point, rebucket } from '../catalogue/families.ts';
import type { Load } from '../status-document.ts';

/** What a load has counted by one moment. */
export interface Counts {
  readonly requests: number;
  readonly failedRequests: number;
  /** Durations in seconds: their sum, then a count per bucket, the one above the last bound included. */
  readonly cell: Float64Array;
  /** Upper bounds of the buckets. */
  readonly bounds: readonly number[];
}

/** What was counted between two moments. */
export interface Growth {
  readonly seconds: number;
  readonly failedRequests: number;
  /** As that of Counts; its sum is not told. */
  readonly cell: Float64Array;
}

const NOTHING: Point['value'] = { cell: new Float64Array(2), bounds: [] };

/** @param point - of a histogram of durations; not there: nothing was counted */
export function countsOf(point: Point | undefined, failedRequests: number): Counts {
  const { cell, bounds } = (point?.value ?? NOTHING) as Exclude<Point['value'], number>;
  return { requests: countOf(cell), failedRequests, cell, bounds };
}

/** In the buckets of the first. Owns its cell. */
export function sumOfCounts(parts: readonly Counts[]): Counts {
  const bounds = parts[0]?.bounds ?? [];
  const cell = new Float64Array(bounds.length + 2);
  let failedRequests = 0;
  for (const part of parts) {
    const own = rebucket(part.cell, part.bounds, bounds);
    for (let i = 0; i < cell.length; i += 1) cell[i]! += own[i]!;
    failedRequests += part.failedRequests;
  }
  return { requests: countOf(cell), failedRequests, cell, bounds };
}

/** @param growth - in the window; undefined while it is not known, and quantiles are over all that was counted */
export function loadOf({ requests, failedRequests, cell, bounds }: Counts, growth: Growth | undefined): Load {
  const quantile = (q: number) => quantileOf(q, growth?.cell ?? cell, bounds);
  return {
    requests,
    failedRequests,
    requestsPerSecond: growth ? countOf(growth.cell) / growth.seconds : null,
    failedRequestsPerSecond: growth ? growth.failedRequests / growth.seconds : null,
    durationSeconds: { p50: quantile(0.5), p95: quantile(0.95), p99: quantile(0.99) },
  };
}

/**
 * Linear in the bucket that it falls in, which begins at 0 if it is the first. In the one above the last bound, that bound.
 *
 * @param q - from 0 to 1
 * @param cell - see Counts
 * @returns null where nothing was counted, or nothing is known but how many
 * @see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile
 */
export function quantileOf(q: number, cell: Float64Array, bounds: readonly number[]): number | null {
  const rank = q * countOf(cell);
  if (countOf(cell) === 0 || bounds.length === 0) return null;
  let below = 0;
  for (let i = 0; i < bounds.length; i += 1) {
    const count = cell[1 + i]!;
    if (below + count >= rank) {
      const start = i === 0 ? Math.min(0, bounds[0]!) : bounds[i - 1]!;
      return count === 0 ? start : start + (bounds[i]! - start) * ((rank - below) / count);
    }
    below += count;
  }
  return bounds.at(-1)!;
}
