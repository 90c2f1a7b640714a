/**
 * Workers of one app have the same series, and each file names them anew: what is equal is kept once, not once per worker.
 * Nothing is remembered here but how far that was done: a name lives as long as a dictionary has it, and no longer.
 */
import type { Metric, Series } from './dictionary.ts';
import type { Snapshot } from './layout.ts';

/** For snapshots that are looked at together, again and again. */
export class SharedNames {
  readonly #shared = new WeakMap<Metric, number>();

  /** Gives equal series of all of them the attributes and the key of the first. Costs nothing while none has come. */
  share(snapshots: readonly Snapshot[]): void {
    const metrics = snapshots.flatMap((snapshot) => snapshot.metrics);
    if (metrics.every((metric) => this.#shared.get(metric) === metric.series.length)) return;
    const names = new Map<string, Series>();
    for (const metric of metrics) {
      for (const series of metric.series) {
        const first = names.get(series.key) ?? series;
        if (first === series) names.set(series.key, series);
        series.key = first.key;
        series.attributes = first.attributes;
      }
      this.#shared.set(metric, metric.series.length);
    }
  }
}
