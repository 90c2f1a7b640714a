/** What the scheduler says of threads: how long they were on a core, and how long they waited for one. Linux only. */
import { readdirSync, readFileSync } from 'node:fs';

/** Since the thread began. */
export interface ThreadTimes {
  readonly ranMs: number;
  /** It was ready, and other threads had the cores. */
  readonly waitedMs: number;
}

/** CPU time of all threads of these processes, those that have ended not included; in milliseconds. */
export function cpuMs(pids: readonly number[]): number {
  let sum = 0;
  for (const pid of pids) {
    for (const thread of readdirSync(`/proc/${pid}/task`)) sum += timesOf(pid, thread).ranMs;
  }
  return sum;
}

/** Of the thread that runs the event loop. */
export function mainThreadTimes(pid: number): ThreadTimes {
  return timesOf(pid, String(pid));
}

/** @see proc-pid-schedstat: nanoseconds on a core, nanoseconds in a run queue, time slices */
function timesOf(pid: number, thread: string): ThreadTimes {
  try {
    const [ran, waited] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ');
    return { ranMs: Number(ran) / 1e6, waitedMs: Number(waited) / 1e6 };
  } catch (error) {
    // It ended after it was listed.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' || (error as NodeJS.ErrnoException).code === 'ESRCH') {
      return { ranMs: 0, waitedMs: 0 };
    }
    throw error;
  }
}
