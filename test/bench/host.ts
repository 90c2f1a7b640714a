/** What the host of a virtual machine takes: time in which its cores were wanted and ran somebody else. Linux only. */
import { readFileSync } from 'node:fs';

const STEAL = 7;

/**
 * Begins to look.
 *
 * @returns what says which part of all cores' time was taken since, 0 to 1; undefined where no kernel tells
 */
export function stolen(): () => number | undefined {
  const before = coreTimes();
  return () => {
    const spent = coreTimes().map((ticks, i) => ticks - before[i]!);
    const all = spent.reduce((sum, ticks) => sum + ticks, 0);
    return all > 0 ? spent[STEAL]! / all : undefined;
  };
}

/** @see proc_stat(5): user, nice, system, idle, iowait, irq, softirq, steal; what comes behind is in user and nice */
function coreTimes(): readonly number[] {
  try {
    return readFileSync('/proc/stat', 'latin1')
      .slice(0, 256)
      .split('\n')[0]!
      .trim()
      .split(/ +/)
      .slice(1, STEAL + 2)
      .map(Number);
  } catch {
    return [];
  }
}
