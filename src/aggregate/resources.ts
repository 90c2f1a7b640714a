/** Memory and CPU of the group's processes, read from outside them: a worker that is blocked has fresh values too. */
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../errors.ts';
import { report } from '../report.ts';
import { monotonicMs } from '../snapshot/monotonic.ts';
import { isForeign, type ProcessMark } from '../snapshot/process-mark.ts';

export interface ResourceUsage {
  /** Resident set. */
  readonly memoryBytes: number;
  /** Of one core, since the sample before; for a process's first sample, since it started. */
  readonly cpuPercent: number;
}

type PidUsage = (
  pids: number[],
  options: { maxage: number },
) => Promise<Record<string, { cpu: number; memory: number } | null>>;

// Two scrapers a moment apart share one sample: CPU over a few milliseconds says nothing.
const MIN_AGE_MS = 1000;
// The first sample of a thread starts two programs (getconf), which takes some 20 ms.
const PATIENCE_MS = 60;
// pidusage knows a process by its pid alone, and keeps a handle on the one it has seen for so long after it was last asked,
// looking twice in that time. Asked before, it would look at the dead for ever.
const MAX_AGE_MS = 30_000;
const FORGETS_AFTER_MS = 1.6 * MAX_AGE_MS;

/** Samples processes with pidusage, at most once a second however many ask. */
export class ResourceSampler {
  readonly #pidusage: PidUsage;
  #sample = new Map<number, ResourceUsage>();
  #sampledAtMs = Number.NEGATIVE_INFINITY;
  /** Which process pidusage knows by a pid, and when it was asked for it last. */
  readonly #asked = new Map<number, { processStart: number; atMs: number }>();
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
  soon(processes: readonly ProcessMark[]): Promise<ReadonlyMap<number, ResourceUsage>> {
    this.#running ??= this.sample(processes).finally(() => {
      this.#running = undefined;
    });
    return Promise.race([this.#running, delay(PATIENCE_MS, undefined, { ref: false }).then(() => this.#sample)]);
  }

  /**
   * Samples what is due.
   *
   * @param processes - the living; a pid that another process has had a moment ago is looked at when that is forgotten
   * @param nowMs - by a clock that nobody sets
   * @returns by pid; one that could not be sampled is not in it
   * @throws never
   */
  async sample(processes: readonly ProcessMark[], nowMs = monotonicMs()): Promise<ReadonlyMap<number, ResourceUsage>> {
    for (const [pid, { atMs }] of this.#asked) if (nowMs - atMs > FORGETS_AFTER_MS) this.#asked.delete(pid);
    const own = processes.filter((process) => !isForeign(process));
    const known = own.filter((process) => this.#isKnownAs(process, nowMs)).map(({ pid }) => pid);
    const fresh = nowMs - this.#sampledAtMs < MIN_AGE_MS;
    const wanted = [...new Set(known)].filter((pid) => !fresh || !this.#sample.has(pid));
    if (wanted.length === 0) return this.#sample;
    for (const pid of wanted) this.#asked.get(pid)!.atMs = nowMs;
    try {
      // The array form: the other one rejects as a whole when a process is gone.
      const stats = await this.#pidusage(wanted, { maxage: MAX_AGE_MS });
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

  // What was sampled of the one before is not the other's.
  #isKnownAs({ pid, processStart }: ProcessMark, nowMs: number): boolean {
    const asked = this.#asked.get(pid);
    if (!asked) this.#asked.set(pid, { processStart, atMs: nowMs });
    const isSame = asked === undefined || asked.processStart === processStart;
    if (!isSame) this.#sample.delete(pid);
    return isSame;
  }
}
