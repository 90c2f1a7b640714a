/**
 * What the SDK gathers of a synchronous instrument between two collections, with our attribute sets in it. The SDK's own
 * keeps the app's attribute objects, which the app may change, throws on those that it can make no key of, and has a cap
 * that begins anew with each collection.
 */
import type { HrTime } from '@opentelemetry/api';
import type { Attributes } from '../snapshot/series-table.ts';
import type { AttributeSets } from './attribute-sets.ts';
import { keyOfAttributes } from './attributes.ts';

interface Accumulation {
  record(value: number): void;
  /** Of gauges: when it was set. */
  readonly sampleTime?: HrTime;
}

/** The SDK's map from attributes to accumulations; it takes any text as the key. */
interface AttributeMap {
  get(attributes: unknown, key: string): Accumulation | undefined;
  set(attributes: Attributes, accumulation: Accumulation, key: string): void;
  entries(): Iterable<[Attributes, Accumulation, string]>;
}

/** The part of the SDK's DeltaMetricProcessor that is used. Names of 2.12 and 3.1; package.json has exact versions. */
export interface DeltaProcessor {
  record(value: number, attributes: unknown, recordedAtMs: number): void;
  collect(): AttributeMap;
  readonly _aggregator: { createAccumulation(startTime: HrTime): Accumulation | undefined };
  /** Sets that are told apart, without the overflow. */
  readonly _cardinalityLimit: number;
}

/** The part of the SDK's storages, and of those that stand for several, that is used. */
export interface Storage {
  readonly _instrumentDescriptor: { readonly name: string };
  _deltaMetricStorage?: DeltaProcessor | DeltaStorage;
  readonly _attributesProcessor?: unknown;
  readonly _backingStorages?: readonly Storage[];
}

export interface DeltaStorageOptions {
  readonly sets: AttributeSets;
  /** Is told when gauges were set (unix ms), by the attributes of their data points. */
  readonly setAtMs: WeakMap<Attributes, number>;
}

/** The storages behind an instrument: one, or one for each view that selects it. */
export function storagesOf(storage: Storage): readonly Storage[] {
  return storage._backingStorages ?? [storage];
}

/** Stands in the place of the SDK's DeltaMetricProcessor. */
export class DeltaStorage {
  readonly _aggregator: DeltaProcessor['_aggregator'];
  readonly #options: DeltaStorageOptions;
  readonly #newMap: () => AttributeMap;
  #active: AttributeMap;

  /** @param replaced - the SDK's, in which nothing was recorded yet */
  constructor(replaced: DeltaProcessor, options: DeltaStorageOptions) {
    this._aggregator = replaced._aggregator;
    this.#options = options;
    // The SDK does not export its map, and makes one with each collection.
    this.#newMap = () => replaced.collect();
    this.#active = this.#newMap();
  }

  /** @throws never */
  record(value: number, attributes: unknown, recordedAtMs: number): void {
    const key = keyOfAttributes(attributes);
    const known = key === undefined ? undefined : this.#active.get(attributes, key);
    (known ?? this.#accumulation(attributes, key, recordedAtMs))?.record(value);
  }

  collect(): AttributeMap {
    const collected = this.#active;
    this.#active = this.#newMap();
    for (const [attributes, { sampleTime }] of collected.entries()) {
      // Of one that has none nobody has.
      if (!sampleTime) break;
      this.#options.setAtMs.set(attributes, sampleTime[0] * 1000 + sampleTime[1] / 1e6);
    }
    return collected;
  }

  // The first measurement of its set since the last collection, or one above the cap.
  #accumulation(attributes: unknown, givenKey: string | undefined, recordedAtMs: number): Accumulation | undefined {
    const set = this.#options.sets.take(attributes, givenKey);
    const known = this.#active.get(set.attributes, set.key);
    if (known) return known;
    const made = this._aggregator.createAccumulation([Math.floor(recordedAtMs / 1000), (recordedAtMs % 1000) * 1e6]);
    // A view that drops an instrument makes none.
    if (made) this.#active.set(set.attributes, made, set.key);
    return made;
  }
}
