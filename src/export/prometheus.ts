/**
 * Text for a scrape: OTel's PrometheusExporter collects as the MetricReader that it is, exposition.ts renders. OTel's request
 * handler is not used: it answers a failed collection with 200 and hangs on a failed rendering.
 */
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import type { Resource } from '@opentelemetry/resources';
import { MeterProvider, type MetricProducer } from '@opentelemetry/sdk-metrics';
import { GunicornOtelError } from '../errors.ts';
import { Exposition } from './exposition.ts';
import { settledResource } from './resource.ts';

export interface ScraperOptions {
  readonly producer: MetricProducer;
  /** Shown as target_info; undefined: the producer has its own. */
  readonly resource?: Resource;
  readonly timeoutMs: number;
}

/** What became of scrapes so far; read by the views on the next one. */
export interface ScrapeStats {
  scrapes: number;
  scrapeErrors: number;
  lastScrapeSeconds: number;
  series: number;
}

/** Answers scrapes as text, one collection at a time. */
export class Scraper {
  readonly stats: ScrapeStats = { scrapes: 0, scrapeErrors: 0, lastScrapeSeconds: 0, series: 0 };
  readonly #exporter: PrometheusExporter;
  readonly #exposition = new Exposition();
  readonly #timeoutMs: number;
  readonly #hasTarget: boolean;
  #running: Promise<Buffer> | undefined;

  constructor({ producer, resource, timeoutMs }: ScraperOptions) {
    this.#exporter = new PrometheusExporter({ preventServerStart: true, metricProducers: [producer] });
    // Binds the exporter: a reader without a provider cannot collect.
    new MeterProvider({ ...(resource && { resource }), readers: [this.#exporter] });
    this.#hasTarget = resource !== undefined;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * One collection as text exposition format 0.0.4. Calls that come while one is running share it.
   *
   * @throws GUNICORN_OTEL_ERR_SCRAPE when collecting or rendering failed · _TIMEOUT when it took longer than allowed
   */
  scrape(): Promise<Buffer> {
    this.#running ??= this.#collect().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #collect(): Promise<Buffer> {
    const startMs = performance.now();
    this.stats.scrapes += 1;
    try {
      const { resourceMetrics, errors } = await this.#withTimeout(this.#exporter.collect());
      if (errors.length > 0) throw errors[0];
      const resource = this.#hasTarget ? settledResource(resourceMetrics.resource) : undefined;
      const text = this.#exposition.render({ ...resourceMetrics, resource });
      this.stats.series = resourceMetrics.scopeMetrics
        .flatMap(({ metrics }) => metrics)
        .reduce((sum, { dataPoints }) => sum + dataPoints.length, 0);
      return text;
    } catch (cause) {
      this.stats.scrapeErrors += 1;
      if (cause instanceof GunicornOtelError) throw cause;
      throw new GunicornOtelError('GUNICORN_OTEL_ERR_SCRAPE', 'the metrics could not be collected', { cause });
    } finally {
      this.stats.lastScrapeSeconds = (performance.now() - startMs) / 1000;
    }
  }

  #withTimeout<T>(work: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout;
    const timeout = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        const message = `the metrics were not collected within ${this.#timeoutMs} ms`;
        reject(new GunicornOtelError('GUNICORN_OTEL_ERR_SCRAPE_TIMEOUT', message));
      }, this.#timeoutMs);
    });
    return Promise.race([work, timeout]).finally(() => clearTimeout(timer));
  }
}
