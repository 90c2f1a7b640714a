/** CPU time of a process as the operating system counts it, all threads together. Linux only. */
import { readdirSync, readFileSync } from 'node:fs';

/** @returns nanoseconds of the living threads; those of a thread that has ended are gone */
export function cpuNanoseconds(pid: number): number {
  let sum = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    // First field: time on a CPU.
    sum += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')[0]);
  }
  return sum;
}
