/**
 * What an app's synchronous instrument gathers between two collections, in the place of what the SDK has for it: that keeps
 * the app's attribute objects, which the app may change, throws on those that it can make no key of, has a cap that begins
 * anew with each collection, and goes over everything four times in one. How values are aggregated stays the SDK's.
 */
import type { HrTime } from '@opentelemetry/api';
import type { MetricData } from '@opentelemetry/sdk-metrics';
import type { Attributes } from '../snapshot/series-table.ts';
import type { AttributeSet, AttributeSets } from './attribute-sets.ts';

/** The SDK's, of one attribute set. */
export interface Accumulation {
  record(value: number): void;
  /** Of gauges: when it was set. */
  readonly sampleTime?: HrTime;
}

/** The part of the SDK's aggregators that is used. Names of 2.12 and 3.1; package.json has exact versions. */
interface Aggregator {
  /** Of one that drops: undefined. */
  createAccumulation(startTime: HrTime): Accumulation | undefined;
  toMetricData(
    descriptor: Storage['_instrumentDescriptor'],
    temporality: number,
    accumulations: readonly (readonly [Attributes, Accumulation])[],
    endTime: HrTime,
  ): MetricData;
}

/** The part of the SDK's DeltaMetricProcessor that is used. */
export interface DeltaProcessor {
  record(value: number, attributes: unknown, recordedAtMs: number): void;
  readonly _aggregator: Aggregator;
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
  /** OTel's AggregationTemporality.DELTA, handed in because the SDK is loaded late. */
  readonly delta: number;
}

// Some 0.1 ms of work; whoever collects looks at the clock behind each.
const SLICE = 128;

/** The storages behind an instrument: one, or one for each view that selects it. */
export function storagesOf(storage: Storage): readonly Storage[] {
  return storage._backingStorages ?? [storage];
}

/** Stands in the place of the SDK's DeltaMetricProcessor. */
export class DeltaStorage {
  // Its descriptor is another one when an instrument of the same name has a longer description.
  readonly #storage: Storage;
  readonly #aggregator: Aggregator;
  readonly #options: DeltaStorageOptions;
  /** Sets that have an accumulation, in the order of their first measurement. */
  #touched: AttributeSet[] = [];

  /** @param storage - with the SDK's, in which nothing was recorded yet */
  constructor(storage: Storage, replaced: DeltaProcessor, options: DeltaStorageOptions) {
    this.#storage = storage;
    this.#aggregator = replaced._aggregator;
    this.#options = options;
  }

  /** @throws never */
  record(value: number, attributes: unknown, recordedAtMs: number): void {
    const set = this.#options.sets.take(attributes);
    (set.accumulation ?? this.#begin(set, recordedAtMs))?.record(value);
  }

  /** What was recorded since the last collection, in slices; what comes between two of them is in one of those to come. */
  *collect(): Generator<MetricData> {
    const { _instrumentDescriptor: descriptor } = this.#storage;
    for (let left = this.#touched.length; left > 0; left -= SLICE) {
      const accumulations = this.#touched.splice(0, Math.min(left, SLICE)).map((set) => this.#taken(set));
      // Nobody reads the time: what is published has its own.
      yield this.#aggregator.toMetricData(descriptor, this.#options.delta, accumulations, [0, 0]);
    }
  }

  #begin(set: AttributeSet, recordedAtMs: number): Accumulation | undefined {
    const startTime: HrTime = [Math.floor(recordedAtMs / 1000), (recordedAtMs % 1000) * 1e6];
    set.accumulation = this.#aggregator.createAccumulation(startTime);
    if (set.accumulation) this.#touched.push(set);
    return set.accumulation;
  }

  #taken(set: AttributeSet): readonly [Attributes, Accumulation] {
    const { attributes } = set;
    const accumulation = set.accumulation!;
    set.accumulation = undefined;
    const { sampleTime } = accumulation;
    if (sampleTime) this.#options.setAtMs.set(attributes, sampleTime[0] * 1000 + sampleTime[1] / 1e6);
    return [attributes, accumulation];
  }
}
