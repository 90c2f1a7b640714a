/**
 * Which series of a metric have a place of their own in the sums over processes, where there are more than may be. The
 * rule: who has had a place keeps it, whoever comes, goes or is folded; else what is told by one name would fall.
 */

/** The places of one group, for what only grows. */
export class SeriesPlaces {
  /** Per metric; what is more is one overflow series. */
  readonly maxSeries: number;
  readonly #metrics = new Map<string, Set<string>>();
  readonly #full = new Set<string>();
  readonly #kept = new Set<string>();

  constructor(maxSeries = Number.POSITIVE_INFINITY) {
    this.maxSeries = maxSeries;
  }

  /** Whether a series has a place; it takes one where one is free. @param metric, series - see Metric.key, Series.key */
  take(metric: string, series: string): boolean {
    const places = this.#of(metric);
    if (places.has(series)) return true;
    if (places.size >= this.maxSeries) {
      this.#full.add(metric);
      return false;
    }
    places.add(series);
    return true;
  }

  /** A metric is there, of which nothing takes a place. */
  see(metric: string): void {
    this.#of(metric);
  }

  /** All metrics, in the order in which they came. */
  get metrics(): Iterable<string> {
    return this.#metrics.keys();
  }

  /** Metrics that have refused a series: whoever reads the group next must be told who has a place. */
  get unkept(): string[] {
    return [...this.#full].filter((metric) => !this.#kept.has(metric));
  }

  /** These are written down. */
  keep(metrics: Iterable<string>): void {
    for (const metric of metrics) this.#kept.add(metric);
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
