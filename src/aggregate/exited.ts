/** Which of those that have exited are folded: they keep their series for a while, and while there is room. */
import { isForeign } from '../snapshot/process-mark.ts';
import type { WorkerState } from './workers.ts';

/**
 * Those whose time is over, and the oldest of more than there may be.
 *
 * @param maxExited - how many keep their series at the most
 * @param latestMonotonicMs - who exited later keeps them
 */
export function dueOf(states: Iterable<WorkerState>, maxExited: number, latestMonotonicMs: number): WorkerState[] {
  const exited = [...states].filter((state) => !state.alive).sort(byExit);
  const excess = exited.length - maxExited;
  return exited.filter((state, i) => i < excess || (state.exitedAtMonotonicMs! <= latestMonotonicMs && isOver(state)));
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
