/**
 * Which exits were restarts: those for which another worker came. A successor may come after the exit (a crash is
 * replaced) or before it (an overlapping reload), and not every new worker is one: the first fleet and a fleet that
 * grows replace nobody. Nothing tells the two apart but time.
 */

/** A primary that waits longer before it replaces a worker, or a worker that takes longer to go, is not recognised. */
export const WINDOW_MS = 60_000;

/** Pairs exits with new workers; `E` is what the caller knows an exit by. */
export class Succession<E> {
  /** Exits that nobody has replaced yet, oldest first. */
  #vacancies: { exit: E; atMs: number }[] = [];
  /** Workers that have replaced nobody yet, and when they came, oldest first. */
  #spares: { worker: number; atMs: number }[] = [];
  #settled = false;

  /** The first worker runs: those that come from now on are no longer the first fleet. */
  settle(): void {
    this.#settled = true;
  }

  /** A worker was started. @param worker - its id @returns the exit it makes up for, if any */
  arrived(worker: number, nowMs: number): E | undefined {
    this.#expire(nowMs);
    const vacancy = this.#vacancies.shift();
    if (!vacancy && this.#settled) this.#spares.push({ worker, atMs: nowMs });
    return vacancy?.exit;
  }

  /** A worker is about to leave. @returns whether its successor is there already; if not, `vacated` follows its end */
  leaving(worker: number, nowMs: number): boolean {
    this.#expire(nowMs);
    // Nobody is its own successor, and who leaves is nobody's any more.
    this.#spares = this.#spares.filter((spare) => spare.worker !== worker);
    return this.#spares.shift() !== undefined;
  }

  /** A worker has ended, and nobody is there for it yet. */
  vacated(exit: E, nowMs: number): void {
    this.#vacancies.push({ exit, atMs: nowMs });
  }

  #expire(nowMs: number): void {
    this.#vacancies = this.#vacancies.filter(({ atMs }) => nowMs - atMs <= WINDOW_MS);
    this.#spares = this.#spares.filter(({ atMs }) => nowMs - atMs <= WINDOW_MS);
  }
}
