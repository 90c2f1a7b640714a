/** What goes wrong with measuring inside a process of the app: counted by cause, said once per cause, never thrown. */
import { messageOf } from '../errors.ts';
import { report } from '../report.ts';
import { ERRORS_METRIC, OWN_SCOPE } from '../snapshot/own-metrics.ts';
import type { SeriesTable } from '../snapshot/series-table.ts';

// What each cause means, for the line.
const CAUSES = {
  request: 'a request could not be counted',
  collect: "the app's instruments could not be collected",
  callback: 'an observable callback of the app failed',
  value: 'a measurement of the app is left out',
  attributes: 'attributes of a measurement of the app are not shown as the app gave them',
  record: 'a measurement of the app could not be recorded',
  unsupported: 'an instrument of the app is left out, or not what it was to be',
  instruments: 'an instrument of the app measures nothing',
  hook: 'a hook of the config module failed',
  view: 'a view of the config module is left out',
  thread: 'the end of a thread could not be told',
  write: 'the snapshot file cannot be written, this process stands still in scrapes until it can',
} as const;
export type FailureCause = keyof typeof CAUSES;

/** Every cause, told in docs/metrics.md. */
export const FAILURE_CAUSES = Object.keys(CAUSES) as readonly FailureCause[];

// Of what an app or its libraries have to say about an error.
const MAX_MESSAGE_LENGTH = 500;

/** Counts failures in the table of the process, so that the scrape tells them. */
export class Failures {
  readonly #table: SeriesTable;
  readonly #metric: number;
  readonly #cells = new Map<FailureCause, number>();

  constructor(table: SeriesTable) {
    this.#table = table;
    this.#metric = table.define({ name: ERRORS_METRIC, description: '', unit: '', kind: 'counter', scope: OWN_SCOPE });
  }

  /** @throws never */
  count(cause: FailureCause, error: unknown): void {
    let cell = this.#cells.get(cause);
    if (cell === undefined) {
      cell = this.#table.add(this.#metric, { cause });
      this.#cells.set(cause, cell);
      const message = messageOf(error).slice(0, MAX_MESSAGE_LENGTH);
      report('warn', `${CAUSES[cause]} in process ${process.pid}: ${message}; further ones are counted only`);
    }
    this.#table.values[cell]! += 1;
  }

  /** The same function, but one that never throws: its errors are counted. */
  guarded<A, B>(cause: FailureCause, body: (first: A, second: B) => void): (first: A, second: B) => void {
    return (first, second) => {
      try {
        body(first, second);
      } catch (error) {
        this.count(cause, error);
      }
    };
  }
}
