/** Scrapes all the time, in time and whole, while the exporter itself may be ended; what is scraped is for checks to judge. */
import { setTimeout as delay } from 'node:timers/promises';
import { parseExposition, type Sample } from '../exposition.ts';
import { request } from '../requests.ts';
import type { Fleet, Member } from './fleet.ts';

const EVERY_MS = 200;
const DEADLINE_MS = 5000;
/** An exporter that was ended is back in this time; on a machine that is not busy it takes a second. */
const EXPORTER_BACK_MS = 30_000;

/** One scrape. Times are of performance.now(). */
export interface Scraped {
  readonly samples: readonly Sample[];
  /** By the name of the family. */
  readonly types: ReadonlyMap<string, string>;
  readonly startMs: number;
  readonly endMs: number;
  /** Those that were there before it began, and still when it was over. */
  readonly lived: readonly Member[];
  /** When an exporter that was ended was back last. */
  readonly exporterBackMs: number;
}

/** Judges a scrape. Tells what must not be. */
export type Check = (scraped: Scraped, violation: (what: string) => void) => void;

/** Scrapes from construction until `stop`. */
export class Watch {
  readonly #url: string;
  readonly #fleet: Fleet;
  readonly #checks: readonly Check[];
  readonly #violation: (what: string) => void;
  /** When the exporter was ordered to end, and when it did; undefined as long as there is one. */
  #orderedMs: number | undefined;
  #endedMs: number | undefined;
  #exporterBackMs = Number.NEGATIVE_INFINITY;
  #stopped = false;
  readonly #running: Promise<void>;
  /** Of each scrape that was answered. */
  readonly durationsMs: number[] = [];
  /** How long after each end of the exporter the first scrape was answered again. */
  readonly outagesMs: number[] = [];
  /** Scrapes that found no exporter. */
  refused = 0;
  /** What the last scrape has said. */
  samples: readonly Sample[] = [];

  constructor(url: string, fleet: Fleet, checks: readonly Check[], violation: (what: string) => void) {
    this.#url = url;
    this.#fleet = fleet;
    this.#checks = checks;
    this.#violation = violation;
    fleet.on('exporter', () => {
      this.#endedMs = performance.now();
    });
    this.#running = this.#watch();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  /** From now on there may be none for a while. */
  exporterEnds(): void {
    this.#orderedMs ??= performance.now();
  }

  async #watch(): Promise<void> {
    while (!this.#stopped) {
      const startMs = performance.now();
      await this.#scrape(startMs);
      await delay(Math.max(0, startMs + EVERY_MS - performance.now()));
    }
  }

  async #scrape(startMs: number): Promise<void> {
    const before = this.#fleet.living();
    let answer: { status: number; body: string };
    try {
      answer = await request(this.#url, { timeout: DEADLINE_MS });
    } catch (error) {
      this.#failed(String(error), startMs);
      return;
    }
    const endMs = performance.now();
    this.durationsMs.push(endMs - startMs);
    this.#answered(startMs, endMs);
    if (endMs - startMs > DEADLINE_MS) this.#violation(`a scrape took ${Math.round(endMs - startMs)} ms`);
    if (answer.status !== 200) return this.#violation(`a scrape was answered ${answer.status}: ${answer.body}`);
    const after = new Set(this.#fleet.living());
    const samples = this.#parsed(answer.body);
    if (!samples) return;
    this.samples = samples;
    const types = new Map([...answer.body.matchAll(/^# TYPE (\S+) (\w+)$/gm)].map(([, name, type]) => [name!, type!]));
    const lived = before.filter((member) => after.has(member));
    const scraped = { samples, types, startMs, endMs, lived, exporterBackMs: this.#exporterBackMs };
    for (const check of this.#checks) check(scraped, this.#violation);
  }

  #failed(error: string, startMs: number): void {
    this.refused += 1;
    const sinceMs = this.#endedMs ?? this.#orderedMs;
    if (sinceMs === undefined) this.#violation(`a scrape failed: ${error}`);
    else if (startMs - sinceMs > EXPORTER_BACK_MS) this.#violation(`the exporter is not back: ${error}`);
  }

  // Only what was asked for behind the end of the old exporter is answered by the new one.
  #answered(startMs: number, endMs: number): void {
    if (this.#endedMs === undefined || startMs < this.#endedMs) return;
    this.outagesMs.push(endMs - this.#endedMs);
    this.#exporterBackMs = endMs;
    this.#orderedMs = undefined;
    this.#endedMs = undefined;
  }

  #parsed(text: string): Sample[] | undefined {
    try {
      return parseExposition(text);
    } catch (error) {
      this.#violation(`a scrape cannot be parsed: ${error}`);
      return undefined;
    }
  }
}
