/**
 * One exporter that pushes, driven by OTel's periodic reader: collects the group, gives up what takes too long,
 * converts to deltas where the exporter prefers them, and says one line when it begins to fail and one when it works again.
 */
import type { Resource } from '@opentelemetry/resources';
import {
  type AggregationOption,
  AggregationTemporality,
  AggregationType,
  InstrumentType,
  MeterProvider,
  type MetricProducer,
  PeriodicExportingMetricReader,
  type PushMetricExporter,
  type ResourceMetrics,
} from '@opentelemetry/sdk-metrics';
import type { PushState } from '../catalogue/views.ts';
import { messageOf } from '../errors.ts';
import { report } from '../report.ts';
import { Deltas } from './deltas.ts';

export interface PushOptions {
  /** As the label of its metrics and in its lines. */
  readonly name: string;
  readonly exporter: PushMetricExporter;
  readonly producer: MetricProducer;
  readonly resource: Resource;
  readonly intervalMs: number;
  /** At most the interval. */
  readonly timeoutMs: number;
  /** Another exporter of this group has pushed before: what it has told must not be told as new. */
  readonly resumed: boolean;
  readonly state: PushState;
}

/** A running push. */
export interface Push {
  /** Pushes a last time and ends. @throws never */
  stop(): Promise<void>;
}

type Done = Parameters<PushMetricExporter['export']>[1];
type Result = Parameters<Done>[0];

const SUCCESS: Result = { code: 0 };

/** Pushes every interval from now on; the first one comes after one. Keeps no process alive between pushes. */
export function startPush(options: PushOptions): Push {
  const { producer, resource, intervalMs, timeoutMs } = options;
  const watched = new WatchedExporter(options);
  const reader = new PeriodicExportingMetricReader({
    exporter: watched,
    exportIntervalMillis: intervalMs,
    exportTimeoutMillis: timeoutMs,
    metricProducers: [{ collect: (how) => producer.collect(how).catch((error) => watched.cannotCollect(error)) }],
  });
  // Binds the reader, which starts it.
  new MeterProvider({ resource, readers: [reader] });
  return {
    async stop() {
      try {
        await reader.shutdown();
      } catch {
        // Its lines were said when it failed.
      }
    },
  };
}

/**
 * What the reader exports to. The reader is told of success whatever comes: it would say a line for each failure, and
 * its way of failing on time is kept from being needed.
 */
class WatchedExporter implements PushMetricExporter {
  readonly #options: PushOptions;
  readonly #deltas: Deltas;
  #baseline: boolean;
  #failing = false;
  /** What was given to the exporter last, until it says what became of that, however late. */
  #underWay: object | undefined;
  #next: (() => void) | undefined;

  constructor(options: PushOptions) {
    this.#options = options;
    this.#deltas = new Deltas((type) => this.selectAggregationTemporality(type));
    this.#baseline = options.resumed;
  }

  export(collected: ResourceMetrics, done: Done): void {
    const { timeoutMs, state } = this.#options;
    if (this.#baseline) {
      this.#baseline = false;
      this.#convert(collected).delivered();
      // What is cumulative says the same as before and is pushed all the same.
      if (this.#prefersDeltas()) {
        done(SUCCESS);
        return;
      }
    }
    state.pushes += 1;
    let over = false;
    const end = (error?: unknown) => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      if (this.#next === send) this.#next = undefined;
      this.#changed(error);
      done(SUCCESS);
    };
    const timer = setTimeout(() => end(`no answer within ${timeoutMs} ms`), timeoutMs).unref();
    const send = () => {
      this.#next = undefined;
      this.#send(collected, end);
    };
    // An exporter tries again for longer than is waited for it: what may yet arrive must not be in the next delta, too.
    if (this.#prefersDeltas() && this.#underWay) this.#next = send;
    else send();
  }

  #send(collected: ResourceMetrics, end: (error?: unknown) => void): void {
    const { metrics, delivered } = this.#convert(collected);
    this.#underWay = metrics;
    const settle = (error?: unknown) => {
      if (error === undefined) delivered();
      end(error);
      if (this.#underWay !== metrics) return;
      this.#underWay = undefined;
      this.#next?.();
    };
    try {
      const told: Done = ({ code, error }) => settle(code === 0 ? undefined : (error ?? 'no reason given'));
      this.#options.exporter.export(metrics, told);
    } catch (error) {
      settle(error);
    }
  }

  forceFlush(): Promise<void> {
    return this.#options.exporter.forceFlush();
  }

  shutdown(): Promise<void> {
    return this.#options.exporter.shutdown();
  }

  selectAggregationTemporality(type: InstrumentType): AggregationTemporality {
    return this.#options.exporter.selectAggregationTemporality?.(type) ?? AggregationTemporality.CUMULATIVE;
  }

  selectAggregation(type: InstrumentType): AggregationOption {
    return this.#options.exporter.selectAggregation?.(type) ?? { type: AggregationType.DEFAULT };
  }

  /** A push that there was nothing for. */
  cannotCollect(error: unknown) {
    this.#options.state.pushes += 1;
    this.#changed(error);
    return { resourceMetrics: { resource: this.#options.resource, scopeMetrics: [] }, errors: [] };
  }

  #convert({ resource, scopeMetrics }: ResourceMetrics) {
    const conversion = this.#deltas.convert(scopeMetrics.flatMap(({ metrics }) => metrics));
    const filled = conversion.metrics.filter(({ dataPoints }) => dataPoints.length > 0);
    const scope = scopeMetrics[0]?.scope ?? { name: '' };
    return {
      metrics: { resource, scopeMetrics: [{ scope, metrics: filled }] },
      delivered: () => conversion.delivered(),
    };
  }

  #prefersDeltas(): boolean {
    return this.selectAggregationTemporality(InstrumentType.COUNTER) === AggregationTemporality.DELTA;
  }

  #changed(error: unknown): void {
    const { name, state } = this.#options;
    if (error === undefined) {
      if (this.#failing) report('info', `${name}: pushes arrive again`);
      this.#failing = false;
      return;
    }
    state.errors += 1;
    if (!this.#failing) {
      report('warn', `${name}: pushes do not arrive (${reasonOf(error)}); they go on, and what was missed comes later`);
    }
    this.#failing = true;
  }
}

function reasonOf(error: unknown): string {
  // Connecting to a name with several addresses fails with one error for all, which says nothing itself.
  const { code } = error as { code?: unknown };
  return messageOf(error) || String(code ?? 'no connection');
}
