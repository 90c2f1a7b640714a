/** What a part of the bench has started ends with it, also when it fails or is interrupted. */
import type { Owner } from '../processes.ts';

/** @param work - given an owner whose ends come when it is over, last begun first */
export async function owned<T>(work: (owner: Owner) => Promise<T>): Promise<T> {
  const ends: (() => unknown)[] = [];
  // Of a process that exits there is no time but for what needs none: to kill.
  const interrupted = () => ends.forEach((end) => void end());
  process.once('exit', interrupted);
  try {
    return await work({ after: (end) => void ends.unshift(end) });
  } finally {
    process.off('exit', interrupted);
    for (const end of ends) await end();
  }
}
