/** A bucket of requests: each takes one, and one comes back after every interval. */

/** Starts full. */
export class RateLimit {
  readonly #intervalMs: number;
  readonly #burst: number;
  #left: number;
  #filledMs = performance.now();

  constructor({ intervalMs, burst }: { intervalMs: number; burst: number }) {
    this.#intervalMs = intervalMs;
    this.#burst = burst;
    this.#left = burst;
  }

  /** Takes one. @returns 0, or how many milliseconds to wait until there is one */
  take(): number {
    const nowMs = performance.now();
    this.#left = Math.min(this.#burst, this.#left + (nowMs - this.#filledMs) / this.#intervalMs);
    this.#filledMs = nowMs;
    if (this.#left < 1) return (1 - this.#left) * this.#intervalMs;
    this.#left -= 1;
    return 0;
  }
}
