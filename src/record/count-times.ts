/** When a labelled counter was counted up, the last times of all its series: a ring in the table beside it. */
import { COUNT_FIELDS, MAX_COUNT_EVENTS } from '../snapshot/count-events.ts';
import { OWN_SCOPE } from '../snapshot/own-metrics.ts';
import type { SeriesTable } from '../snapshot/series-table.ts';

/** One ring. In a process that never counts it takes no room at all: few processes see exits or signals. */
export class CountTimes {
  readonly #table: SeriesTable;
  readonly #name: string;
  readonly #places: number[] = [];
  #metric: number | undefined;
  #count = 0;

  /** @param name - of the events' own metric, see own-metrics.ts */
  constructor(table: SeriesTable, name: string) {
    this.#table = table;
    this.#name = name;
  }

  /** @param cell - where the cell of the counter's series begins in the same table */
  add(cell: number, nowMonotonicMs: number): void {
    const own = { description: '', unit: '', scope: OWN_SCOPE };
    this.#metric ??= this.#table.define({ ...own, name: this.#name, kind: 'event', fields: COUNT_FIELDS });
    const index = this.#count % MAX_COUNT_EVENTS;
    this.#count += 1;
    this.#places[index] ??= this.#table.add(this.#metric, { place: index });
    this.#table.values.set([cell, nowMonotonicMs], this.#places[index]);
  }
}
