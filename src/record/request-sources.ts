/** Who tells the request table of requests: one source for each protocol that the app speaks, all of one interface. */
import { createRequire } from 'node:module';
import { isEnabled, type Settings } from '../config.ts';
import { type HttpOptions, type HttpWatch, NO_HTTP, watchHttp } from './http.ts';
import type { HttpInstrumentationOptions, InstrumentedHttp } from './http-instrumentation.ts';

export interface RequestSourcesOptions extends Omit<HttpOptions, 'instrumented'> {
  /** Whether requests are to be counted at all, and who tells of them. */
  readonly settings: Settings;
  readonly meterProvider: HttpInstrumentationOptions['meterProvider'];
}

/** Begins to watch. @throws never */
export function watchRequests({ settings, meterProvider, ...options }: RequestSourcesOptions): HttpWatch {
  if (!isEnabled('http', settings)) return NO_HTTP;
  const chosen = settings.httpSource === 'instrumentation-http';
  const instrumented = chosen ? instrumentHttp({ ...options, meterProvider }) : undefined;
  return watchHttp({ ...options, instrumented });
}

// Loaded here and not above: few choose it, and it takes tens of milliseconds.
function instrumentHttp(options: HttpInstrumentationOptions): InstrumentedHttp | undefined {
  try {
    const require = createRequire(import.meta.url);
    return (require('./http-instrumentation.js') as typeof import('./http-instrumentation.ts')).instrumentHttp(options);
  } catch (error) {
    options.failures.count('unsupported', error);
    return undefined;
  }
}
