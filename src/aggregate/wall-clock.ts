/** What the wall clock says of moments that are known by the monotonic one, and whether somebody has set it. */
import { monotonicMs } from '../snapshot/monotonic.ts';

// A clock that is being adjusted moves by half a millisecond in a second; this is a step.
const JUMP_MS = 1000;
// Read further apart, the two say nothing about each other: the process was stopped in between.
const SAME_MOMENT_MS = 50;

/** The two clocks of this machine, in the order in which they are to be read. */
export interface Clocks {
  monotonicMs(): number;
  wallMs(): number;
}

const CLOCKS: Clocks = { monotonicMs, wallMs: () => Date.now() };

/** One per exporter; what it tells of one moment stays the same until the wall clock has moved by a second against the other. */
export class WallClock {
  readonly #clocks: Clocks;
  #offsetMs: number;
  #lastOffsetMs: number;
  /** How often it was found to have jumped. */
  jumps = 0;

  constructor(clocks: Clocks = CLOCKS) {
    this.#clocks = clocks;
    this.#offsetMs = this.#readOffset();
    this.#lastOffsetMs = this.#offsetMs;
  }

  /** Now, by the monotonic clock. */
  nowMonotonicMs(): number {
    return this.#clocks.monotonicMs();
  }

  /** Unix ms of a moment of the monotonic clock. */
  unixMsOf(momentMonotonicMs: number): number {
    return momentMonotonicMs + this.#offsetMs;
  }

  /** To be called once a second. @returns by how many ms it has jumped since the last call; 0 when it has not */
  look(): number {
    const offsetMs = this.#readOffset();
    const movedMs = offsetMs - this.#lastOffsetMs;
    this.#lastOffsetMs = offsetMs;
    if (Math.abs(offsetMs - this.#offsetMs) > JUMP_MS) this.#offsetMs = offsetMs;
    if (Math.abs(movedMs) <= JUMP_MS) return 0;
    this.jumps += 1;
    return movedMs;
  }

  #readOffset(): number {
    for (let attempt = 1; ; attempt += 1) {
      const beforeMs = this.#clocks.monotonicMs();
      const wallMs = this.#clocks.wallMs();
      const afterMs = this.#clocks.monotonicMs();
      if (afterMs - beforeMs <= SAME_MOMENT_MS || attempt === 3) return wallMs - afterMs;
    }
  }
}
