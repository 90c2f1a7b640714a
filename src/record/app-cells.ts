/** The app's metrics in the process's table: finds the cell of each data point that the SDK gives as a delta and adds it. */
import type { DataPointType, Histogram, MetricData, ScopeMetrics } from '@opentelemetry/sdk-metrics';
import { monotonicMs } from '../snapshot/monotonic.ts';
import { OVERFLOW_METRIC, OWN_SCOPE } from '../snapshot/own-metrics.ts';
import type { Attributes, MetricDescriptor, SeriesTable } from '../snapshot/series-table.ts';
import type { Failures } from './failures.ts';

interface AppMetric {
  readonly descriptor: MetricDescriptor;
  readonly id: number;
  /** Attributes, as text -> where the cell begins. Never more than maxSeries and the overflow. */
  readonly cells: Map<string, number>;
}

export interface AppCellsOptions {
  readonly table: SeriesTable;
  readonly maxSeries: number;
  readonly failures: Failures;
}

const OVERFLOW_ATTRIBUTES: Attributes = { 'otel.metric.overflow': true };

/** The app's metrics by scope, name, unit and shape, each with its cells by attributes, capped for the life of the process. */
export class AppCells {
  readonly #table: SeriesTable;
  readonly #maxSeries: number;
  readonly #failures: Failures;
  readonly #types: typeof DataPointType;
  readonly #metrics = new Map<string, AppMetric>();
  readonly #overflowCounts = new Map<string, number>();
  #overflowMetric: number | undefined;
  #observedGauges = new Set<number>();

  /** @param types - the SDK's DataPointType, handed in because the SDK is loaded late */
  constructor(options: AppCellsOptions, types: typeof DataPointType) {
    this.#table = options.table;
    this.#maxSeries = options.maxSeries;
    this.#failures = options.failures;
    this.#types = types;
  }

  /** Adds deltas to their cells. @returns how many data points there were */
  add(scopes: readonly ScopeMetrics[]): number {
    return this.#add(scopes).points;
  }

  /** Adds what observable instruments tell now, and hides the gauges that they told of before and now do not. */
  addObserved(scopes: readonly ScopeMetrics[]): void {
    const { gauges } = this.#add(scopes);
    for (const cell of this.#observedGauges) if (!gauges.has(cell)) this.#table.values[cell + 1] = 0;
    this.#observedGauges = gauges;
  }

  #add(scopes: readonly ScopeMetrics[]): { points: number; gauges: Set<number> } {
    const gauges = new Set<number>();
    let points = 0;
    for (const { scope, metrics } of scopes) {
      for (const data of metrics) {
        const metric = data.dataPoints.length === 0 ? undefined : this.#metric(data, scope.name);
        for (const point of metric ? data.dataPoints : []) {
          const cell = this.#cell(metric!, point.attributes);
          if (!accumulate(this.#table.values, cell, metric!.descriptor, point.value)) {
            this.#failures.count('value', `${metric!.descriptor.name} was given NaN or Infinity`);
          }
          if (metric!.descriptor.kind === 'gauge') gauges.add(cell);
          points += 1;
        }
      }
    }
    return { points, gauges };
  }

  #metric(data: MetricData, scope: string): AppMetric | undefined {
    const { name, unit, description } = data.descriptor;
    const shape = this.#shape(data);
    const key = JSON.stringify([scope, name, unit, shape ?? null]);
    let metric = this.#metrics.get(key);
    if (metric || !shape) return metric;
    const descriptor = { name, unit, description, scope: scope === OWN_SCOPE ? '' : scope, ...shape };
    metric = { descriptor, id: this.#table.define(descriptor), cells: new Map() };
    this.#metrics.set(key, metric);
    return metric;
  }

  #shape(data: MetricData): Pick<MetricDescriptor, 'kind' | 'bounds'> | undefined {
    switch (data.dataPointType) {
      case this.#types.SUM:
        return { kind: data.isMonotonic ? 'counter' : 'updowncounter' };
      case this.#types.GAUGE:
        return { kind: 'gauge' };
      case this.#types.HISTOGRAM:
        return { kind: 'histogram', bounds: [data.dataPoints[0]!.value.buckets.boundaries.filter(Number.isFinite)] };
      default:
        this.#unsupported(data.descriptor.name);
        return undefined;
    }
  }

  readonly #reported = new Set<string>();

  #unsupported(name: string): void {
    if (this.#reported.has(name)) return;
    this.#reported.add(name);
    this.#failures.count('unsupported', `${name} is an exponential histogram: use explicit bucket boundaries`);
  }

  #cell(metric: AppMetric, attributes: Attributes): number {
    const key = JSON.stringify(Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1)));
    const known = metric.cells.get(key);
    if (known !== undefined) return known;
    const full = metric.cells.size >= this.#maxSeries;
    if (full) this.#countOverflow(metric.descriptor.name);
    const overflowed = full ? metric.cells.get('overflow') : undefined;
    if (overflowed !== undefined) return overflowed;
    const cell = this.#table.add(metric.id, full ? OVERFLOW_ATTRIBUTES : attributes);
    metric.cells.set(full ? 'overflow' : key, cell);
    return cell;
  }

  #countOverflow(name: string): void {
    let cell = this.#overflowCounts.get(name);
    if (cell === undefined) {
      this.#overflowMetric ??= this.#table.define({
        name: OVERFLOW_METRIC,
        description: '',
        unit: '',
        kind: 'counter',
        scope: OWN_SCOPE,
      });
      cell = this.#table.add(this.#overflowMetric, { metric: name });
      this.#overflowCounts.set(name, cell);
    }
    this.#table.values[cell]! += 1;
  }
}

// One NaN or Infinity would stay in a sum for ever, and in the sums of everybody.
function accumulate(values: Float64Array, cell: number, descriptor: MetricDescriptor, value: unknown): boolean {
  if (descriptor.kind === 'gauge') {
    values[cell] = value as number;
    values[cell + 1] = monotonicMs();
  } else if (descriptor.kind === 'histogram') {
    const { sum = 0, buckets } = value as Histogram;
    if (!Number.isFinite(sum)) return false;
    values[cell]! += sum;
    for (const [i, count] of buckets.counts.entries()) values[cell + 1 + i]! += count;
  } else {
    if (!Number.isFinite(value)) return false;
    values[cell]! += value as number;
  }
  return true;
}
