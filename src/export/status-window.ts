/**
 * What was counted at the last looks, so that a look tells rates. The rule: a window is one and the same for all who look,
 * however often; and nothing is kept while nobody does.
 */
import type { Counts, Growth } from './status-load.ts';

// A second, less what a timer may be early: of less a rate says nothing.
const MIN_WINDOW_MS = 950;
const MAX_WINDOW_MS = 10_000;
// Who looks less often than this has to look twice to be told a rate.
const KEPT_MS = 60_000;
const NOTHING = new Float64Array(0);

/** The loads of one look, by any name. */
export type Loads = ReadonlyMap<string, Counts>;

/** One look, packed: there are up to a dozen of them, with a thousand loads each. */
class Sample {
  readonly atMonotonicMs: number;
  /** Nothing was left out. */
  readonly complete: boolean;
  readonly #places = new Map<string, { from: number; to: number }>();
  readonly #values: Float64Array;

  constructor(atMonotonicMs: number, loads: Loads, complete: boolean) {
    this.atMonotonicMs = atMonotonicMs;
    this.complete = complete;
    this.#values = new Float64Array([...loads.values()].reduce((length, { cell }) => length + cell.length, 0));
    let place = 0;
    for (const [name, { failedRequests, cell }] of loads) {
      this.#places.set(name, { from: place, to: place + cell.length });
      this.#values.set(cell, place);
      // The sum of a cell has no use here.
      this.#values[place] = failedRequests;
      place += cell.length;
    }
  }

  /** Failed requests, then the buckets. */
  countsOf(name: string): Float64Array | undefined {
    const place = this.#places.get(name);
    return place && this.#values.subarray(place.from, place.to);
  }
}

/** From one look to another. */
export interface OpenWindow {
  readonly seconds: number;
  /** Whether all loads of the look at its beginning are known: then one that was not there had counted nothing. */
  readonly complete: boolean;
  /**
   * @param isNew - where the load was not there: it had counted nothing
   * @returns undefined where that is not known: it was not there, or has less now than then
   */
  growthOf(name: string, now: Counts, isNew: boolean): Growth | undefined;
}

/** The looks of one exporter. */
export class StatusWindow {
  #samples: Sample[] = [];
  #lookedAtMonotonicMs = Number.NEGATIVE_INFINITY;

  /** What rates are to be over, at a look; undefined while there was none before it. */
  begin(nowMonotonicMs: number): OpenWindow | undefined {
    this.forget(nowMonotonicMs);
    this.#lookedAtMonotonicMs = nowMonotonicMs;
    const ageOf = ({ atMonotonicMs }: Sample) => nowMonotonicMs - atMonotonicMs;
    const old = this.#samples.filter((sample) => ageOf(sample) >= MIN_WINDOW_MS);
    // The longest there may be; where looks are further apart than that, since the last one.
    const base = old.find((sample) => ageOf(sample) <= MAX_WINDOW_MS) ?? old.at(-1);
    if (!base) return undefined;
    this.#samples = this.#samples.slice(this.#samples.indexOf(base));
    const seconds = ageOf(base) / 1000;
    return {
      seconds,
      complete: base.complete,
      growthOf(name, now, isNew) {
        const before = base.countsOf(name) ?? (isNew ? NOTHING : undefined);
        return before && growth(before, now, seconds);
      },
    };
  }

  /** Keeps what a look has found, unless one of a moment ago is there. @param complete - nothing was left out of it */
  keep(nowMonotonicMs: number, loads: Loads, complete: boolean): void {
    const last = this.#samples.at(-1);
    if (last && nowMonotonicMs - last.atMonotonicMs < MIN_WINDOW_MS) return;
    this.#samples.push(new Sample(nowMonotonicMs, loads, complete));
  }

  /** Gives back what nobody has asked for in the last minute; to be called now and then. */
  forget(nowMonotonicMs: number): void {
    if (nowMonotonicMs - this.#lookedAtMonotonicMs > KEPT_MS) this.#samples = [];
  }
}

// What grows and has fallen all the same has begun anew, and what has other buckets is not the same: of what was between
// the looks nothing is known.
function growth(then: Float64Array, { failedRequests, cell }: Counts, seconds: number): Growth | undefined {
  // What has counted nothing yet may not know its buckets either.
  const before = then.every((count) => count === 0) ? new Float64Array(cell.length) : then;
  if (before.length !== cell.length) return undefined;
  const grown = { seconds, failedRequests: failedRequests - before[0]!, cell: new Float64Array(cell.length) };
  for (let i = 1; i < cell.length; i += 1) grown.cell[i] = cell[i]! - before[i]!;
  return grown.failedRequests < 0 || grown.cell.some((count) => count < 0) ? undefined : grown;
}
