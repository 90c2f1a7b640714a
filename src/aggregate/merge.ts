/**
 * Adds what processes have published. Pure: cells of counters, up-down counters and histograms are sums slot by slot,
 * so merging is addition, in any order and any grouping; gauges and events are never added here, a view decides about them.
 */
import { attributesKey, type Metric, type Series } from '../snapshot/dictionary.ts';
import type { Snapshot } from '../snapshot/layout.ts';
import { type Attributes, cellWidth, type MetricDescriptor, SeriesTable } from '../snapshot/series-table.ts';

export interface MergedSeries {
  readonly attributes: Attributes;
  /** One cell. Owned by the merge. */
  readonly values: Float64Array;
}

export interface MergedMetric {
  readonly descriptor: MetricDescriptor;
  /** By the key of the attributes, in order of first appearance. */
  readonly series: Map<string, MergedSeries>;
}

/** By the key of the metric; see Metric.key. */
export type Merged = Map<string, MergedMetric>;

/** A snapshot and whether its process lives: the dead take part in sums of what only grows, not in what is now. */
export interface Member {
  readonly snapshot: Snapshot;
  readonly alive: boolean;
}

/** Attributes of the series that takes what is above the cap. */
const OVERFLOW: Attributes = { 'otel.metric.overflow': true };
const OVERFLOW_KEY = attributesKey(OVERFLOW);

/**
 * Sums over processes: counters and histograms over all of them, up-down counters over the living. No gauges, no events.
 *
 * @param maxSeries - per metric: each process has its cap, but those who ever were may have had different series. The
 *   members that come first keep theirs, so the totals of the dead go in front
 */
export function merge(members: Iterable<Member>, maxSeries = Number.POSITIVE_INFINITY): Merged {
  const merged: Merged = new Map();
  for (const { snapshot, alive } of members) {
    for (const metric of snapshot.metrics) {
      const { kind } = metric.descriptor;
      if (kind === 'gauge' || kind === 'event' || (kind === 'updowncounter' && !alive)) continue;
      addMetric(merged, metric, snapshot.values, maxSeries);
    }
  }
  return merged;
}

/** The values of one series in a snapshot, or undefined where the snapshot is older than the series. Not a copy. */
export function cellOf(descriptor: MetricDescriptor, series: Series, values: Float64Array): Float64Array | undefined {
  const end = series.offset + cellWidth(descriptor);
  return end <= values.length ? values.subarray(series.offset, end) : undefined;
}

/** A merge as a table, to be written down as the totals of a group. */
export function toTable(merged: Merged): SeriesTable {
  const table = new SeriesTable();
  for (const { descriptor, series } of merged.values()) {
    const metric = table.define(descriptor);
    for (const { attributes, values } of series.values()) {
      const offset = table.add(metric, attributes);
      table.values.set(values, offset);
    }
  }
  return table;
}

function addMetric(merged: Merged, metric: Metric, values: Float64Array, maxSeries: number): void {
  let target = merged.get(metric.key);
  if (!target) {
    target = { descriptor: metric.descriptor, series: new Map() };
    merged.set(metric.key, target);
  }
  for (const series of metric.series) {
    const cell = cellOf(metric.descriptor, series, values);
    if (!cell) continue;
    const full = target.series.size >= maxSeries && !target.series.has(series.key);
    const key = full ? OVERFLOW_KEY : series.key;
    const sum = target.series.get(key);
    if (sum) addTo(sum.values, cell);
    else target.series.set(key, { attributes: full ? OVERFLOW : series.attributes, values: cell.slice() });
  }
}

/** Adds `cell` to `sum`, slot by slot. */
export function addTo(sum: Float64Array, cell: Float64Array): void {
  for (let i = 0; i < cell.length; i += 1) sum[i]! += cell[i]!;
}
