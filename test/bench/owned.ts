/** What a part of the bench has started ends with it, also when it fails. */
import type { Owner } from '../processes.ts';

/** @param work - given an owner whose ends come when it is over, last begun first */
export async function owned<T>(work: (owner: Owner) => Promise<T>): Promise<T> {
  const ends: (() => void | Promise<void>)[] = [];
  try {
    return await work({ after: (end) => void ends.push(end) });
  } finally {
    for (const end of ends.reverse()) await end();
  }
}
