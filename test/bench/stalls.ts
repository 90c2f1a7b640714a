/** What a span of time cost processes: how long their event loops were held up, and how long they ran. */
import { hostTakes } from './host.ts';
import { cpuMs, mainThreadTimes } from './schedstat.ts';
import type { Member } from './scraped-cluster.ts';

/** How long one event loop was held up, and what its thread did in all of that time. */
export interface Stall {
  readonly of: Member['role'];
  readonly longestMs: number;
  readonly ranMs: number;
  readonly waitedMs: number;
}

/** A span of time in which loops were watched. */
export interface Watch {
  readonly stalls: readonly Stall[];
  /** The host of a virtual machine took a core meanwhile, which holds up whatever would run on it. */
  readonly hostTook: boolean;
}

const MIN_LEFT_ALONE = 5;

/** @param watched - that were told to `meter` */
export async function watchDuring(watched: readonly Member[], work: () => Promise<void>): Promise<Watch> {
  const hostTook = hostTakes();
  await Promise.all(watched.map((member) => member.ask('reset')));
  const before = watched.map(({ pid }) => mainThreadTimes(pid));
  await work();
  const after = watched.map(({ pid }) => mainThreadTimes(pid));
  const longest = await Promise.all(watched.map((member) => member.ask('stall')));
  const stalls = watched.map(({ role }, i) => ({
    of: role,
    longestMs: longest[i]!,
    ranMs: after[i]!.ranMs - before[i]!.ranMs,
    waitedMs: after[i]!.waitedMs - before[i]!.waitedMs,
  }));
  return { stalls, hostTook: hostTook() };
}

/** Those in which the host took nothing; all of them where these are too few to say anything. */
export function leftAlone(watches: readonly Watch[]): readonly Watch[] {
  const alone = watches.filter(({ hostTook }) => !hostTook);
  return alone.length >= Math.min(MIN_LEFT_ALONE, watches.length) ? alone : watches;
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
