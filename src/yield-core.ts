/**
 * Long work of a thread that is nobody's loop, in slices. A loop that wakes and finds no core waits until who has one sleeps,
 * or for the system's next tick, some 4 ms; so who works for long sleeps for a moment now and then (decision 057).
 */
import { performance } from 'node:perf_hooks';

const SLICE_MS = 1;
// With what the system adds 0.1 ms: whoever waits has the core meanwhile, and keeps it for as long as he needs.
const PAUSE_MS = 0.05;
// The clock is read once for so many.
const UNITS_PER_LOOK = 16;

/** A piece of work of its own, as `done`. */
export const PIECE = UNITS_PER_LOOK;

const now = performance.now.bind(performance);
const never = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
let yields = false;
let units = 0;
let sinceMs = 0;

/** From now on this thread yields: it is not the app's. */
export function beginToYield(): void {
  yields = true;
}

/**
 * To be called in the middle of long work: sleeps, and the whole thread with it, when the last sleep is a slice ago; so it
 * does once more than it would need to in a thread that had nothing to do before.
 *
 * @param done - since the last call, in units of some microseconds, what one series takes
 * @throws never
 */
export function yieldCore(done = 1): void {
  units += done;
  if (!yields || units < UNITS_PER_LOOK) return;
  units = 0;
  if (now() - sinceMs < SLICE_MS) return;
  Atomics.wait(never, 0, 0, PAUSE_MS);
  sinceMs = now();
}
