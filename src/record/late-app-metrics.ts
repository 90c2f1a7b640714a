/** The app's MeterProvider, made when it is first asked for: most workers record nothing of their own. */
import { createRequire } from 'node:module';
import type { MeterProvider } from '@opentelemetry/api';
import type { AppMetrics, AppMetricsOptions } from './app-metrics.ts';

/** As AppMetrics, of which nothing is loaded before there is need of it. */
export class LateAppMetrics {
  readonly #options: AppMetricsOptions;
  #metrics: AppMetrics | undefined;

  constructor(options: AppMetricsOptions) {
    this.#options = options;
  }

  /** @throws when the SDK cannot be loaded */
  readonly meterProvider = (): MeterProvider => {
    const require = createRequire(import.meta.url);
    this.#metrics ??= (require('./app-metrics.js') as typeof import('./app-metrics.ts')).startAppMetrics(this.#options);
    return this.#metrics.provider;
  };

  /** See AppMetrics. */
  collectNow(): void {
    this.#metrics?.collectNow();
  }

  /** Ends collecting. */
  stop(): void {
    this.#metrics?.stop();
  }
}
