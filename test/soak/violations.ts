/** What must not be and was: the first of each kind, with what was done before it, and how often there was the like. */
import type { Done } from './chaos.ts';

const MAX_HISTORY = 12;

/** Of one soak; times are told from construction on. */
export class Violations {
  readonly #history: () => readonly Done[];
  readonly #startMs = performance.now();
  readonly #kinds = new Map<string, { first: string; count: number }>();

  /** @param history - what has been done so far, the last at the end */
  constructor(history: () => readonly Done[]) {
    this.#history = history;
  }

  /** A text per kind. */
  get all(): string[] {
    return [...this.#kinds.values()].map(({ first, count }) =>
      count === 1 ? first : `${count} times, first ${first}`,
    );
  }

  /** Adds one that has just come to be. */
  add(what: string): void {
    const kind = what.replaceAll(/\{.*\}|\d+/g, '');
    const known = this.#kinds.get(kind);
    if (known) known.count += 1;
    else this.#kinds.set(kind, { first: this.#told(what), count: 1 });
  }

  /** Waits for it; what it throws is one. */
  async unless(work: Promise<unknown>): Promise<void> {
    try {
      await work;
    } catch (error) {
      this.add((error as Error).message);
    }
  }

  #told(what: string): string {
    const nowMs = performance.now();
    const last = this.#history().slice(-MAX_HISTORY);
    const done = last.map(({ name, key, atMs }) => `    ${Math.round(nowMs - atMs)} ms before: ${name} ${key ?? ''}`);
    return [`after ${((nowMs - this.#startMs) / 1000).toFixed(1)} s: ${what}`, ...done].join('\n');
  }
}
