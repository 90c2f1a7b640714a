/** What a worker says of its own state; entered once, told with the second in which it was. */
import cluster from 'node:cluster';
import type { WorkerCondition } from '../snapshot/layout.ts';

/** Signals by the state that one enters who listens to them. */
const ENTERED_BY: Readonly<Record<string, WorkerCondition['name']>> = {
  TERM: 'quitting',
  INT: 'quitting',
  QUIT: 'quitting',
  ABRT: 'aborting',
};

/** Signals that change a worker's state, where the app listens to them. */
export const STATE_SIGNALS: readonly string[] = Object.keys(ENTERED_BY);

/** The state of this process or thread. */
export class Condition {
  readonly #publish: (condition: WorkerCondition) => void;
  #name: WorkerCondition['name'] = 'running';

  /** @param publish - told of every change; must not throw */
  constructor(publish: (condition: WorkerCondition) => void) {
    this.#publish = publish;
  }

  /** Enters a state; to be in it already changes nothing, and who aborts does not quit any more. */
  enter(name: WorkerCondition['name']): void {
    if (name === this.#name || (name === 'quitting' && this.#name === 'aborting')) return;
    this.#name = name;
    this.#tell();
  }

  /** A signal has come that the app listens to. */
  signalled(signal: string): void {
    const name = ENTERED_BY[signal];
    if (name) this.enter(name);
  }

  /** Nothing was published for so long that others took it for unresponsive: it is back. */
  resumed(): void {
    this.#tell();
  }

  #tell(): void {
    this.#publish({ name: this.#name, sinceSeconds: Math.floor(Date.now() / 1000) });
  }
}

/**
 * Looks whether this cluster worker was asked to disconnect; nothing tells of it before the last connection has ended.
 * To be called now and then.
 */
export function lookForDisconnect(condition: Condition): void {
  if (cluster.worker?.exitedAfterDisconnect) condition.enter('quitting');
}
