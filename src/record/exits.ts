/**
 * Exits of workers, and which of them had a successor. The rule: what is kept does not grow with the number of restarts.
 * Totals are kept by reason, single exits in a ring, exits by worker only for ids that come back.
 */
import {
  clusterName,
  EXIT_CAUSES,
  EXIT_FIELDS,
  type ExitCause,
  MAX_EXITS,
  workerIdOf,
} from '../snapshot/exit-events.ts';
import { monotonicMs } from '../snapshot/monotonic.ts';
import {
  EXIT_TIMES_METRIC,
  EXITS_BY_WORKER_METRIC,
  EXITS_METRIC,
  OWN_SCOPE,
  RESTART_TIMES_METRIC,
  RESTARTS_BY_WORKER_METRIC,
  RESTARTS_METRIC,
} from '../snapshot/own-metrics.ts';
import type { SeriesTable } from '../snapshot/series-table.ts';
import { CountTimes } from './count-times.ts';
import { LabelledCounter } from './labelled-counter.ts';

/** A worker as its exit tells of it. */
export interface EndedWorker {
  /** Of the cluster; 0 without one. */
  readonly clusterId: number;
  /** 0: the process itself. */
  readonly threadId: number;
  readonly startSeconds: number;
  /** Pid of its primary, where that is not the group's owner. */
  readonly parent?: number;
  /** Its whole worker_id where that one comes back (a slot): it is counted by this name, not in the ring. */
  readonly lastingId?: string;
}

/** One exit, to be handed back when its successor is there. */
export interface Exit {
  readonly worker: EndedWorker;
  readonly cause: ExitCause;
  /** Where its event lies in the table, and the how manyth it is: the ring may have gone round. */
  readonly place: number;
  readonly number: number;
}

// Ids that somebody else chooses (recordWorkerRestart) must not make the table grow.
const MAX_LASTING_IDS = 1000;
const OTHER_ID = '_OTHER';
const MAX_SERIES = (MAX_LASTING_IDS + 1) * EXIT_CAUSES.length;
const REPLACED = EXIT_FIELDS.indexOf('replaced');

/** Counts exits in the table of the process that sees them. */
export class Exits {
  readonly #table: SeriesTable;
  readonly #ring: number;
  readonly #places: number[] = [];
  readonly #restarts: LabelledCounter;
  readonly #exitsByWorker: LabelledCounter;
  readonly #restartsByWorker: LabelledCounter;
  readonly #exitTimes: CountTimes;
  readonly #restartTimes: CountTimes;
  readonly #lastingIds = new Set<string>();
  #count = 0;

  constructor(table: SeriesTable) {
    this.#table = table;
    const own = { description: '', unit: '', scope: OWN_SCOPE };
    this.#ring = table.define({ ...own, name: EXITS_METRIC, kind: 'event', fields: EXIT_FIELDS });
    this.#restarts = new LabelledCounter(table, RESTARTS_METRIC, EXIT_CAUSES.length);
    this.#exitsByWorker = new LabelledCounter(table, EXITS_BY_WORKER_METRIC, MAX_SERIES);
    this.#restartsByWorker = new LabelledCounter(table, RESTARTS_BY_WORKER_METRIC, MAX_SERIES);
    this.#exitTimes = new CountTimes(table, EXIT_TIMES_METRIC);
    this.#restartTimes = new CountTimes(table, RESTART_TIMES_METRIC);
  }

  /** Every reason at 0, for the owner of a group. */
  begin(): void {
    for (const { reason } of EXIT_CAUSES) this.#restarts.add({ reason }, 0);
  }

  /** A worker has ended. */
  ended(worker: EndedWorker, cause: ExitCause, nowMonotonicMs = monotonicMs()): Exit {
    const number = this.#count;
    const index = number % MAX_EXITS;
    if (worker.lastingId !== undefined) {
      const series = this.#exitsByWorker.add({ worker_id: this.#bounded(worker.lastingId), reason: cause.reason });
      this.#exitTimes.add(series, nowMonotonicMs);
      return { worker, cause, place: -1, number };
    }
    this.#count += 1;
    this.#places[index] ??= this.#table.add(this.#ring, { place: index });
    const place = this.#places[index];
    const { clusterId, threadId, startSeconds, parent = 0 } = worker;
    const fields = [clusterId, threadId, startSeconds, EXIT_CAUSES.indexOf(cause), 0, nowMonotonicMs, parent];
    this.#table.values.set(fields, place);
    return { worker, cause, place, number };
  }

  /** Another worker has taken the place of one that has ended. */
  succeeded({ worker, cause, place, number }: Exit, nowMonotonicMs = monotonicMs()): void {
    this.#restarts.add({ reason: cause.reason });
    if (worker.lastingId !== undefined) {
      const series = this.#restartsByWorker.add({ worker_id: this.#bounded(worker.lastingId), reason: cause.reason });
      this.#restartTimes.add(series, nowMonotonicMs);
    } else if (this.#count - number <= MAX_EXITS) {
      this.#table.values[place + REPLACED] = nowMonotonicMs;
    }
  }

  #bounded(id: string): string {
    if (!this.#lastingIds.has(id) && this.#lastingIds.size >= MAX_LASTING_IDS) return OTHER_ID;
    this.#lastingIds.add(id);
    return id;
  }
}

/** `worker_id` of a worker that has ended. */
export function idOf({ clusterId, threadId, startSeconds, parent = 0, lastingId }: EndedWorker): string {
  return lastingId ?? workerIdOf(clusterName(clusterId, parent), threadId, startSeconds);
}
