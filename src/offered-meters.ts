/** The MeterProvider that the OpenTelemetry API finds in a preloaded process: ours, from its first instrument on. */
import { setTimeout } from 'node:timers';
import type { MeterProvider } from '@opentelemetry/api';
import { offerMeterProvider } from './api-registry.ts';
import { lateMeter } from './late-meter.ts';

/**
 * Puts it where the API looks.
 *
 * @param meterProvider - the real one; called when an instrument is made, undefined where there is none to be had
 * @param isAwake - whether this process measures already
 * @throws never
 */
export function offerMeters(meterProvider: () => MeterProvider | undefined, isAwake: () => boolean): void {
  const waiting: (() => void)[] = [];
  const isOurs = offerMeterProvider((api) => ({
    getMeter: (...args) => lateMeter(() => meterProvider()?.getMeter(...args) ?? api.createNoopMeter(), defer),
  }));

  // The SDK of the app makes its instrumentations first, and those their instruments, and only then brings the provider that
  // they are to have. Also, what PM2 runs has its settings only after all preloads.
  function defer(makeReal: () => void): boolean {
    if (isAwake()) return false;
    // Not an immediate: one that is not to keep the process does not end the waiting for events either.
    if (waiting.push(makeReal) === 1) setTimeout(makeAll, 0).unref();
    return true;
  }

  function makeAll(): void {
    const all = waiting.splice(0);
    if (isOurs()) for (const makeReal of all) makeReal();
  }
}
