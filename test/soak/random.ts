/** Chance that can be had again: a generator of numbers by a seed (mulberry32). */

/** @returns the next number, from 0 to below 1 */
export type Random = () => number;

/** A generator of its own for each seed. @param seed - a whole number; its lower 32 bits count */
export function randomBy(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A whole number from `least` to `most`. */
export function between(random: Random, least: number, most: number): number {
  return least + Math.floor(random() * (most - least + 1));
}

/** One of them; undefined when there is none. */
export function oneOf<T>(random: Random, all: readonly T[]): T | undefined {
  return all[Math.floor(random() * all.length)];
}

/** One of them, by how much each weighs. */
export function weighted<T extends { readonly weight: number }>(random: Random, all: readonly T[]): T {
  let left = random() * all.reduce((sum, { weight }) => sum + weight, 0);
  return all.find(({ weight }) => {
    left -= weight;
    return left < 0;
  })!;
}
