/** Memory and CPU of the group's processes, read from outside them: a worker that is blocked has fresh values too. */
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../errors.ts';
import { report } from '../report.ts';

export interface ResourceUsage {
  /** Resident set. */
  readonly memoryBytes: number;
  /** Of one core, since the sample before; for a process's first sample, since it started. */
  readonly cpuPercent: number;
}

type PidUsage = (pids: number[]) => Promise<Record<string, { cpu: number; memory: number } | null>>;

// Two scrapers a moment apart share one sample: CPU over a few milliseconds says nothing.
const MIN_AGE_MS = 1000;
// The first sample of a thread starts two programs (getconf), which takes some 20 ms.
const PATIENCE_MS = 60;

/** Samples processes with pidusage, at most once a second however many ask. */
export class ResourceSampler {
  readonly #pidusage: PidUsage;
  #sample = new Map<number, ResourceUsage>();
  #sampledAtMs = 0;
  #failed = false;
  #running: Promise<ReadonlyMap<number, ResourceUsage>> | undefined;

  constructor(pidusage: PidUsage) {
    this.#pidusage = pidusage;
  }

  /**
   * Samples what is due, but gives what was known before rather than keep a scrape waiting: pidusage reads files through
   * the thread pool of the process, which the app may keep busy for seconds.
   *
   * @throws never
   */
  soon(pids: readonly number[]): Promise<ReadonlyMap<number, ResourceUsage>> {
    this.#running ??= this.sample(pids).finally(() => {
      this.#running = undefined;
    });
    return Promise.race([this.#running, delay(PATIENCE_MS, undefined, { ref: false }).then(() => this.#sample)]);
  }

  /**
   * Samples what is due.
   *
   * @param pids - of living processes
   * @returns by pid; one that could not be sampled is not in it
   * @throws never
   */
  async sample(pids: readonly number[], nowMs = Date.now()): Promise<ReadonlyMap<number, ResourceUsage>> {
    const fresh = nowMs - this.#sampledAtMs < MIN_AGE_MS;
    const wanted = [...new Set(pids)].filter((pid) => !fresh || !this.#sample.has(pid));
    if (wanted.length === 0) return this.#sample;
    try {
      // The array form: the other one rejects as a whole when a process is gone.
      const stats = await this.#pidusage(wanted);
      const next = fresh ? new Map(this.#sample) : new Map<number, ResourceUsage>();
      for (const pid of wanted) {
        const stat = stats[pid];
        if (stat) next.set(pid, { memoryBytes: stat.memory, cpuPercent: stat.cpu });
      }
      this.#sample = next;
      if (!fresh) this.#sampledAtMs = nowMs;
      this.#failed = false;
    } catch (error) {
      if (!this.#failed) report('warn', `memory and CPU of the workers cannot be read: ${messageOf(error)}`);
      this.#failed = true;
      this.#sample = new Map();
    }
    return this.#sample;
  }
}
