/** Who tells the request table of requests: one source for each protocol that the app speaks, all of one interface. */
import { createRequire } from 'node:module';
import { isEnabled, type Settings } from '../config.ts';
import { whenServing } from '../first-server.ts';
import { NO_HTTP, watchHttp } from './http.ts';
import type { HttpInstrumentationOptions, InstrumentedHttp } from './http-instrumentation.ts';
import { watchHttp2 } from './http2.ts';
import { hearMarks } from './marks.ts';
import type { HttpOptions, HttpWatch } from './request-source.ts';
import { watchUpgrades } from './upgrades.ts';

export interface RequestSourcesOptions extends Omit<HttpOptions, 'instrumented'> {
  /** Whether requests are to be counted at all, and who tells of them. */
  readonly settings: Settings;
  readonly meterProvider: HttpInstrumentationOptions['meterProvider'];
}

/** Begins to watch. @throws never */
export function watchRequests({ settings, meterProvider, ...options }: RequestSourcesOptions): HttpWatch {
  if (!isEnabled('http', settings)) return NO_HTTP;
  const chosen = settings.httpSource === 'instrumentation-http';
  return watchSources({ ...options, instrumented: chosen ? instrumented({ ...options, meterProvider }) : undefined });
}

/** The same of all protocols, by Node's own marks. @throws never */
export function watchSources(options: HttpOptions): HttpWatch {
  hearMarks();
  // Who hears of servers comes before who meets them.
  const sources = [watchHttp2(options), watchUpgrades(options), watchHttp(options)];
  return {
    stop() {
      for (const source of sources) source.stop();
    },
    abandon(errorType) {
      for (const source of sources) source.abandon(errorType);
    },
    thrown(error) {
      for (const source of sources) source.thrown(error);
    },
  };
}

// Loaded with the first server: few choose it, it takes tens of milliseconds, and to be there any earlier would be to hook
// require() before the app's own instrumentations, which miss for good what has come through that hook before them.
function instrumented(options: HttpInstrumentationOptions): InstrumentedHttp {
  let source: InstrumentedHttp | undefined;
  const cancel = whenServing(() => {
    try {
      const require = createRequire(import.meta.url);
      const module = require('./http-instrumentation.js') as typeof import('./http-instrumentation.ts');
      source = module.instrumentHttp(options);
    } catch (error) {
      options.failures.count('unsupported', error);
    }
  });
  return {
    awaits: (response, count) => source?.awaits(response, count) ?? false,
    settle: () => source?.settle(),
    stop() {
      cancel();
      source?.stop();
    },
  };
}
