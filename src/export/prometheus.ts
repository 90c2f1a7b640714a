/**
 * Text for a scrape: OTel's PrometheusExporter collects as the MetricReader that it is, exposition.ts renders. OTel's request
 * handler is not used: it answers a failed collection with 200 and hangs on a failed rendering.
 */
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import type { Resource } from '@opentelemetry/resources';
import { MeterProvider, type MetricProducer } from '@opentelemetry/sdk-metrics';
import { GunicornOtelError } from '../errors.ts';
import { Exposition, type Rendered, type Shown } from './exposition.ts';
import { settledResource, shownResource } from './resource.ts';

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
  /** Of the last one, target_info among them; a histogram is one. */
  series: number;
}

/** One collection, and whether a rendering of it has failed. */
interface Collected {
  readonly rendered: Rendered;
  hasFailed: boolean;
}

/** Answers scrapes as text, one collection at a time. */
export class Scraper {
  readonly stats: ScrapeStats = { scrapes: 0, scrapeErrors: 0, lastScrapeSeconds: 0, series: 0 };
  readonly #exporter: PrometheusExporter;
  readonly #exposition = new Exposition();
  readonly #timeoutMs: number;
  readonly #hasTarget: boolean;
  #running: Promise<Collected> | undefined;
  #sharers = 0;

  constructor({ producer, resource, timeoutMs }: ScraperOptions) {
    this.#exporter = new PrometheusExporter({ preventServerStart: true, metricProducers: [producer] });
    // Binds the exporter: a reader without a provider cannot collect.
    new MeterProvider({ ...(resource && { resource }), readers: [this.#exporter] });
    this.#hasTarget = resource !== undefined;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * One collection as text. Calls that come while one is running share it, however they want it rendered.
   *
   * @param take - is given the text at once, in memory that the next rendering writes to; what it returns is the result.
   * Unless told, a copy of the text
   * @throws GUNICORN_OTEL_ERR_SCRAPE when collecting or rendering failed · _TIMEOUT when it took longer than allowed
   */
  async scrape<T = Buffer>(
    shown: Shown = { format: 'text' },
    take: (text: Buffer) => T = Buffer.from as unknown as (text: Buffer) => T,
  ): Promise<T> {
    this.#running ??= this.#collect().finally(() => {
      this.#running = undefined;
      this.#sharers = 0;
    });
    this.#sharers += 1;
    const collected = await this.#running;
    return take(this.#render(collected, shown));
  }

  async #collect(): Promise<Collected> {
    // Who has asked already shares it: without a turn of the loop a collection that waits for nothing would be over before
    // the next request is read.
    await new Promise((resolve) => setImmediate(resolve));
    const startMs = performance.now();
    this.stats.scrapes += 1;
    try {
      const { resourceMetrics, errors } = await this.#withTimeout(this.#exporter.collect());
      if (errors.length > 0) throw errors[0];
      const resource = this.#hasTarget ? shownResource(settledResource(resourceMetrics.resource)) : undefined;
      const { scopeMetrics } = resourceMetrics;
      // What passes one by one is made for each rendering anew: for one there is nothing better.
      return {
        rendered: { scopeMetrics: this.#sharers > 1 ? listed(scopeMetrics) : scopeMetrics, resource },
        hasFailed: false,
      };
    } catch (cause) {
      this.stats.scrapeErrors += 1;
      throw scrapeError(cause);
    } finally {
      this.stats.lastScrapeSeconds = (performance.now() - startMs) / 1000;
    }
  }

  #render(collected: Collected, shown: Shown): Buffer {
    const startMs = performance.now();
    try {
      const text = this.#exposition.render(collected.rendered, shown);
      this.stats.series = this.#exposition.series;
      return text;
    } catch (cause) {
      if (!collected.hasFailed) this.stats.scrapeErrors += 1;
      collected.hasFailed = true;
      throw scrapeError(cause);
    } finally {
      this.stats.lastScrapeSeconds += (performance.now() - startMs) / 1000;
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

function listed(scopeMetrics: Rendered['scopeMetrics']): Rendered['scopeMetrics'] {
  return scopeMetrics.map(({ scope, metrics }) => ({ scope, metrics: [...metrics] }));
}

function scrapeError(cause: unknown): GunicornOtelError {
  if (cause instanceof GunicornOtelError) return cause;
  return new GunicornOtelError('GUNICORN_OTEL_ERR_SCRAPE', 'the metrics could not be collected', { cause });
}
