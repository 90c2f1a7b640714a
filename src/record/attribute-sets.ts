/** The attribute sets of one of the app's metrics: each kept once, as a copy that is ours, and never more than the cap. */
import type { Attributes } from '../snapshot/series-table.ts';
import { keyOfAttributes, tameAttributes } from './attributes.ts';
import type { Accumulation } from './delta-storage.ts';

/** What measurements above the cap are recorded with. */
export const OVERFLOW_ATTRIBUTES: Attributes = Object.freeze({ 'otel.metric.overflow': true });
const OVERFLOW_KEY = keyOfAttributes(OVERFLOW_ATTRIBUTES)!;

/** Attributes as they are kept, with the text that tells them apart. */
export interface AttributeSet {
  readonly key: string;
  /** Frozen; the same object each time. */
  readonly attributes: Attributes;
  /** What was recorded with it since the last collection. */
  accumulation: Accumulation | undefined;
}

export interface AttributeSetsOptions {
  /** Sets that are told apart for the life of the process. */
  readonly maxSets: number;
  /** Told once for each measurement whose attributes could not be taken as they are. */
  readonly onProblem: (problem: string) => void;
  /** Told once for each measurement that goes into the overflow. */
  readonly onOverflow: () => void;
}

/** Gives each measurement the set that it is recorded with. */
export class AttributeSets {
  /** The set of what is above the cap. */
  readonly overflow: AttributeSet = newSet(OVERFLOW_KEY, { ...OVERFLOW_ATTRIBUTES });
  readonly #options: AttributeSetsOptions;
  readonly #sets = new Map<string, AttributeSet>();

  constructor(options: AttributeSetsOptions) {
    this.#options = options;
  }

  /**
   * @param given - the app's, whatever it is; neither kept nor changed
   * @throws never
   */
  take(given: unknown): AttributeSet {
    const givenKey = keyOfAttributes(given);
    const known = givenKey === undefined ? undefined : this.#sets.get(givenKey);
    if (known) return known;
    const { attributes, problem } = tameAttributes(given);
    if (problem !== undefined) this.#options.onProblem(problem);
    // Of the copy: a getter may say another thing each time. It has a key, being tame.
    const key = keyOfAttributes(attributes)!;
    const same = this.#sets.get(key);
    if (same) return same;
    if (key === OVERFLOW_KEY) return this.overflow;
    if (this.#sets.size >= this.#options.maxSets) {
      this.#options.onOverflow();
      return this.overflow;
    }
    const set = newSet(key, attributes);
    this.#sets.set(key, set);
    return set;
  }
}

function newSet(key: string, attributes: Attributes): AttributeSet {
  return { key, attributes: Object.freeze(attributes), accumulation: undefined };
}
