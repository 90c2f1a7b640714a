/** Which of those that have exited are folded: they keep their series for a while, and while there is room. */
import { isForeign } from '../snapshot/process-mark.ts';
import type { WorkerState } from './workers.ts';

// Node has a thread that exits handle what has come in already, after it has said that it ends.
const SETTLE_MS = 1000;

/**
 * Those whose time is over, and the oldest of more than there may be.
 *
 * @param maxExited - how many keep their series at the most
 * @param isDue - whether the time of one is over that has exited
 */
export function dueOf(
  states: Iterable<WorkerState>,
  maxExited: number,
  isDue: (state: WorkerState) => boolean,
): WorkerState[] {
  const exited = [...states].filter((state) => !state.alive).sort(byExit);
  const excess = exited.length - maxExited;
  return exited.filter((state, i) => i < excess || (isDue(state) && isOver(state)));
}

/** Whether one has exited and publishes nothing more. */
export function isSettled({ alive, exitedAtMonotonicMs, snapshot }: WorkerState, nowMonotonicMs: number): boolean {
  if (alive) return false;
  return snapshot.identity.threadId === 0 || nowMonotonicMs - exitedAtMonotonicMs! > SETTLE_MS;
}

// One that is only silent may go on some day (a container that was paused), with all that it has counted: it is kept while
// there is room.
function isOver({ mark, snapshot }: WorkerState): boolean {
  return !isForeign(mark) || snapshot.identity.ended === true;
}

// Those that were found dead together, by a new reader say, went in the order of their last words.
function byExit(a: WorkerState, b: WorkerState): number {
  const apartMs = a.exitedAtMonotonicMs! - b.exitedAtMonotonicMs!;
  return apartMs || a.snapshot.writtenAtMonotonicMs - b.snapshot.writtenAtMonotonicMs;
}
