/**
 * The Meters that the app is given. Each is made of two of the SDK's, one for synchronous and one for observable
 * instruments. What the app does with them wrongly is counted and not felt: the SDK's would throw into the app, keep what
 * the app changes later, or spoil a sum for ever; and they are as many as the app makes, while ours are capped.
 */
import type { Meter, MeterOptions, MeterProvider } from '@opentelemetry/api';
import { METER_METHODS } from '../late-meter.ts';
import type { Attributes } from '../snapshot/series-table.ts';
import { AttributeSets } from './attribute-sets.ts';
import { DeltaStorage, type Storage, storagesOf } from './delta-storage.ts';
import type { Failures } from './failures.ts';
import { type InstrumentKind, instrumentTerms, TAKES, textOf, valueProblem } from './instrument-terms.ts';
import { Observables } from './observables.ts';

/** Instruments of one process that differ in what makes a metric of their own; further ones measure nothing. */
export const MAX_INSTRUMENTS = 1000;
/** What measurements of instruments above the cap are counted as. */
export const INSTRUMENTS = 'instruments';

export interface InstrumentsOptions {
  /** The SDK's providers. */
  readonly providers: { readonly synchronous: MeterProvider; readonly observable: MeterProvider };
  readonly failures: Failures;
  /** Counts a measurement that went into an overflow series, by metric. */
  readonly onOverflow: (metric: string) => void;
  /** See DeltaStorage. */
  readonly setAtMs: WeakMap<Attributes, number>;
  /** See DeltaStorage. */
  readonly delta: number;
  readonly callbackTimeoutMs: number;
}

type Instrument = Record<string, unknown>;

/** The methods that make an instrument: what it is, and by which method it records, if it does. */
const MAKERS: Readonly<Record<string, { kind: InstrumentKind; records?: 'add' | 'record' }>> = {
  createCounter: { kind: 'counter', records: 'add' },
  createUpDownCounter: { kind: 'updowncounter', records: 'add' },
  createHistogram: { kind: 'histogram', records: 'record' },
  createGauge: { kind: 'gauge', records: 'record' },
  createObservableCounter: { kind: 'counter' },
  createObservableUpDownCounter: { kind: 'updowncounter' },
  createObservableGauge: { kind: 'gauge' },
};

/** Makes the app's Meters and their instruments. Nothing that it gives throws. */
export class Instruments {
  readonly #options: InstrumentsOptions;
  readonly #observables: Observables;
  readonly #admitted = new Set<string>();

  constructor(options: InstrumentsOptions) {
    this.#options = options;
    this.#observables = new Observables(options);
  }

  /** Before callbacks are asked once more. */
  nextRound(): void {
    this.#observables.nextRound();
  }

  /** As a MeterProvider does, but the SDK's Meters are made with the first instrument. */
  getMeter(name?: unknown, version?: unknown, options?: MeterOptions): Meter {
    const { failures } = this.#options;
    let scope: Scope | undefined;
    const meter: Instrument = {};
    for (const method of METER_METHODS) {
      meter[method] = (...args: unknown[]) => {
        try {
          scope ??= new Scope(textOf(name), textOf(version), textOf(options?.schemaUrl));
          if (method in MAKERS) return this.#make(method, scope, args);
          const sdkMeter = scope.meter(this.#options.providers.observable);
          this.#observables.batch(method as 'addBatchObservableCallback', sdkMeter, args);
        } catch (error) {
          failures.count('unsupported', error);
          if (method in MAKERS) return this.#refused();
        }
        return undefined;
      };
    }
    return meter as unknown as Meter;
  }

  #make(method: string, scope: Scope, args: unknown[]): Instrument {
    const { providers, failures } = this.#options;
    const { kind, records } = MAKERS[method]!;
    const { name, options, problem } = instrumentTerms(args[0], args[1]);
    if (!this.#admits(JSON.stringify([method, scope.key, name, options.unit, options.valueType]))) {
      failures.count('instruments', `${name} is one more than ${MAX_INSTRUMENTS}; is there a name made of data?`);
      return this.#refused();
    }
    if (problem !== undefined) failures.count('unsupported', problem);
    const meter = scope.meter(records ? providers.synchronous : providers.observable);
    const instrument = meter[method as 'createCounter'](name, options) as unknown as Instrument;
    if (records) this.#guard(instrument, name, records, TAKES[kind]);
    else this.#observables.guard(instrument, name, kind);
    return instrument;
  }

  #admits(key: string): boolean {
    if (this.#admitted.size < MAX_INSTRUMENTS) this.#admitted.add(key);
    return this.#admitted.has(key);
  }

  #guard(instrument: Instrument, name: string, method: string, takes: (value: number) => boolean): void {
    const { failures } = this.#options;
    for (const storage of storagesOf(instrument['_writableMetricStorage'] as Storage)) this.#bound(storage);
    const record = instrument[method] as (value: number, attributes: unknown, context: unknown) => void;
    instrument[method] = (value: unknown, attributes?: unknown, context?: unknown) => {
      if (typeof value !== 'number' || !takes(value)) {
        failures.count('value', valueProblem(name, value));
        return;
      }
      try {
        // The SDK takes null for attributes.
        record.call(instrument, value, attributes ?? undefined, context);
      } catch (error) {
        failures.count('record', error);
      }
    };
  }

  // Instruments of one name share their storages.
  #bound(storage: Storage): void {
    const { failures, onOverflow, setAtMs, delta } = this.#options;
    const replaced = storage._deltaMetricStorage;
    if (!replaced || replaced instanceof DeltaStorage) return;
    const { name } = storage._instrumentDescriptor;
    const sets = new AttributeSets({
      maxSets: replaced._cardinalityLimit,
      onProblem: (problem) => failures.count('attributes', `those of ${name} ${problem}`),
      onOverflow: () => onOverflow(name),
    });
    storage._deltaMetricStorage = new DeltaStorage(storage, replaced, { sets, setAtMs, delta });
  }

  // Measures nothing, and tells how much that was.
  #refused(): Instrument {
    const lost = () => this.#options.onOverflow(INSTRUMENTS);
    const nothing = () => {};
    return { add: lost, record: lost, addCallback: nothing, removeCallback: nothing };
  }
}

/** Where instruments come from, and the SDK's Meters for it. */
class Scope {
  readonly key: readonly [name: string, version: string, schemaUrl: string];
  readonly #meters = new Map<MeterProvider, Meter>();

  constructor(...key: Scope['key']) {
    this.key = key;
  }

  meter(provider: MeterProvider): Meter {
    const [name, version, schemaUrl] = this.key;
    const meter = this.#meters.get(provider) ?? provider.getMeter(name, version, schemaUrl ? { schemaUrl } : {});
    this.#meters.set(provider, meter);
    return meter;
  }
}
