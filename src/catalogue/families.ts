/** Families of samples between the views and OTel: what every view gives, and its form as MetricData. */
import { type HrTime, ValueType } from '@opentelemetry/api';
import { AggregationTemporality, DataPointType, type MetricData } from '@opentelemetry/sdk-metrics';
import type { MetricRow } from './metric-row.ts';

/** A sample before it is OTel's: for histograms the cell of one, see cellWidth, with its bounds. */
export interface Point {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number | { readonly cell: Float64Array; readonly bounds: readonly number[] };
}

/** A family of samples, named as it is scraped. */
export interface Family {
  readonly name: string;
  readonly type: MetricRow['type'];
  readonly help: string;
  /** Of a gauge that is an amount: those of several groups may be added. */
  readonly additive?: boolean;
  readonly points: readonly Point[];
}

/**
 * A family as OTel's readers take it. No `unit` is passed on: it is in the name already, and the serializer would add a
 * comment that names it as OTel does.
 */
export function toMetricData(
  { name, type, help, additive, points }: Family,
  startTime: HrTime,
  endTime: HrTime,
): MetricData {
  const base = {
    descriptor: { name, description: help, unit: '', valueType: ValueType.DOUBLE },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
  };
  const dataPoints = points.map(({ labels, value }) => ({ startTime, endTime, attributes: labels, value }));
  if (type === 'histogram') {
    const histograms = dataPoints.map((point) => ({ ...point, value: toHistogram(point.value) }));
    return { ...base, dataPointType: DataPointType.HISTOGRAM, dataPoints: histograms };
  }
  const numbers = dataPoints as {
    startTime: HrTime;
    endTime: HrTime;
    attributes: Record<string, string>;
    value: number;
  }[];
  return type === 'counter' || additive
    ? { ...base, dataPointType: DataPointType.SUM, isMonotonic: type === 'counter', dataPoints: numbers }
    : { ...base, dataPointType: DataPointType.GAUGE, dataPoints: numbers };
}

function toHistogram(value: Point['value']) {
  if (typeof value === 'number') throw new TypeError('a histogram has no single value');
  const { cell, bounds } = value;
  return { sum: cell[0]!, count: countOf(cell), buckets: { boundaries: [...bounds], counts: [...cell.subarray(1)] } };
}

/** Unix ms as OTel's pair of seconds and nanoseconds. */
export function toHrTime(unixMs: number): HrTime {
  return [Math.floor(unixMs / 1000), Math.round((unixMs % 1000) * 1e6)];
}

/** How many values a histogram has counted. @param histogram - its cell: the sum, then a count per bucket */
export function countOf(histogram: Float64Array): number {
  return histogram.subarray(1).reduce((sum, count) => sum + count, 0);
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
  if (from.length === to.length && from.every((bound, i) => bound === to[i])) return cell;
  const result = new Float64Array(to.length + 2);
  result[0] = cell[0]!;
  for (let i = 0; i <= from.length; i += 1) {
    const bucket = to.findIndex((bound) => bound >= (from[i] ?? Number.POSITIVE_INFINITY));
    result[1 + (bucket === -1 ? to.length : bucket)]! += cell[1 + i]!;
  }
  return result;
}
