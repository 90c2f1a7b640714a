/**
 * The app's observable instruments and their callbacks, guarded: what a callback tells is copied, capped and checked, it is
 * not called again while it is still at work, and waiting for it keeps no process alive.
 */
import { clearTimeout, setTimeout } from 'node:timers';
import type { Meter } from '@opentelemetry/api';
import { AttributeSets } from './attribute-sets.ts';
import { tameAttributes } from './attributes.ts';
import type { DeltaProcessor, Storage } from './delta-storage.ts';
import type { Failures } from './failures.ts';
import { type InstrumentKind, TAKES, valueProblem } from './instrument-terms.ts';

export interface ObservablesOptions {
  readonly failures: Failures;
  /** Counts an observation that went into an overflow series, by metric. */
  readonly onOverflow: (metric: string) => void;
  /** A callback that takes longer has told nothing. */
  readonly callbackTimeoutMs: number;
}

type Callback = (result: unknown) => void | Promise<void>;
type Observe = (value: number, attributes: unknown) => void;

/** What is known of an instrument when something is observed of it. */
interface Observed {
  readonly name: string;
  readonly kind: InstrumentKind;
  /** Undefined where a view changes the attributes: what they are then is not known here. */
  readonly sets: AttributeSets | undefined;
  /** The most that observations above the cap have come to at one time. */
  peak: number;
}

/** What one run of a callback has observed above the cap, by instrument: a total, as the sets are shown as one. */
type Overflowed = Map<Observed, number>;

/** Guards what the SDK makes. */
export class Observables {
  readonly #options: ObservablesOptions;
  readonly #observed = new WeakMap<object, Observed>();
  // Instruments of one name share their storages, and so their cap.
  readonly #sets = new WeakMap<object, AttributeSets>();
  readonly #batches = new WeakMap<Callback, Callback>();
  #round = 0;

  constructor(options: ObservablesOptions) {
    this.#options = options;
  }

  /** Before callbacks are asked once more: those that are still at work from before are not. */
  nextRound(): void {
    this.#round += 1;
  }

  /** @param instrument - the SDK's; its methods are replaced */
  guard(instrument: Record<string, unknown>, name: string, kind: InstrumentKind): void {
    const sets = this.#setsOf(instrument['_metricStorages'] as readonly Storage[]);
    const observed: Observed = { name, kind, sets, peak: 0 };
    this.#observed.set(instrument, observed);
    const guards = new WeakMap<Callback, Callback>();
    const guardOf = (callback: Callback) =>
      remembered(guards, callback, () =>
        this.#guarded(callback, (result) => {
          const overflowed: Overflowed = new Map();
          const observe = (result as { observe: Observe }).observe.bind(result);
          return {
            observe: (value: unknown, given: unknown) => this.#observe(observed, overflowed, observe, value, given),
          };
        }),
      );
    for (const method of ['addCallback', 'removeCallback'] as const) {
      const original = instrument[method] as (callback: Callback) => void;
      instrument[method] = (callback: unknown) => {
        if (typeof callback === 'function') original.call(instrument, guardOf(callback as Callback));
        else this.#options.failures.count('callback', `that of ${name} is no function`);
      };
    }
  }

  /** Meter.addBatchObservableCallback and its counterpart. @throws TypeError where there is no callback or no list */
  batch(method: 'addBatchObservableCallback' | 'removeBatchObservableCallback', meter: Meter, args: unknown[]): void {
    const [callback, instruments] = args as [Callback, Parameters<Meter[typeof method]>[1]];
    const guard = remembered(this.#batches, callback, () =>
      this.#guarded(callback, (result) => {
        const overflowed: Overflowed = new Map();
        const { observe } = result as { observe: (instrument: object, value: number, attributes: unknown) => void };
        return {
          observe: (instrument: object, value: unknown, given: unknown) => {
            const observed = isObject(instrument) ? this.#observed.get(instrument) : undefined;
            if (!observed) return;
            this.#observe(observed, overflowed, observe.bind(result, instrument), value, given);
          },
        };
      }),
    );
    meter[method](guard, instruments);
  }

  #setsOf(storages: readonly Storage[]): AttributeSets | undefined {
    const [storage] = storages;
    if (!storage || storages.some((each) => each._attributesProcessor !== undefined)) return undefined;
    const { failures, onOverflow } = this.#options;
    const delta = storage._deltaMetricStorage as DeltaProcessor;
    const { name } = storage._instrumentDescriptor;
    // The overflow of the SDK is not the sum of what is in it, and rises when nothing does: nothing may come to it.
    return remembered(
      this.#sets,
      storage,
      () =>
        new AttributeSets({
          maxSets: delta._cardinalityLimit,
          onProblem: (problem) => failures.count('attributes', `those of ${name} ${problem}`),
          onOverflow: () => onOverflow(name),
        }),
    );
  }

  #guarded(callback: Callback, guardResult: (result: unknown) => unknown): Callback {
    const { callbackTimeoutMs } = this.#options;
    let atWork = 0;
    let round = 0;
    return (result): void | Promise<void> => {
      // One callback may be asked several times in a round, for several batches.
      if (atWork > 0 && round !== this.#round) throw new Error('a run of it has not ended');
      round = this.#round;
      const outcome: unknown = callback(guardResult(result));
      if (!isObject(outcome)) return;
      atWork += 1;
      const ended = Promise.resolve(outcome as Promise<void>).finally(() => {
        atWork -= 1;
      });
      return inTime(ended, callbackTimeoutMs);
    };
  }

  #observe(observed: Observed, overflowed: Overflowed, observe: Observe, value: unknown, given: unknown): void {
    const { failures } = this.#options;
    const { name, sets, kind } = observed;
    if (typeof value !== 'number' || !TAKES[kind](value)) {
      failures.count('value', valueProblem(name, value));
      return;
    }
    if (!sets) {
      const { attributes, problem } = tameAttributes(given ?? undefined);
      if (problem !== undefined) failures.count('attributes', `those of ${name} ${problem}`);
      observe(value, attributes);
      return;
    }
    const set = sets.take(given ?? undefined);
    observe(set === sets.overflow ? total(observed, overflowed, value) : value, set.attributes);
  }
}

// Of a gauge the last, as it is with a set of its own. A counter must not go down when one of those in it is not told of
// any more: whoever reads it would take that for a restart.
function total(observed: Observed, overflowed: Overflowed, value: number): number {
  if (observed.kind === 'gauge') return value;
  const sum = (overflowed.get(observed) ?? 0) + value;
  overflowed.set(observed, sum);
  if (observed.kind !== 'counter') return sum;
  observed.peak = Math.max(observed.peak, sum);
  return observed.peak;
}

// The SDK's timeout would keep a process alive that has nothing else to do.
function inTime(work: Promise<void>, timeoutMs: number): Promise<void> {
  let timer: NodeJS.Timeout;
  const timeout = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`it took longer than ${timeoutMs} ms`)), timeoutMs).unref();
  });
  return Promise.race([work, timeout]).finally(() => clearTimeout(timer));
}

function remembered<K extends object, V>(known: WeakMap<K, V>, key: K, make: () => V): V {
  const value = known.get(key) ?? make();
  known.set(key, value);
  return value;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
