/** What the host of a virtual machine takes: time in which its cores were wanted and ran somebody else. Linux only. */
import { readFileSync } from 'node:fs';

const STEAL = 7;

/**
 * Begins to look.
 *
 * @returns what says which part of all cores' time was taken since, 0 to 1; undefined where no kernel tells
 */
export function stolen(): () => number | undefined {
  const [before] = coreTimes();
  return () => {
    const spent = coreTimes()[0]?.map((ticks, i) => ticks - before![i]!) ?? [];
    const all = spent.reduce((sum, ticks) => sum + ticks, 0);
    return all > 0 ? spent[STEAL]! / all : undefined;
  };
}

/**
 * Begins to look.
 *
 * @returns what says whether any core was taken since; the kernel tells each 10 ms, those of all cores together, too, so that
 *   a shorter time is seen as often as not
 */
export function hostTakes(): () => boolean {
  const taken = () =>
    coreTimes()
      .map((times) => times[STEAL])
      .join();
  const before = taken();
  return () => taken() !== before;
}

/**
 * Of all cores together, then of each; none where no kernel tells.
 *
 * @see proc_stat(5): user, nice, system, idle, iowait, irq, softirq, steal; what comes behind is in user and nice
 */
function coreTimes(): readonly (readonly number[])[] {
  try {
    return readFileSync('/proc/stat', 'latin1')
      .split('\n')
      .filter((line) => line.startsWith('cpu'))
      .map((line) =>
        line
          .split(/ +/)
          .slice(1, STEAL + 2)
          .map(Number),
      );
  } catch {
    return [];
  }
}
