/**
 * Sums over the instances of a fleet that never fall, whatever becomes of an instance: each value adds what it has more
 * than the one before of the same instance and series. What was added once stays; what is remembered is bounded.
 */
import { rebucket } from '../catalogue/families.ts';
import type { GroupValue, ValueFamily, ValueSeries } from './group-value.ts';

export interface FleetSumsOptions {
  /** Series of one metric and service; what comes after goes into one with otel_metric_overflow. */
  readonly maxSeries: number;
}

/** One summed series; `cell` is a histogram's sum and buckets, or one number. */
export interface Sum {
  readonly labels: Readonly<Record<string, string>>;
  readonly cell: Float64Array;
}

/** What a family has been summed to, for one service. */
export interface SummedFamily extends Pick<ValueFamily, 'name' | 'type' | 'help'> {
  readonly service: string;
  readonly bounds: readonly number[];
  readonly sums: Map<string, Sum>;
}

// Instances that have gone and may be seen again, after Redis was away say: they are not to be added anew.
const MAX_GONE = 1000;
// Names of metrics, of all services that ever were; what comes after is left out, and counted.
const MAX_FAMILIES = 10_000;
const OVERFLOW = { otel_metric_overflow: 'true' };

/** What an instance has had added, by series. */
interface Seen {
  readonly writtenAtMs: number;
  readonly cells: Map<string, Float64Array>;
}

/** Adds up counters and histograms, without `worker_id`: who counted is not what a fleet is asked for. */
export class FleetSums {
  /** By service and name, in the order in which they were first seen. */
  readonly families = new Map<string, SummedFamily>();
  /** How often a value went into the overflow series, by metric. */
  readonly overflow = new Map<string, number>();
  readonly #maxSeries: number;
  /** By instance, the one that was not seen for longest first. */
  readonly #seen = new Map<string, Seen>();

  constructor({ maxSeries }: FleetSumsOptions) {
    this.#maxSeries = maxSeries;
  }

  /** Adds what an instance has counted since the value before. */
  add(value: GroupValue): void {
    const { service, id, writtenAtMs, families } = value;
    const known = this.#seen.get(id);
    // Redis has lost the newest, and what it has again is in the sums.
    if (known && writtenAtMs < known.writtenAtMs && !goesOn(known.cells, value)) return;
    const seen = known?.cells ?? new Map<string, Float64Array>();
    this.#seen.delete(id);
    this.#seen.set(id, { writtenAtMs, cells: seen });
    const before = new Map(seen);
    for (const family of countsOf(families)) {
      const target = this.#family(service, family);
      if (target) for (const series of family.series) this.#addSeries(target, family, series, seen, before);
    }
    // Gone from the value, such as a worker's that was forgotten: what it has added stays.
    for (const key of before.keys()) seen.delete(key);
  }

  /** Forgets the oldest of those that have gone, when they are many. @param living - ids of all that are there */
  forget(living: ReadonlySet<string>): void {
    const gone = [...this.#seen.keys()].filter((id) => !living.has(id));
    for (const id of gone.slice(0, Math.max(0, gone.length - MAX_GONE))) this.#seen.delete(id);
  }

  #addSeries(
    target: SummedFamily,
    family: ValueFamily,
    series: ValueSeries,
    seen: Map<string, Float64Array>,
    before: Map<string, Float64Array>,
  ): void {
    const own = cellOf(series);
    const bounds = series.bounds ?? family.bounds;
    const cell = bounds ? rebucket(own, bounds, target.bounds) : own;
    const key = keyOf(family, series);
    const last = seen.get(key);
    before.delete(key);
    seen.set(key, cell);
    const sum = this.#sum(target, series.labels, cell.length);
    // One that has fallen has begun anew.
    const isNew = !last || last.length !== cell.length || cell.some((value, i) => value < last[i]!);
    for (let i = 0; i < cell.length; i += 1) sum[i]! += isNew ? cell[i]! : grown(cell[i]!, last[i]!);
  }

  #family(service: string, { name, type, help, bounds: own, series }: ValueFamily): SummedFamily | undefined {
    const key = `${service} ${name}`;
    const known = this.families.get(key);
    // Two versions of one app may disagree about what a metric is: the first has said it.
    if (known) return known.type === type ? known : undefined;
    if (this.families.size >= MAX_FAMILIES) {
      this.#countOverflow(name);
      return undefined;
    }
    const bounds = own ?? series[0]?.bounds ?? [];
    const family = { service, name, type, help, bounds, sums: new Map<string, Sum>() };
    this.families.set(key, family);
    return family;
  }

  #sum({ name, sums }: SummedFamily, { worker_id: _, ...labels }: ValueSeries['labels'], width: number): Float64Array {
    const key = JSON.stringify(labels);
    const isFull = !sums.has(key) && sums.size >= this.#maxSeries;
    const [place, own] = isFull ? [JSON.stringify(OVERFLOW), OVERFLOW] : [key, labels];
    if (isFull) this.#countOverflow(name);
    const known = sums.get(place);
    if (known) return known.cell;
    const cell = new Float64Array(width);
    sums.set(place, { labels: own, cell });
    return cell;
  }

  // Names beyond those that are known share one count: they may be anything.
  #countOverflow(name: string): void {
    const metric = this.overflow.has(name) || this.overflow.size < this.#maxSeries ? name : 'other';
    this.overflow.set(metric, (this.overflow.get(metric) ?? 0) + 1);
  }
}

// Those without series say nothing yet, a histogram not even which buckets it has.
function countsOf(families: readonly ValueFamily[]): readonly ValueFamily[] {
  return families.filter(({ type, series }) => type !== 'gauge' && series.length > 0);
}

// Whether it has all that there was, and nothing less of it: then it is only a clock that was set back.
function goesOn(cells: ReadonlyMap<string, Float64Array>, { families }: GroupValue): boolean {
  let found = 0;
  for (const family of countsOf(families)) {
    for (const series of family.series) {
      const last = cells.get(keyOf(family, series));
      if (!last) continue;
      found += 1;
      if (totalOf(cellOf(series)) < totalOf(last)) return false;
    }
  }
  return found === cells.size;
}

// A histogram's count, whatever its buckets are; else the number.
function totalOf(cell: Float64Array): number {
  return cell.length === 1 ? cell[0]! : cell.subarray(1).reduce((sum, count) => sum + count, 0);
}

// Both may be infinite, which is no difference.
function grown(now: number, then: number): number {
  return now === then ? 0 : now - then;
}

function keyOf({ name }: ValueFamily, { labels }: ValueSeries): string {
  return `${name} ${JSON.stringify(labels)}`;
}

function cellOf({ value }: ValueSeries): Float64Array {
  return Float64Array.from(typeof value === 'number' ? [value] : value);
}
