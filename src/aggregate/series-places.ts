/**
 * Which series of a metric have a place of their own in the sums over processes, where there are more than may be. The
 * rule: who has had a place keeps it, whoever comes, goes or is folded; else what is told by one name would fall.
 */

// More than one process may have; nobody's names are so many, but those that are made of data, each process others.
const MAX_METRICS = 2000;
// Of those that are left out, so many are told apart.
const MAX_LEFT_OUT = 1000;

/** The places of one group, for what only grows. */
export class SeriesPlaces {
  /** Per metric; what is more is one overflow series. */
  readonly maxSeries: number;
  readonly #metrics = new Map<string, Set<string>>();
  /** How many places were taken when they were written down last. */
  readonly #kept = new Map<string, number>();
  readonly #leftOut = new Set<string>();
  readonly #onLeftOut: (metric: string) => void;
  readonly #maxMetrics: number;

  /**
   * @param onLeftOut - told of each metric that has no place at all, once
   * @param maxMetrics - for the life of the group
   */
  constructor(
    maxSeries = Number.POSITIVE_INFINITY,
    onLeftOut: (metric: string) => void = () => {},
    maxMetrics = MAX_METRICS,
  ) {
    this.maxSeries = maxSeries;
    this.#onLeftOut = onLeftOut;
    this.#maxMetrics = maxMetrics;
  }

  /** Whether a series has a place; it takes one where one is free. @param metric, series - see Metric.key, Series.key */
  take(metric: string, series: string): boolean {
    const places = this.#of(metric);
    if (places.has(series)) return true;
    if (places.size >= this.maxSeries) return false;
    places.add(series);
    return true;
  }

  /** Whether a metric has a place among the others; it takes one where one is free. @param isOurs - it always has one */
  admit(metric: string, isOurs: boolean): boolean {
    if (!isOurs && !this.#metrics.has(metric) && this.#metrics.size >= this.#maxMetrics) {
      if (this.#leftOut.size < MAX_LEFT_OUT && !this.#leftOut.has(metric)) {
        this.#leftOut.add(metric);
        this.#onLeftOut(metric);
      }
      return false;
    }
    this.#of(metric);
    return true;
  }

  /** All metrics, in the order in which they came. */
  get metrics(): Iterable<string> {
    return this.#metrics.keys();
  }

  /**
   * Metrics whose places may run out, with places taken that are not written down: whoever reads the group next must be
   * told who has one, or could give it to another.
   */
  get unkept(): string[] {
    const isUnkept = ([metric, { size }]: [string, Set<string>]) =>
      size >= this.maxSeries / 2 && this.#kept.get(metric) !== size;
    return [...this.#metrics].filter(isUnkept).map(([metric]) => metric);
  }

  /** These are written down. */
  keep(metrics: Iterable<string>): void {
    for (const metric of metrics) this.#kept.set(metric, this.#of(metric).size);
  }

  #of(metric: string): Set<string> {
    let places = this.#metrics.get(metric);
    if (!places) {
      places = new Set();
      this.#metrics.set(metric, places);
    }
    return places;
  }
}
