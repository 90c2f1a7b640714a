/** A counter with labels in the table of a process, bounded: what is not often counted needs no hot path. */
import { OWN_SCOPE } from '../snapshot/own-metrics.ts';
import type { SeriesTable } from '../snapshot/series-table.ts';

const OTHER = '_OTHER';

/** One metric of this package; its series come with the first count of their labels. */
export class LabelledCounter {
  readonly #table: SeriesTable;
  readonly #metric: number;
  readonly #maxSeries: number;
  readonly #cells = new Map<string, number>();

  /** @param maxSeries - what comes after is counted in one series whose labels are all `_OTHER` */
  constructor(table: SeriesTable, name: string, maxSeries: number) {
    this.#table = table;
    this.#metric = table.define({ name, description: '', unit: '', kind: 'counter', scope: OWN_SCOPE });
    this.#maxSeries = maxSeries;
  }

  /**
   * @param labels - in the same order on each call
   * @returns where the cell of their series begins in the table
   */
  add(labels: Readonly<Record<string, string>>, count = 1): number {
    const key = JSON.stringify(Object.values(labels));
    let cell = this.#cells.get(key);
    if (cell === undefined && this.#cells.size >= this.#maxSeries) {
      const other = Object.fromEntries(Object.keys(labels).map((label) => [label, OTHER]));
      cell = this.#cells.get(OTHER) ?? this.#newCell(OTHER, other);
    }
    cell ??= this.#newCell(key, labels);
    this.#table.values[cell]! += count;
    return cell;
  }

  #newCell(key: string, labels: Readonly<Record<string, string>>): number {
    const cell = this.#table.add(this.#metric, labels);
    this.#cells.set(key, cell);
    return cell;
  }
}
