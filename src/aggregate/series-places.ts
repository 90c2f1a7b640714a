/**
 * Which series of a metric have a place of their own in the sums over processes, when there are more than may be. The
 * rule: who has had a place keeps it, whoever else comes, goes or is folded; or else what is under a name would fall.
 */

/** The places of one group, for counters and histograms. Those of series in the totals are the first to be taken. */
export class SeriesPlaces {
  readonly #maxSeries: number;
  readonly #metrics = new Map<string, Set<string>>();
  readonly #full = new Set<string>();
  #kept = 0;

  /** @param maxSeries - per metric; what is more is one overflow series */
  constructor(maxSeries = Number.POSITIVE_INFINITY) {
    this.#maxSeries = maxSeries;
  }

  get maxSeries(): number {
    return this.#maxSeries;
  }

  /** Whether a series has a place; it takes one where one is free. @param metric, series - see Metric.key and Series.key */
  take(metric: string, series: string): boolean {
    const places = this.#of(metric);
    if (places.has(series)) return true;
    if (places.size >= this.#maxSeries) {
      this.#full.add(metric);
      return false;
    }
    places.add(series);
    return true;
  }

  /** Where a metric stands among all, by when it came. */
  get order(): readonly string[] {
    return [...this.#metrics.keys()];
  }

  /** Remembers a metric, of which nothing has a place. */
  see(metric: string): void {
    this.#of(metric);
  }

  /** Metrics that have refused a series, and whose places nobody could know who comes later; see `keep`. */
  get unkept(): boolean {
    return this.#full.size > this.#kept;
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
