/** What the long-lived processes of a fleet hold, looked at once a second: it must not grow with what is done to them. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Sample } from '../exposition.ts';
import type { Fleet } from './fleet.ts';

const EVERY_MS = 1000;
/** Heaps are asked every so many times: it takes a garbage collection. */
const HEAP_EVERY = 5;
const MIB = 2 ** 20;
/** Parts of the time: until the first all warms up, until the second it is early, and from the third on it is late. */
const WARM = 0.25;
const EARLY = 0.5;
const LATE = 0.75;
/** In less time all of it is still warming up, or as chance has it. */
const MIN_SLOW_SECONDS = 120;

type Kind =
  | 'files'
  | 'descriptors'
  | 'sockets'
  | 'processes looked at'
  | 'threads'
  | 'RSS'
  | 'heap'
  | 'series'
  | 'worker ids';

// What an app that does the same all the time varies by; a leak per scrape, per death or per request exceeds it.
const TOLERANCES: Readonly<Record<Kind, { most: number; isSlow?: true }>> = {
  files: { most: 8, isSlow: true },
  // Apart from those of the next two.
  descriptors: { most: 6 },
  // Kept-alive connections of clients, which go from one process to the other.
  sockets: { most: 16, isSlow: true },
  // pidusage closes them a minute or more after the process has ended: as many as have ended in that time.
  'processes looked at': { most: 40, isSlow: true },
  threads: { most: 4 },
  RSS: { most: 24 * MIB, isSlow: true },
  heap: { most: 2 * MIB, isSlow: true },
  // Of the sums over the group, buckets apart: a rare way to fail may be seen late for the first time.
  series: { most: 60, isSlow: true },
  'worker ids': { most: 8, isSlow: true },
};

export interface Holding {
  readonly kind: Kind;
  /** Whose. */
  readonly of: string;
  /** Medians, undefined where there was no sample. */
  readonly early: number | undefined;
  readonly late: number | undefined;
  readonly leaks: boolean;
}

export interface HoldingsOptions {
  readonly fleet: Fleet;
  /** Pid of the fleet's primary. */
  readonly primary: number;
  /** Keys of the other processes that live all the time. */
  readonly sheltered: ReadonlySet<string>;
  readonly directory: string;
  readonly seconds: number;
  /** Of the last scrape. */
  readonly samples: () => readonly Sample[];
}

/** Looks from construction until `stop`. */
export class Holdings {
  readonly #options: HoldingsOptions;
  readonly #startMs = performance.now();
  readonly #seen = new Map<string, { kind: Kind; of: string; values: { atMs: number; value: number }[] }>();
  readonly #timer: NodeJS.Timeout;
  #looks = 0;

  constructor(options: HoldingsOptions) {
    this.#options = options;
    options.fleet.on('holds', (key, bytes) => {
      if (key === 'primary' || key === 'exporter' || options.sheltered.has(key)) this.#note('heap', key, Number(bytes));
    });
    this.#timer = setInterval(() => this.#look(), EVERY_MS);
  }

  /** @returns what was held early and late, by kind and by whom */
  stop(): Holding[] {
    clearInterval(this.#timer);
    const { seconds } = this.#options;
    const within = (from: number, to: number) => {
      return ({ atMs }: { atMs: number }) => {
        const part = (atMs - this.#startMs) / 1000 / seconds;
        return part >= from && part < to;
      };
    };
    return [...this.#seen.values()].map(({ kind, of, values }) => {
      const early = median(values.filter(within(WARM, EARLY)).map(({ value }) => value));
      const late = median(values.filter(within(LATE, 1)).map(({ value }) => value));
      const { most, isSlow = false } = TOLERANCES[kind];
      const isJudged = early !== undefined && late !== undefined && (!isSlow || seconds >= MIN_SLOW_SECONDS);
      return { kind, of, early, late, leaks: isJudged && late - early > most };
    });
  }

  #look(): void {
    const { fleet, primary, sheltered, directory, samples } = this.#options;
    const processes = [...sheltered].map((key) => ({ of: key, pid: fleet.get(key)?.pid }));
    for (const { of, pid } of [{ of: 'primary', pid: primary }, ...processes]) {
      if (pid === undefined) continue;
      try {
        this.#noteDescriptors(of, pid);
        this.#note('threads', of, readdirSync(`/proc/${pid}/task`).length);
        this.#note('RSS', of, rssBytes(pid));
      } catch (error) {
        // It has died, which somebody else finds out.
        if (!['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
      }
    }
    this.#note('files', 'group', filesIn(directory));
    const ids = new Set(samples().map(({ labels }) => labels['worker_id']));
    this.#note('worker ids', 'group', ids.size);
    const sums = samples().filter(({ labels }) => !('worker_id' in labels || 'le' in labels));
    this.#note('series', 'group', sums.length);
    this.#looks += 1;
    if (this.#looks % HEAP_EVERY !== 0) return;
    for (const key of ['primary', ...sheltered]) fleet.order(key, 'hold');
  }

  #noteDescriptors(of: string, pid: number): void {
    const counts = { descriptors: 0, sockets: 0, 'processes looked at': 0 };
    for (const target of descriptorsOf(pid)) {
      const isStat = /^\/proc\/\d+\/stat$/.test(target);
      counts[isStat ? 'processes looked at' : target.startsWith('socket:') ? 'sockets' : 'descriptors'] += 1;
    }
    for (const [kind, count] of Object.entries(counts)) this.#note(kind as keyof typeof counts, of, count);
  }

  #note(kind: Kind, of: string, value: number): void {
    const name = `${kind} ${of}`;
    const known = this.#seen.get(name) ?? { kind, of, values: [] };
    this.#seen.set(name, known);
    known.values.push({ atMs: performance.now(), value });
  }
}

/** All files below a directory, by path. */
export function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

function filesIn(directory: string): number {
  try {
    return filesBelow(directory).length;
  } catch (error) {
    // A file has gone while it was listed.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return filesIn(directory);
    throw error;
  }
}

// What each is open on.
function descriptorsOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((descriptor) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${descriptor}`)];
    } catch {
      // Closed meanwhile.
      return [];
    }
  });
}

function rssBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]) * 1024;
}

function median(values: number[]): number | undefined {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
}
