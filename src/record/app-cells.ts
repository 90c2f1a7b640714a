/** The app's metrics in the process's table: finds the cell of each data point that the SDK gives as a delta and adds it. */
import type { DataPointType, Histogram, MetricData, ScopeMetrics } from '@opentelemetry/sdk-metrics';
import { monotonicMs } from '../snapshot/monotonic.ts';
import { OVERFLOW_METRIC, OWN_SCOPE } from '../snapshot/own-metrics.ts';
import type { Attributes, MetricDescriptor, MetricKind, SeriesTable } from '../snapshot/series-table.ts';
import { OVERFLOW_ATTRIBUTES } from './attribute-sets.ts';
import type { Failures } from './failures.ts';

interface AppMetric {
  readonly descriptor: MetricDescriptor;
  readonly id: number;
  /** Attributes, as text -> where the cell begins. Never more than maxSeries and the overflow. */
  readonly cells: Map<string, number>;
  /** The same by the objects that attributes are kept as. */
  readonly known: WeakMap<Attributes, number>;
}

export interface AppCellsOptions {
  readonly table: SeriesTable;
  readonly maxSeries: number;
  readonly failures: Failures;
  /** When gauges were set (unix ms), by the attributes of their data points; now, where it is not known. */
  readonly setAtMs: WeakMap<Attributes, number>;
}

const OVERFLOW_KEY = keyOf(OVERFLOW_ATTRIBUTES);

/** The app's metrics by scope, name, unit and shape, each with its cells by attributes, capped for the life of the process. */
export class AppCells {
  readonly #table: SeriesTable;
  readonly #maxSeries: number;
  readonly #failures: Failures;
  readonly #setAtMs: WeakMap<Attributes, number>;
  readonly #types: typeof DataPointType;
  readonly #metrics = new Map<string, AppMetric>();
  readonly #overflowCounts = new Map<string, number>();
  readonly #unsupported = new Set<string>();
  #overflowMetric: number | undefined;
  // What observable instruments have told of: cells of gauges that are shown, and of amounts, all that ever were.
  #shownGauges = new Set<number>();
  readonly #amounts = new Set<number>();
  /** Amounts that are not told of any more, by cell; the SDK tells the difference to them when they are back. */
  readonly #withheld = new Map<number, number>();

  /** @param types - the SDK's DataPointType, handed in because the SDK is loaded late */
  constructor(options: AppCellsOptions, types: typeof DataPointType) {
    this.#table = options.table;
    this.#maxSeries = options.maxSeries;
    this.#failures = options.failures;
    this.#setAtMs = options.setAtMs;
    this.#types = types;
  }

  /** Adds deltas to their cells. */
  add({ scope, metrics }: ScopeMetrics): void {
    for (const data of metrics) this.#add(data, scope.name, false);
  }

  /** Adds what observable instruments tell now. Gauges and amounts that they told of before and now do not are not shown. */
  addObserved(scopes: readonly ScopeMetrics[]): void {
    for (const [cell, amount] of this.#withheld) this.#table.values[cell]! += amount;
    this.#withheld.clear();
    const told = new Set<number>();
    const gauges = new Set<number>();
    const tell = (cell: number, kind: MetricKind) => {
      told.add(cell);
      if (kind === 'gauge') gauges.add(cell);
      if (kind === 'updowncounter') this.#amounts.add(cell);
    };
    for (const { scope, metrics } of scopes) for (const data of metrics) this.#add(data, scope.name, true, tell);
    const { values } = this.#table;
    for (const cell of this.#shownGauges) if (!told.has(cell)) values[cell + 1] = 0;
    this.#shownGauges = gauges;
    for (const cell of this.#amounts) {
      if (told.has(cell)) continue;
      this.#withheld.set(cell, values[cell]!);
      values[cell] = 0;
    }
  }

  /** Counts a measurement that a cap has sent elsewhere, by metric. */
  countOverflow(name: string): void {
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

  #add(data: MetricData, scope: string, observed: boolean, onPoint?: (cell: number, kind: MetricKind) => void): void {
    const metric = data.dataPoints.length === 0 ? undefined : this.#metric(data, scope, observed);
    if (!metric) return;
    const { descriptor } = metric;
    for (const { attributes, value } of data.dataPoints) {
      const cell = this.#cell(metric, attributes);
      if (descriptor.kind === 'gauge') {
        this.#table.values[cell] = value as number;
        this.#table.values[cell + 1] = this.#setAtMonotonicMs(attributes);
      } else if (!accumulate(this.#table.values, cell, descriptor, value)) {
        this.#failures.count('value', `${descriptor.name} has come to more than a number can hold`);
      }
      onPoint?.(cell, descriptor.kind);
    }
  }

  // The SDK tells by the wall clock, moments ago.
  #setAtMonotonicMs(attributes: Attributes): number {
    const nowMs = Date.now();
    return monotonicMs() - Math.max(0, nowMs - (this.#setAtMs.get(attributes) ?? nowMs));
  }

  // What is observed has cells of its own: it is withheld as a whole.
  #metric(data: MetricData, scope: string, observed: boolean): AppMetric | undefined {
    const { name, unit, description } = data.descriptor;
    const shape = this.#shape(data);
    const key = JSON.stringify([scope, name, unit, observed, shape ?? null]);
    let metric = this.#metrics.get(key);
    if (metric || !shape) return metric;
    const descriptor = { name, unit, description, scope: scope === OWN_SCOPE ? '' : scope, ...shape };
    metric = { descriptor, id: this.#table.define(descriptor), cells: new Map(), known: new WeakMap() };
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
        this.#leaveOut(data.descriptor.name);
        return undefined;
    }
  }

  #leaveOut(name: string): void {
    if (this.#unsupported.has(name)) return;
    this.#unsupported.add(name);
    this.#failures.count('unsupported', `${name} is an exponential histogram: use explicit bucket boundaries`);
  }

  #cell(metric: AppMetric, attributes: Attributes): number {
    const known = metric.known.get(attributes);
    if (known !== undefined) return known;
    const key = keyOf(attributes);
    const cell = metric.cells.get(key) ?? this.#newCell(metric, attributes, key);
    // What went into the overflow is counted each time.
    if (metric.cells.has(key)) metric.known.set(attributes, cell);
    return cell;
  }

  // Instruments have capped their attribute sets, but views may have made one metric of several.
  #newCell(metric: AppMetric, attributes: Attributes, key: string): number {
    const overflow = metric.cells.get(OVERFLOW_KEY);
    const room = this.#maxSeries + (overflow === undefined ? 0 : 1);
    if (key !== OVERFLOW_KEY && metric.cells.size >= room) {
      this.countOverflow(metric.descriptor.name);
      return overflow ?? this.#newCell(metric, OVERFLOW_ATTRIBUTES, OVERFLOW_KEY);
    }
    const cell = this.#table.add(metric.id, attributes);
    metric.cells.set(key, cell);
    return cell;
  }
}

function keyOf(attributes: Attributes): string {
  return JSON.stringify(Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1)));
}

// Instruments take no NaN and no Infinity, but a sum may come to one: it would stay there, and in the sums of everybody.
function accumulate(values: Float64Array, cell: number, descriptor: MetricDescriptor, value: unknown): boolean {
  const { sum = 0, buckets } = descriptor.kind === 'histogram' ? (value as Histogram) : { sum: value as number };
  const total = values[cell]! + sum;
  if (!Number.isFinite(total)) return false;
  values[cell] = total;
  // A bound that is no number has a bucket for the SDK and none here.
  const last = (descriptor.bounds?.[0]?.length ?? 0) + 1;
  const counts = buckets?.counts ?? [];
  for (let i = 0; i < counts.length; i += 1) values[cell + Math.min(i + 1, last)]! += counts[i]!;
  return true;
}
