/** What must not be and was, each with what was done before it. */
import type { Done } from './chaos.ts';

const MAX_TOLD = 20;
const MAX_HISTORY = 12;

export class Violations {
  readonly #history: () => readonly Done[];
  readonly #startMs = performance.now();
  #more = 0;
  readonly #told: string[] = [];

  /** @param history - what has been done so far, the last at the end */
  constructor(history: () => readonly Done[]) {
    this.#history = history;
  }

  /** One text each; where there are too many, how many more there were. */
  get all(): string[] {
    return this.#more === 0 ? this.#told : [...this.#told, `and ${this.#more} more`];
  }

  /** One that comes of no action. */
  addLate(what: string): void {
    this.#told.push(what);
  }

  /** One that has just come to be. */
  add(what: string): void {
    if (this.#told.length >= MAX_TOLD) {
      this.#more += 1;
      return;
    }
    const nowMs = performance.now();
    const last = this.#history().slice(-MAX_HISTORY);
    const done = last.map(({ name, key, atMs }) => `    ${Math.round(nowMs - atMs)} ms before: ${name} ${key ?? ''}`);
    const seconds = ((nowMs - this.#startMs) / 1000).toFixed(1);
    this.#told.push([`after ${seconds} s: ${what}`, ...done].join('\n'));
  }

  /** Waits for it; what it throws is one. */
  async unless(work: Promise<unknown>): Promise<void> {
    try {
      await work;
    } catch (error) {
      this.add((error as Error).message);
    }
  }
}
