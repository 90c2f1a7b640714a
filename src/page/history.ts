/** The last five minutes, as the page has seen them: nobody else keeps them, so they begin when it is opened. */
import type { Status } from '../status-document.ts';

const HISTORY_MS = 300_000;

/** What is kept of each worker, and of all. */
export type Trend = 'rate' | 'errors' | 'p95' | 'memory' | 'cpu' | 'active';

/** One worker's last five minutes: as many values of each trend as moments; NaN where nothing was known. */
export interface Trail {
  /** By the page's own clock, which nobody sets: performance.now(). */
  readonly atMs: number[];
  readonly values: Readonly<Record<Trend, number[]>>;
}

const MIN_SPAN_MS = 60_000;

/** Bounded by the workers that are alive, and by the time between two looks. */
export class History {
  /** Of the whole group; memory and CPU are sums. */
  readonly total: Trail = emptyTrail();
  readonly #workers = new Map<string, Trail>();

  /** @param nowMs - performance.now() */
  record(status: Status, nowMs: number): void {
    const { workers, total } = status;
    const alive = new Set(workers.map(({ id }) => id));
    for (const id of this.#workers.keys()) if (!alive.has(id)) this.#workers.delete(id);
    for (const worker of workers) {
      const trail = this.#workers.get(worker.id) ?? emptyTrail();
      this.#workers.set(worker.id, trail);
      add(trail, nowMs, {
        rate: worker.requestsPerSecond,
        errors: worker.failedRequestsPerSecond,
        p95: worker.durationSeconds.p95,
        memory: worker.memoryBytes,
        cpu: worker.cpuPercent,
        active: null,
      });
    }
    const sum = (numbers: (number | null)[]) => numbers.reduce<number>((all, one) => all + (one ?? 0), 0);
    add(this.total, nowMs, {
      rate: total.requestsPerSecond,
      errors: total.failedRequestsPerSecond,
      p95: total.durationSeconds.p95,
      memory: sum(workers.map(({ memoryBytes }) => memoryBytes)),
      cpu: sum(workers.map(({ cpuPercent }) => cpuPercent)),
      active: status.activeRequests,
    });
  }

  /** How much time a trend shows: what has been seen so far, a minute to five; the same for all, so that they can be compared. */
  get spanMs(): number {
    const { atMs } = this.total;
    return Math.max(MIN_SPAN_MS, (atMs.at(-1) ?? 0) - (atMs[0] ?? 0));
  }

  /** @returns what is known of a worker; undefined of one that was not there at the last look */
  of(workerId: string): Trail | undefined {
    return this.#workers.get(workerId);
  }
}

function emptyTrail(): Trail {
  return { atMs: [], values: { rate: [], errors: [], p95: [], memory: [], cpu: [], active: [] } };
}

function add({ atMs, values }: Trail, nowMs: number, sample: Record<Trend, number | null>): void {
  atMs.push(nowMs);
  for (const trend of Object.keys(values) as Trend[]) values[trend].push(sample[trend] ?? Number.NaN);
  let old = 0;
  while (atMs[old]! < nowMs - HISTORY_MS) old += 1;
  if (old === 0) return;
  atMs.splice(0, old);
  for (const list of Object.values(values)) list.splice(0, old);
}
