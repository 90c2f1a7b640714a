/**
 * The app's own OTel instruments: the global MeterProvider, made of two of the SDK's. One holds the synchronous
 * instruments and is collected often; the other holds the observable ones, whose callbacks may query a database and
 * run once in a while. Both are read as deltas, which are added to the process's table.
 */
import { createRequire } from 'node:module';
import { performance } from 'node:perf_hooks';
import { clearTimeout, setTimeout } from 'node:timers';
import type { MeterProvider } from '@opentelemetry/api';
import type { MetricData, MetricProducer, ScopeMetrics, ViewOptions } from '@opentelemetry/sdk-metrics';
import type { Attributes, SeriesTable } from '../snapshot/series-table.ts';
import type { SnapshotWriter } from '../snapshot/writer.ts';
import { AppCells } from './app-cells.ts';
import type { Failures } from './failures.ts';
import { Instruments } from './instruments.ts';

export interface AppMetricsOptions {
  readonly table: SeriesTable;
  readonly writer: SnapshotWriter;
  readonly failures: Failures;
  readonly observableIntervalMs: number;
  readonly maxSeries: number;
  /** OTel's ViewOptions for the app's instruments. */
  readonly views?: readonly object[];
}

export interface AppMetrics {
  /** To be registered as the global one. */
  readonly provider: MeterProvider;
  /** Takes over what was recorded since the last collection, at once; for the end of the process. @throws never */
  collectNow(): void;
  stop(): void;
}

// The app's instruments are published between ten times and once a second.
const MIN_SPACING_MS = 100;
const MAX_SPACING_MS = 1000;
// Collecting may take one part in this many of a core's time.
const COST_DIVISOR = 100;

const now = performance.now.bind(performance);

/** Loads the SDK and begins to collect. @throws when the SDK cannot be loaded */
export function startAppMetrics(options: AppMetricsOptions): AppMetrics {
  // Loaded here and not above: most workers record nothing of their own, and the SDK takes tens of milliseconds.
  const sdk = createRequire(import.meta.url)(
    '@opentelemetry/sdk-metrics',
  ) as typeof import('@opentelemetry/sdk-metrics');

  // The SDK counts the overflow among them.
  const cardinality = options.maxSeries + 1;

  class DeltaReader extends sdk.MetricReader {
    source: MetricProducer | undefined;

    constructor() {
      super({
        aggregationTemporalitySelector: () => sdk.AggregationTemporality.DELTA,
        cardinalitySelector: () => cardinality,
      });
    }

    override setMetricProducer(source: MetricProducer): void {
      this.source = source;
      super.setMetricProducer(source);
    }

    protected override async onForceFlush(): Promise<void> {}
    protected override async onShutdown(): Promise<void> {}
  }

  const { failures } = options;
  // One that the SDK cannot take would take all instruments with it.
  const views = (options.views ?? []).flatMap((given): ViewOptions[] => {
    try {
      const view = { aggregationCardinalityLimit: cardinality, ...given };
      return new sdk.MeterProvider({ views: [view] }) && [view];
    } catch (error) {
      failures.count('view', error);
      return [];
    }
  });
  const setAtMs = new WeakMap<Attributes, number>();
  const cells = new AppCells({ ...options, setAtMs }, sdk.DataPointType);
  const synchronous = new DeltaReader();
  const observable = new DeltaReader();
  const providers = {
    synchronous: new sdk.MeterProvider({ readers: [synchronous], views }),
    observable: new sdk.MeterProvider({ readers: [observable], views }),
  };
  const instruments = new Instruments({
    providers,
    failures,
    setAtMs,
    onOverflow: (metric) => cells.countOverflow(metric),
    callbackTimeoutMs: options.observableIntervalMs,
  });
  let observedAtMs = Number.NEGATIVE_INFINITY;
  let observing = false;
  let timer = setTimeout(tick, MIN_SPACING_MS).unref();

  function collectNow(): number {
    const points = cells.add(collectSynchronously(synchronous.source));
    if (points > 0) options.writer.changed(now());
    return points;
  }

  function tick(): void {
    const startMs = now();
    let changed = 0;
    try {
      changed = collectNow();
      observe(startMs);
    } catch (error) {
      failures.count('collect', error);
    }
    const spacing = changed === 0 ? MAX_SPACING_MS : (now() - startMs) * COST_DIVISOR;
    timer = setTimeout(tick, Math.min(Math.max(spacing, MIN_SPACING_MS), MAX_SPACING_MS)).unref();
  }

  function observe(startMs: number): void {
    if (observing || startMs - observedAtMs < options.observableIntervalMs) return;
    observedAtMs = startMs;
    observing = true;
    instruments.nextRound();
    observable
      .collect()
      .then(({ resourceMetrics, errors }) => {
        for (const error of errors) failures.count('callback', error);
        cells.addObserved(resourceMetrics.scopeMetrics);
        options.writer.changed(now());
      })
      .catch((error) => failures.count('collect', error))
      .finally(() => {
        observing = false;
      });
  }

  return {
    provider: { getMeter: (...args) => instruments.getMeter(...args) },
    collectNow() {
      try {
        collectNow();
      } catch (error) {
        failures.count('collect', error);
      }
    },
    stop() {
      clearTimeout(timer);
    },
  };
}

// The SDK's own collect() is asynchronous only because it waits for observable callbacks; there are none here, and on
// `exit` no promise is run any more. This does what its MeterSharedState.collect does behind that wait. The versions
// in package.json are exact for this reason, and test/record-app-metrics.test.ts holds it on both lines.
function collectSynchronously(source: MetricProducer | undefined): ScopeMetrics[] {
  const collector = source as unknown as {
    _sharedState: {
      meterSharedStates: Map<
        string,
        { metricStorageRegistry: { getStorages(c: unknown): Storage[] }; _instrumentationScope: ScopeMetrics['scope'] }
      >;
    };
  };
  type Storage = { collect(collector: unknown, time: [number, number]): MetricData | undefined };
  const nowMs = Date.now();
  const time: [number, number] = [Math.floor(nowMs / 1000), (nowMs % 1000) * 1e6];
  return [...collector._sharedState.meterSharedStates.values()].map((state) => ({
    scope: state._instrumentationScope,
    metrics: state.metricStorageRegistry
      .getStorages(collector)
      .map((storage) => storage.collect(collector, time))
      .filter((data) => data !== undefined),
  }));
}
