/**
 * The registry in which every copy of @opentelemetry/api 1.x keeps its globals, watched by an accessor: while no code
 * touches it, the API is not even loaded; when somebody does, our MeterProvider is there; and when the app registers a
 * MeterProvider of its own, that one holds, as it would without us.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import type { MeterProvider } from '@opentelemetry/api';
import { messageOf } from './errors.ts';
import { OTEL_API_REGISTRY, report } from './report.ts';

type Api = typeof import('@opentelemetry/api');
type Registry = { metrics?: MeterProvider };

/**
 * Puts a MeterProvider where the OpenTelemetry API finds it.
 *
 * @param make - makes it on the first touch; given the API, for its no-ops
 * @returns whether instruments come from it: not when somebody else's was there before, or has come since
 * @throws never
 */
export function offerMeterProvider(make: (api: Api) => MeterProvider): () => boolean {
  let registry = Object.getOwnPropertyDescriptor(globalThis, OTEL_API_REGISTRY)?.value as Registry | undefined;
  let offered = false;
  let registering = false;
  let isTaken = false;
  Object.defineProperty(globalThis, OTEL_API_REGISTRY, {
    configurable: true,
    enumerable: false,
    get() {
      registering = false;
      if (!offered) offer();
      return registry;
    },
    // The API assigns the registry to its place whenever something is about to be registered, and only then.
    set(value: Registry | undefined) {
      registry = value;
      registering = true;
    },
  });
  // Somebody is here before us: whether there is a MeterProvider already is worth a line now.
  if (registry) offer();
  return () => offered && !isTaken;

  function offer(): void {
    offered = true;
    try {
      const api = loadApi();
      const ours = make(api);
      if (registry?.metrics || !api.metrics.setGlobalMeterProvider(ours)) taken();
      else yieldTo(ours);
    } catch (error) {
      report('warn', `the app's own metrics cannot be read: ${messageOf(error)}`);
    }
  }

  // The API refuses a second MeterProvider. Ours must not be in the way of the app's own, so it is not there for that look.
  function yieldTo(ours: MeterProvider): void {
    let current: MeterProvider | undefined = ours;
    Object.defineProperty(registry, 'metrics', {
      configurable: true,
      enumerable: true,
      get: () => (registering && current === ours ? undefined : current),
      set(value: MeterProvider) {
        if (current === ours && value !== ours) taken();
        current = value;
      },
    });
  }

  function taken(): void {
    isTaken = true;
    // Preloads run in the threads of the app, too, and in the one in which Node runs module hooks: once is enough.
    if (isMainThread) report('warn', TAKEN);
  }
}

// A NodeSDK that is only there for traces registers one, too, unless it is told not to.
const TAKEN =
  "the app registers an OpenTelemetry MeterProvider of its own: its metrics go there and not to this package's endpoint; " +
  'a NodeSDK with `metricReaders: []` leaves them to it (docs/compatibility.md)';

// The app's copy, before ours: a registry holds registrations of one exact version only, the app's tracing among them.
function loadApi(): Api {
  const places = [process.argv[1], join(process.cwd(), 'index.js'), import.meta.url];
  for (const place of places) {
    try {
      if (place) return createRequire(place)('@opentelemetry/api') as Api;
    } catch (error) {
      if (place === import.meta.url) throw error;
    }
  }
  throw new Error('@opentelemetry/api cannot be found');
}
