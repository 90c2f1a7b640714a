/**
 * The memory of everything one process has measured: a dictionary of metrics and series, and one block of float64
 * cells that recorders add to directly. Publishing writes this block as it stands; nothing is serialised per flush.
 */

/**
 * How values of a metric behave when processes are merged; see docs/architecture.md. An `event` is not a value at all but
 * a fact told in several numbers, never added to another.
 */
export type MetricKind = 'counter' | 'updowncounter' | 'histogram' | 'gauge' | 'event';

/** Attribute values as the app gave them; turned into label text by the views. */
export type Attributes = { readonly [name: string]: unknown };

/** What is said once about a metric. */
export interface MetricDescriptor {
  /** OTel name, not yet a Prometheus one. */
  readonly name: string;
  readonly description: string;
  /** UCUM, as OTel has it; '' when there is none. */
  readonly unit: string;
  readonly kind: MetricKind;
  /** Instrumentation scope; OWN_SCOPE for what this package records itself. */
  readonly scope: string;
  /** Histograms only: upper bounds, one list per histogram that a cell holds. The +Inf bucket is not listed. */
  readonly bounds?: readonly (readonly number[])[];
  /** Events only: what each number of a cell tells. */
  readonly fields?: readonly string[];
}

/**
 * How many float64 values one cell of a metric takes.
 *
 * - counter, updowncounter: 1, the value
 * - gauge: 2, the value and when it was set by monotonic.ts (0: nothing to show)
 * - histogram: per list of bounds the sum, then a count per bucket, the one above the last bound included
 * - event: one per field
 */
export function cellWidth(descriptor: MetricDescriptor): number {
  if (descriptor.kind === 'event') return descriptor.fields?.length ?? 0;
  if (descriptor.kind === 'histogram') {
    return (descriptor.bounds ?? [[]]).reduce((width, bounds) => width + bounds.length + 2, 0);
  }
  return descriptor.kind === 'gauge' ? 2 : 1;
}

/** Values are published so many bytes at a time at the most: what a slow machine writes in well under a millisecond. */
export const PIECE_BYTES = 256 * 1024;

const INITIAL_VALUES = 256;

/** One per process or thread; recorders add to its cells, the writer publishes them. Grows, never shrinks. */
export class SeriesTable {
  /** The cells. Replaced when the table grows: read it anew on every use, never keep it. */
  values: Float64Array;
  /** How many of `values` are in use. */
  used = 0;
  /** Bytes kept free in front of the values, for whoever publishes them in one write. */
  readonly prefixBytes: number;
  /** One JSON line per metric and series in order of birth; append-only. */
  readonly dictionary: string[] = [];
  /** Where pieces of the values begin: each has whole cells, and PIECE_BYTES at the most unless a single cell has more. */
  readonly cuts: number[] = [0];
  #descriptors: MetricDescriptor[] = [];

  constructor(prefixBytes = 0) {
    this.prefixBytes = prefixBytes;
    this.values = new Float64Array(new ArrayBuffer(prefixBytes + INITIAL_VALUES * 8), prefixBytes);
  }

  /** Adds a metric. @returns the number to give to `add` */
  define(descriptor: MetricDescriptor): number {
    this.dictionary.push(JSON.stringify({ m: descriptor }));
    return this.#descriptors.push(descriptor) - 1;
  }

  /** Adds a series of a metric, its cell all zeros. @returns where its cell begins in `values` */
  add(metric: number, attributes: Attributes): number {
    const offset = this.used;
    const width = cellWidth(this.#descriptors[metric]!);
    if (offset + width > this.values.length) this.#grow(offset + width);
    const cut = this.cuts.at(-1)!;
    if ((offset + width - cut) * 8 > PIECE_BYTES && offset > cut) this.cuts.push(offset);
    this.used = offset + width;
    this.dictionary.push(JSON.stringify({ s: metric, a: attributes }));
    return offset;
  }

  #grow(atLeast: number): void {
    let length = this.values.length;
    while (length < atLeast) length *= 2;
    const values = new Float64Array(new ArrayBuffer(this.prefixBytes + length * 8), this.prefixBytes);
    values.set(this.values);
    this.values = values;
  }
}
