/** Families of samples between the views and OTel: what every view gives, and its form as MetricData. */
import { type HrTime, ValueType } from '@opentelemetry/api';
import { AggregationTemporality, type DataPoint, DataPointType, type MetricData } from '@opentelemetry/sdk-metrics';
import type { MetricRow } from './metric-row.ts';

/** A sample before it is OTel's: for histograms the cell of one, see cellWidth, with its bounds. */
export interface Point {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number | { readonly cell: Float64Array; readonly bounds: readonly number[] };
}

/** May be made one by one, anew each time they are gone through: all at once they would only wait for their turn. */
export interface Listed<T> extends Iterable<T> {
  readonly length: number;
}

/** A family of samples, named as it is scraped. */
export interface Family {
  readonly name: string;
  readonly type: MetricRow['type'];
  readonly help: string;
  /** Of a gauge that is an amount: those of several groups may be added. */
  readonly additive?: boolean;
  readonly points: Listed<Point>;
}

/** How metrics and data points are given: as arrays; or one by one, to who goes through them in their turn of the loop. */
export type Given = 'array' | 'passing';

interface Giving {
  list<T, U>(all: Listed<T>, to: (each: T) => U): U[];
  /** Of a histogram's cell, what stands behind its sum. */
  counts(cell: Float64Array): number[];
}

/** A list of what is made of the items of another, one by one and anew each time. */
// A class, for one generator: each that a literal makes of its own brings a class of objects that V8 keeps among its old ones.
export class Passing<T, U> implements Listed<U> {
  readonly length: number;
  readonly #all: Listed<T>;
  readonly #to: (each: T) => U;

  constructor(all: Listed<T>, to: (each: T) => U) {
    this.length = all.length;
    this.#all = all;
    this.#to = to;
  }

  *[Symbol.iterator](): Generator<U> {
    for (const each of this.#all) yield this.#to(each);
  }
}

/** How lists and counts are handed on. */
export const GIVING: Readonly<Record<Given, Giving>> = {
  array: { list: Array.from, counts: countsOf },
  // OTel's types know nothing but arrays; its collecting hands on what it is given.
  passing: {
    list: (all, to) => new Passing(all, to) as unknown as ReturnType<typeof to>[],
    counts: (cell) => cell.subarray(1) as unknown as number[],
  },
};

/**
 * A family as OTel's readers take it. No `unit` is passed on: it is in the name already, and the serializer would add a
 * comment that names it as OTel does.
 *
 * @param given - `passing` for a reader of ours, that needs of an array no more than to go through it and its length
 */
export function toMetricData(
  { name, type, help, additive, points }: Family,
  startTime: HrTime,
  endTime: HrTime,
  given: Given = 'array',
): MetricData {
  const descriptor = { name, description: help, unit: '', valueType: ValueType.DOUBLE };
  const aggregationTemporality = AggregationTemporality.CUMULATIVE;
  const { list, counts } = GIVING[given];
  const timed = <T>(read: (value: Point['value']) => T) =>
    list(points, ({ labels, value }): DataPoint<T> => ({ startTime, endTime, attributes: labels, value: read(value) }));
  if (type === 'histogram') {
    const dataPoints = timed((value) => toHistogram(value, counts));
    return { descriptor, aggregationTemporality, dataPointType: DataPointType.HISTOGRAM, dataPoints };
  }
  const dataPoints = timed((value) => value as number);
  return type === 'counter' || additive
    ? {
        descriptor,
        aggregationTemporality,
        dataPointType: DataPointType.SUM,
        isMonotonic: type === 'counter',
        dataPoints,
      }
    : { descriptor, aggregationTemporality, dataPointType: DataPointType.GAUGE, dataPoints };
}

// The bounds are shared by all series that have them; OTel's readers do not write to what they read.
function toHistogram(value: Point['value'], counts: Giving['counts']) {
  if (typeof value === 'number') throw new TypeError('a histogram has no single value');
  const { cell, bounds } = value;
  return { sum: cell[0]!, count: countOf(cell), buckets: { boundaries: bounds as number[], counts: counts(cell) } };
}

function countsOf(cell: Float64Array): number[] {
  const counts: number[] = [];
  for (let i = 1; i < cell.length; i += 1) counts.push(cell[i]!);
  return counts;
}

/** Unix ms as OTel's pair of seconds and nanoseconds. */
export function toHrTime(unixMs: number): HrTime {
  return [Math.floor(unixMs / 1000), Math.round((unixMs % 1000) * 1e6)];
}

/** How many values a histogram has counted. @param histogram - its cell: the sum, then a count per bucket */
export function countOf(histogram: Float64Array): number {
  let sum = 0;
  for (let i = 1; i < histogram.length; i += 1) sum += histogram[i]!;
  return sum;
}

/**
 * A histogram in the buckets of another. Processes of one group may have other buckets for a while, when they are changed
 * without ending it. What was counted below a bound is counted below the next one that there is: never too much below any
 * of them, all in +Inf.
 *
 * @param cell - the sum, then a count per bucket of `from`
 * @returns the same for the buckets of `to`; `cell` itself where they are equal
 */
export function rebucket(cell: Float64Array, from: readonly number[], to: readonly number[]): Float64Array {
  if (isSameList(from, to)) return cell;
  const result = new Float64Array(to.length + 2);
  result[0] = cell[0]!;
  for (let i = 0; i <= from.length; i += 1) {
    const bucket = to.findIndex((bound) => bound >= (from[i] ?? Number.POSITIVE_INFINITY));
    result[1 + (bucket === -1 ? to.length : bucket)]! += cell[1 + i]!;
  }
  return result;
}

// Of two workers these are two lists; this is asked for every cell of every worker.
function isSameList(a: readonly number[], b: readonly number[]): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i += 1) if (a[i] !== b[i]) return false;
  return true;
}
