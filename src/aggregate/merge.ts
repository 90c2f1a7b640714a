/**
 * Adds what processes have published. Cells of counters, up-down counters and histograms are sums slot by slot, so merging
 * is addition, in any order and any grouping; gauges and events are never added here, a view decides about them.
 */
import { attributesKey, type Metric, type Series } from '../snapshot/dictionary.ts';
import type { Snapshot } from '../snapshot/layout.ts';
import { HANDLED_ERRORS_METRIC, OWN_SCOPE, REQUESTS_METRIC } from '../snapshot/own-metrics.ts';
import { type Attributes, cellWidth, type MetricDescriptor, SeriesTable } from '../snapshot/series-table.ts';
import { yieldCore } from '../yield-core.ts';
import { addExactly, type ExactSum, settle } from './exact-sum.ts';
import { SeriesPlaces } from './series-places.ts';

/** One cell, owned by the merge. */
export interface MergedSeries extends ExactSum {
  readonly attributes: Attributes;
}

export interface MergedMetric {
  readonly descriptor: MetricDescriptor;
  /** By the key of the attributes; those that one merge after the other has had come first. */
  readonly series: ReadonlyMap<string, MergedSeries>;
  /** Another number once other series are in it. */
  readonly revision: number;
}

/** What of a metric is written down. */
export type Sums = Pick<MergedMetric, 'descriptor' | 'series'>;

/** By the key of the metric, see Metric.key; in the order in which the places have seen them. */
export type Merged = Map<string, MergedMetric>;

/** A snapshot and whether its process lives: the dead take part in sums of what only grows, not in what is now. */
export interface Member {
  readonly snapshot: Snapshot;
  readonly alive: boolean;
}

// A member that has one series more than those before it takes no more memory than this for it.
const CELLS_AT_A_TIME = 64;
const NOTHING = new Float64Array(0);

/** Attributes of the series that takes what is above the cap. */
const OVERFLOW: Attributes = { 'otel.metric.overflow': true };
/** Its key; see Series.key. */
export const OVERFLOW_KEY = attributesKey(OVERFLOW);

/**
 * Merges the same processes again and again, into the same memory: what is thrown away is not free (decision 056). For one
 * who is through with one merge before he asks for the next.
 */
export class Merger {
  #round = 0;
  /** Of what only grows, by the key of the metric; of the living alone each merge has its own. */
  #kept = new Map<string, KeptSums>();

  /**
   * Sums over processes: counters and histograms over all of them, up-down counters over the living. No gauges, no events.
   *
   * @param places - who of too many series has its own place: each process has its cap, but those who ever were may have had
   *   different series. Those that are free are taken in the order of the members
   * @returns sums that hold until the next merge
   */
  merge(members: Iterable<Member>, places: SeriesPlaces): Merged {
    this.#round += 1;
    const found = new Map<string, KeptSums>();
    for (const { snapshot, alive } of members) {
      for (const metric of snapshot.metrics) {
        const { key, descriptor } = metric;
        const { kind } = descriptor;
        if (kind === 'gauge' || kind === 'event' || (kind === 'updowncounter' && !alive)) continue;
        let sums = found.get(key);
        if (!sums) {
          if (!places.admit(key, descriptor.scope === OWN_SCOPE)) continue;
          sums = this.#kept.get(key) ?? new KeptSums();
          sums.begin(descriptor, this.#round);
          found.set(key, sums);
        }
        sums.add(metric, snapshot.values, places);
      }
    }
    const merged: Merged = new Map();
    for (const key of places.metrics) {
      const sums = found.get(key);
      if (!sums) continue;
      sums.end();
      merged.set(key, sums);
    }
    this.#kept = new Map([...found].filter(([, { descriptor }]) => isForGood(descriptor)));
    return merged;
  }
}

/** One merge by itself; see Merger. */
export function merge(members: Iterable<Member>, places = new SeriesPlaces()): Merged {
  return new Merger().merge(members, places);
}

/** Takes the places of the series that members have, as merging them would. */
export function takePlaces(members: Iterable<Member>, places: SeriesPlaces): void {
  for (const { snapshot } of members) {
    for (const { key, descriptor, series } of snapshot.metrics) {
      const isAdmitted = places.admit(key, descriptor.scope === OWN_SCOPE);
      if (!isAdmitted || !isCapped(descriptor) || !isForGood(descriptor)) continue;
      for (const { key: name } of series) if (name !== OVERFLOW_KEY) places.take(key, name);
    }
  }
}

/** The values of one series in a snapshot, or undefined where the snapshot is older than the series. Not a copy. */
export function cellOf(descriptor: MetricDescriptor, series: Series, values: Float64Array): Float64Array | undefined {
  const end = series.offset + cellWidth(descriptor);
  return end <= values.length ? values.subarray(series.offset, end) : undefined;
}

/** A merge as a table, to be written down as the totals of a group. What was rounded stands there as a series once more. */
export function toTable(merged: ReadonlyMap<string, Sums>): SeriesTable {
  const table = new SeriesTable();
  for (const { descriptor, series } of merged.values()) {
    const metric = table.define(descriptor);
    for (const { attributes, values, rest } of series.values()) {
      for (const cell of rest?.some((value) => value !== 0) ? [values, rest] : [values]) {
        const offset = table.add(metric, attributes);
        table.values.set(cell, offset);
      }
    }
  }
  return table;
}

interface Sum extends MergedSeries {
  attributes: Attributes;
  /** The merge that it was added to last. */
  round: number;
}

/** The sums of one metric. */
class KeptSums implements MergedMetric {
  readonly series = new Map<string, Sum>();
  revision = 0;
  #descriptor: MetricDescriptor | undefined;
  #round = 0;

  get descriptor(): MetricDescriptor {
    return this.#descriptor!;
  }

  begin(descriptor: MetricDescriptor, round: number): void {
    this.#descriptor = descriptor;
    this.#round = round;
  }

  add({ key: metric, series: all }: Metric, values: Float64Array, places: SeriesPlaces): void {
    const width = cellWidth(this.descriptor);
    const room = new Room(width, all.length);
    const round = this.#round;
    for (const { key: name, attributes: given, offset } of all) {
      yieldCore();
      if (offset + width > values.length) continue;
      const own = this.#hasPlace(metric, name, places);
      const key = own ? name : OVERFLOW_KEY;
      const attributes = own ? given : OVERFLOW;
      const sum = this.series.get(key);
      if (!sum) {
        this.series.set(key, { attributes, values: room.copyOf(values, offset), rest: undefined, round });
        this.revision += 1;
      } else if (sum.round === round) addExactly(sum, values, offset, width);
      else {
        // Equal ones: the others may go with whom they came from.
        sum.attributes = attributes;
        sum.round = round;
        if (sum.rest) clear(sum.rest);
        for (let i = 0; i < width; i += 1) sum.values[i] = values[offset + i]!;
      }
    }
  }

  /** Rounds, and lets go of what nobody has any more. */
  end(): void {
    for (const [key, sum] of this.series) {
      if (sum.round === this.#round) settle(sum);
      else {
        this.series.delete(key);
        this.revision += 1;
      }
    }
  }

  #hasPlace(metric: string, key: string, places: SeriesPlaces): boolean {
    if (key === OVERFLOW_KEY || !isCapped(this.descriptor)) return true;
    if (isForGood(this.descriptor)) return places.take(metric, key);
    // Of the living alone: who has gone keeps no place from others.
    const { series } = this;
    return series.has(key) || series.size - (series.has(OVERFLOW_KEY) ? 1 : 0) < places.maxSeries;
  }
}

/** Makes cells of one width, many in one piece of memory: a piece for each would cost the thread more than what is in it. */
class Room {
  readonly #width: number;
  #left: number;
  #cells = NOTHING;
  #used = 0;

  /** @param most - how many may be asked for */
  constructor(width: number, most: number) {
    this.#width = width;
    this.#left = most;
  }

  copyOf(values: Float64Array, offset: number): Float64Array {
    if (this.#used === this.#cells.length) {
      const cells = Math.min(this.#left, CELLS_AT_A_TIME);
      this.#left -= cells;
      this.#cells = new Float64Array(cells * this.#width);
      this.#used = 0;
    }
    const copy = this.#cells.subarray(this.#used, this.#used + this.#width);
    for (let i = 0; i < this.#width; i += 1) copy[i] = values[offset + i]!;
    this.#used += this.#width;
    return copy;
  }
}

// Not by fill(), which gives an array of floats new memory each time.
function clear(numbers: number[]): void {
  for (let i = 0; i < numbers.length; i += 1) numbers[i] = 0;
}

// What this package counts by names of its own has few of them; all are promised to be there.
function isCapped({ scope, name }: MetricDescriptor): boolean {
  return scope !== OWN_SCOPE || name === REQUESTS_METRIC || name === HANDLED_ERRORS_METRIC;
}

function isForGood({ kind }: MetricDescriptor): boolean {
  return kind === 'counter' || kind === 'histogram';
}
