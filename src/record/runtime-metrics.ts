/**
 * Event loop, garbage collection and heap of a process or thread that serves, by OpenTelemetry's instrumentation for them.
 * It begins with the first server: to be there any earlier would be to hook require() before the app's instrumentations,
 * which miss for good what has come through that hook before them.
 */
import type { MeterProvider } from '@opentelemetry/api';
import { isEnabled, type Settings } from '../config.ts';
import { whenServing } from '../first-server.ts';
import { requireOptional } from '../optional-package.ts';
import type { Failures } from './failures.ts';

type Package = typeof import('@opentelemetry/instrumentation-runtime-node');

export interface RuntimeMetricsOptions {
  /** Whether it is to be measured. */
  readonly settings: Settings;
  /** The provider of the app's instruments: these are recorded like them. */
  readonly meterProvider: () => MeterProvider;
  readonly failures: Failures;
}

/** Measures from the first server on, if that is asked for; one line where the package is missing. @returns what ends it @throws never */
export function measureRuntime({ settings, meterProvider, failures }: RuntimeMetricsOptions): () => void {
  if (!isEnabled('runtime-node', settings)) return () => {};
  let end = () => {};
  const cancel = whenServing(() => {
    end = begin(meterProvider, failures);
  });
  return () => {
    cancel();
    end();
  };
}

function begin(meterProvider: () => MeterProvider, failures: Failures): () => void {
  const name = '@opentelemetry/instrumentation-runtime-node';
  const loaded = requireOptional<Package>(name, 'OTEL_NODE_ENABLED_INSTRUMENTATIONS=runtime-node');
  if (!loaded) return () => {};
  try {
    const instrumentation = new loaded.RuntimeNodeInstrumentation();
    // Its instruments are made here and nowhere else: the global provider may be another one, the app's.
    instrumentation.setMeterProvider(meterProvider());
    return () => instrumentation.disable();
  } catch (error) {
    failures.count('unsupported', error);
    return () => {};
  }
}
