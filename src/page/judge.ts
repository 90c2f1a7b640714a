/** Which workers a person should look at, and why: stuck, slow, leaking. The rules are told in docs/status-page.md. */
import type { Status, WorkerStatus } from '../status-document.ts';
import type { History, Trail } from './history.ts';

export type Verdict = 'stuck' | 'slow' | 'leaking';

export interface Mark {
  readonly verdict: Verdict;
  /** Why, in one sentence without a name. */
  readonly why: string;
}

/** What a verdict looks like, besides its word; worst first. */
export const SYMBOLS: Readonly<Record<Verdict, string>> = { stuck: '■', slow: '▼', leaking: '▲' };

const STUCK_AGE_SECONDS = 5;
// Quantiles come from buckets: two of them a bucket apart are no difference.
const SLOW_TIMES = 2;
const SLOW_MORE_SECONDS = 0.02;
const SLOW_MIN_REQUESTS = 20;
const SLOW_LOOKS = 3;
// Memory grows while a process warms up, and goes up and down with the garbage collection: what counts is the lowest it gets.
const LEAK_MIN_UPTIME_SECONDS = 180;
const LEAK_MIN_MS = 120_000;
const LEAK_PARTS = 6;
const LEAK_RATIO = 1.1;
const LEAK_MIN_BYTES = 16e6;

/** Remembers for how many looks a worker has been slower than the others: one look alone says nothing. */
export class Judge {
  #slowLooks = new Map<string, number>();

  /** @returns the marks of the workers that have any, by id, worst first; to be asked once per look */
  marks(status: Status, history: History): Map<string, readonly Mark[]> {
    const marks = new Map<string, readonly Mark[]>();
    const slowLooks = new Map<string, number>();
    const medians = medianOfOthers(status);
    for (const worker of status.workers) {
      const factor = slowness(worker, medians.get(worker.id));
      const looks = factor === 0 ? 0 : (this.#slowLooks.get(worker.id) ?? 0) + 1;
      slowLooks.set(worker.id, looks);
      const rise = leak(worker, history.of(worker.id));
      const found: Mark[] = [];
      if (worker.state === 'unresponsive' || worker.snapshotAgeSeconds >= STUCK_AGE_SECONDS) {
        found.push({ verdict: 'stuck', why: `has published nothing for ${Math.round(worker.snapshotAgeSeconds)} s` });
      }
      if (looks >= SLOW_LOOKS) {
        found.push({ verdict: 'slow', why: `its p95 is ${factor.toFixed(1)} times that of the others` });
      }
      if (rise > 0) {
        found.push({ verdict: 'leaking', why: `its memory rises steadily, by ${Math.round(rise / 1e6)} MB so far` });
      }
      if (found.length > 0) marks.set(worker.id, found);
    }
    this.#slowLooks = slowLooks;
    return marks;
  }
}

// The median p95 of the other workers that are busy enough to have one.
function medianOfOthers({ workers, windowSeconds }: Status): Map<string, number> {
  const busy = workers
    .filter((worker) => isBusy(worker, windowSeconds ?? 0))
    .sort((a, b) => a.durationSeconds.p95! - b.durationSeconds.p95!);
  const median = (i: number, count: number, without: number) => {
    const at = (position: number) => busy[position < without ? position : position + 1]!.durationSeconds.p95!;
    return count % 2 === 1 ? at(i) : (at(i - 1) + at(i)) / 2;
  };
  const others = busy.length - 1;
  if (others < 1) return new Map();
  return new Map(busy.map(({ id }, position) => [id, median(Math.floor(others / 2), others, position)]));
}

function isBusy({ requestsPerSecond, durationSeconds }: WorkerStatus, windowSeconds: number): boolean {
  return (requestsPerSecond ?? 0) * windowSeconds >= SLOW_MIN_REQUESTS && durationSeconds.p95 !== null;
}

// How many times slower than the others; 0 when it is not.
function slowness({ durationSeconds: { p95 } }: WorkerStatus, others: number | undefined): number {
  if (others === undefined || p95 === null || p95 - others < SLOW_MORE_SECONDS) return 0;
  const factor = p95 / Math.max(others, Number.MIN_VALUE);
  return factor >= SLOW_TIMES ? Math.min(factor, 999) : 0;
}

// By how many bytes memory has risen, part for part; 0 when it has not.
function leak({ uptimeSeconds }: WorkerStatus, trail: Trail | undefined): number {
  if (!trail || uptimeSeconds < LEAK_MIN_UPTIME_SECONDS) return 0;
  const [from = 0, to = 0] = [trail.atMs[0], trail.atMs.at(-1)];
  if (to - from < LEAK_MIN_MS) return 0;
  const lowest = new Array<number>(LEAK_PARTS).fill(Number.POSITIVE_INFINITY);
  trail.values.memory.forEach((bytes, i) => {
    const part = Math.min(LEAK_PARTS - 1, Math.floor(((trail.atMs[i]! - from) / (to - from)) * LEAK_PARTS));
    if (bytes < lowest[part]!) lowest[part] = bytes;
  });
  const [first = 0, last = 0] = [lowest[0], lowest.at(-1)];
  const rises = lowest.every((bytes, i) => Number.isFinite(bytes) && (i === 0 || bytes > lowest[i - 1]!));
  return rises && last >= first * LEAK_RATIO && last - first >= LEAK_MIN_BYTES ? last - first : 0;
}
