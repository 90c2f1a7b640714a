/** When the counters of this package that keep times were counted up: the last events of each process, with their series. */
import { cellOf } from '../aggregate/merge.ts';
import type { Scene } from '../aggregate/producer.ts';
import { COUNT_FIELDS } from '../snapshot/count-events.ts';
import { OWN_SCOPE } from '../snapshot/own-metrics.ts';
import type { Attributes } from '../snapshot/series-table.ts';

/** One count. */
export interface CountEvent {
  /** Of the series that was counted up. */
  readonly attributes: Attributes;
  readonly atMonotonicMs: number;
}

/**
 * In no order. An event that names no series of the counter is left out.
 *
 * @param counter - one of own-metrics.ts
 * @param times - the metric of its events
 */
export function* countEvents(counter: string, times: string, scene: Scene): Generator<CountEvent> {
  for (const { snapshot } of scene.members) {
    const own = snapshot.metrics.filter(({ descriptor }) => descriptor.scope === OWN_SCOPE);
    const events = own.filter(({ descriptor }) => descriptor.name === times);
    if (events.length === 0) continue;
    const series = own.filter(({ descriptor }) => descriptor.name === counter).flatMap((metric) => metric.series);
    const attributesOf = new Map(series.map(({ offset, attributes }) => [offset, attributes]));
    for (const { descriptor, series: places } of events) {
      for (const place of places) {
        const cell = cellOf(descriptor, place, snapshot.values);
        if (!cell) continue;
        const [offset, atMonotonicMs] = COUNT_FIELDS.map((_, i) => cell[i]!) as [number, number];
        const attributes = attributesOf.get(offset);
        if (attributes) yield { attributes, atMonotonicMs };
      }
    }
  }
}
