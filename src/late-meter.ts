/**
 * Meters and instruments that cost nothing until they are used: libraries ask for them whether they measure or not, and an
 * instrumentation makes its own before the SDK that it belongs to has brought the MeterProvider that they will come from.
 */
import type { Meter } from '@opentelemetry/api';

/** The methods of a Meter that make observable instruments, or are about them. */
export const OBSERVABLE_METHODS = [
  'createObservableGauge',
  'createObservableCounter',
  'createObservableUpDownCounter',
  'addBatchObservableCallback',
  'removeBatchObservableCallback',
] as const;

/** By which method the instruments record that the other methods of a Meter make. */
export const RECORDS = {
  createGauge: 'record',
  createHistogram: 'record',
  createCounter: 'add',
  createUpDownCounter: 'add',
} as const;

/** All methods of a Meter. */
export const METER_METHODS = [...(Object.keys(RECORDS) as (keyof typeof RECORDS)[]), ...OBSERVABLE_METHODS] as const;

type Method = (...args: unknown[]) => unknown;
type Instrument = Record<string, Method>;

/**
 * @param make - gives the real one, when it is needed for the first time
 * @param defer - given what makes an instrument real: true when it will be called later, or never; until then, the first
 *   measurement makes it. False when there is nothing to wait for, as there is not unless told
 */
export function lateMeter(make: () => Meter, defer: (makeReal: () => void) => boolean = () => false): Meter {
  let meter: Meter | undefined;
  const call = (name: (typeof METER_METHODS)[number], args: unknown[]) => {
    meter ??= make();
    return (meter[name] as Method).apply(meter, args);
  };
  const methods = METER_METHODS.map((name): [string, Method] => {
    if (!(name in RECORDS)) return [name, (...args) => call(name, args)];
    const record = RECORDS[name as keyof typeof RECORDS];
    return [name, (...args) => lateInstrument(record, () => call(name, args) as Instrument, defer)];
  });
  return Object.fromEntries(methods) as unknown as Meter;
}

function lateInstrument(record: string, make: () => Instrument, defer: (makeReal: () => void) => boolean): Instrument {
  let real: Instrument | undefined;
  const late: Instrument = {
    [record]: (...args) => {
      makeReal();
      return real?.[record]?.(...args);
    },
  };
  const makeReal = () => {
    if (real) return;
    real = make();
    // From now on there is nothing in between.
    late[record] = real[record]!.bind(real);
  };
  return defer(makeReal) ? late : make();
}
