/** What a process has in memory, as the kernel counts it. Linux only. */
import { readFileSync } from 'node:fs';

/** In MB. */
export interface Memory {
  /** Resident: all that is mapped and there, the binary's own pages among it, which processes share. */
  readonly rss: number;
  /** Nobody else's, and no file's: what goes when the process goes. */
  readonly anonymous: number;
}

/** @see proc_pid_smaps(5) */
export function memoryOf(pid: number | 'self'): Memory {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1');
  const mb = (field: string) => Number(new RegExp(`^${field}: +(\\d+) kB`, 'm').exec(text)?.[1]) / 1024;
  return { rss: mb('Rss'), anonymous: mb('Anonymous') };
}

/** What there is more. */
export function addedMemory(now: Memory, before: Memory): Memory {
  return { rss: now.rss - before.rss, anonymous: now.anonymous - before.anonymous };
}
