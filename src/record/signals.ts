/** The signals of this process, seen without changing what they do: see companions.ts. */
import { accompany } from './companions.ts';

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
