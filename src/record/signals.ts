/** The signals of this process, seen without changing what they do (see companions.ts), and their counts. */
import { monotonicMs } from '../snapshot/monotonic.ts';
import { SIGNAL_TIMES_METRIC, SIGNALS_METRIC } from '../snapshot/own-metrics.ts';
import type { SeriesTable } from '../snapshot/series-table.ts';
import { accompany } from './companions.ts';
import { CountTimes } from './count-times.ts';
import { LabelledCounter } from './labelled-counter.ts';

/** Do nothing by default, so that listening changes nothing. */
const HARMLESS: ReadonlySet<string> = new Set(['SIGCHLD', 'SIGWINCH']);

/** What the metric calls a signal, and what the original's primary does at it. */
export const SIGNAL_ACTIONS: Readonly<Record<string, string>> = {
  HUP: 'reload',
  INT: 'quit',
  TERM: 'shutdown',
  QUIT: 'quit',
  USR1: 'reopen_logs',
  USR2: 'upgrade',
  TTIN: 'add_worker',
  TTOU: 'remove_worker',
  CHLD: 'reap',
  WINCH: 'resize',
};

const MAX_SIGNAL_SERIES = 50;
// The system's own doing, at each end of a child and each move of a window: they would push what people did out of the ring.
const TIMELESS: ReadonlySet<string> = new Set(['CHLD', 'WINCH']);

/** Signals by name and action, and when the last of them came. */
export class Signals {
  readonly #counter: LabelledCounter;
  readonly #times: CountTimes;

  constructor(table: SeriesTable) {
    this.#counter = new LabelledCounter(table, SIGNALS_METRIC, MAX_SIGNAL_SERIES);
    this.#times = new CountTimes(table, SIGNAL_TIMES_METRIC);
  }

  /** Each signal that is known at 0, for the owner of a group. */
  begin(): void {
    for (const [signal, action] of Object.entries(SIGNAL_ACTIONS)) this.#counter.add({ signal, action }, 0);
  }

  /** One was seen. @param signal - without the SIG in front */
  add(signal: string, action: string, nowMonotonicMs = monotonicMs()): void {
    const series = this.#counter.add({ signal, action });
    if (!TIMELESS.has(signal)) this.#times.add(series, nowMonotonicMs);
  }
}

/**
 * Begins to watch; for main threads only.
 *
 * @param signals - without the SIG in front
 * @param onSignal - called before the app's own listeners; must not throw
 * @returns stop
 */
export function watchSignals(signals: readonly string[], onSignal: (signal: string) => void): () => void {
  const listeners = signals.map((signal) => [`SIG${signal}`, () => onSignal(signal)]);
  return accompany(process, Object.fromEntries(listeners), HARMLESS);
}
