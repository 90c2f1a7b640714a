/**
 * The worker_id of each member, no two the same. Members name themselves, and in containers that share a volume two may be
 * of one pid and have begun in one second: the other one's pid namespace tells them apart.
 */
import { formatMark } from '../snapshot/process-mark.ts';
import type { WorkerState } from './workers.ts';

/** Remembers who has which id: nobody's changes while he is there. */
export class WorkerIds {
  #given = new Map<string, string>();

  /** The same members in the same order, those whose id another process has under another one. Ids that come back may be shared. */
  apply(states: readonly WorkerState[]): WorkerState[] {
    const given = new Map<string, string>();
    const owners = new Map<string, string>();
    // Those who were there before keep what they have.
    const known = states.filter(({ file }) => this.#given.has(file));
    const fresh = states.filter(({ file }) => !this.#given.has(file));
    for (const { file, mark, snapshot } of [...known, ...fresh]) {
      const { workerId, lasting } = snapshot.identity;
      const owner = formatMark(mark);
      const wanted = this.#given.get(file) ?? workerId;
      const isTaken = !lasting && (owners.get(wanted) ?? owner) !== owner;
      const id = isTaken ? `${workerId}_${mark.namespace ?? 0}` : wanted;
      owners.set(id, owner);
      given.set(file, id);
    }
    this.#given = given;
    return states.map((state) => withId(state, given.get(state.file)!));
  }
}

function withId(state: WorkerState, workerId: string): WorkerState {
  const { snapshot } = state;
  if (snapshot.identity.workerId === workerId) return state;
  return { ...state, snapshot: { ...snapshot, identity: { ...snapshot.identity, workerId } } };
}
