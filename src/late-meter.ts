/** A Meter that costs nothing until an instrument is made: libraries ask for one whether they measure or not. */
import type { Meter } from '@opentelemetry/api';

/** The methods of a Meter that make observable instruments, or are about them. */
export const OBSERVABLE_METHODS = [
  'createObservableGauge',
  'createObservableCounter',
  'createObservableUpDownCounter',
  'addBatchObservableCallback',
  'removeBatchObservableCallback',
] as const;

/** All methods of a Meter. */
export const METER_METHODS = [
  'createGauge',
  'createHistogram',
  'createCounter',
  'createUpDownCounter',
  ...OBSERVABLE_METHODS,
] as const;

/** @param make - gives the real one, on the first call of any method */
export function lateMeter(make: () => Meter): Meter {
  let meter: Meter | undefined;
  const methods = METER_METHODS.map((name) => [
    name,
    (...args: unknown[]) => {
      meter ??= make();
      return (meter[name] as (...args: unknown[]) => unknown).apply(meter, args);
    },
  ]);
  return Object.fromEntries(methods) as unknown as Meter;
}
