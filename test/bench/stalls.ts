/** What a span of time cost processes: how long their event loops were held up, and how long they ran. */
import { cpuMs, mainThreadTimes } from './schedstat.ts';
import type { Member } from './scraped-cluster.ts';

/** How long one event loop was held up, and what its thread did in all of that time. */
export interface Stall {
  readonly of: Member['role'];
  readonly longestMs: number;
  readonly ranMs: number;
  readonly waitedMs: number;
}

/** @param watched - that were told to `meter` */
export async function stallsDuring(watched: readonly Member[], work: () => Promise<void>): Promise<Stall[]> {
  await Promise.all(watched.map((member) => member.ask('reset')));
  const before = watched.map(({ pid }) => mainThreadTimes(pid));
  await work();
  const after = watched.map(({ pid }) => mainThreadTimes(pid));
  const longest = await Promise.all(watched.map((member) => member.ask('stall')));
  return watched.map(({ role }, i) => ({
    of: role,
    longestMs: longest[i]!,
    ranMs: after[i]!.ranMs - before[i]!.ranMs,
    waitedMs: after[i]!.waitedMs - before[i]!.waitedMs,
  }));
}

/** CPU time of all threads of these processes. */
export async function cpuDuring(
  pids: readonly number[],
  work: () => Promise<void>,
): Promise<{ cpuMs: number; elapsedMs: number }> {
  const before = cpuMs(pids);
  const startMs = performance.now();
  await work();
  const elapsedMs = performance.now() - startMs;
  return { cpuMs: cpuMs(pids) - before, elapsedMs };
}

/** @param stalls - one at least */
export function longest(stalls: readonly Stall[]): Stall {
  return stalls.reduce((a, b) => (b.longestMs > a.longestMs ? b : a));
}
