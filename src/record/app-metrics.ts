/**
 * The app's own OTel instruments: the global MeterProvider, made of two of the SDK's. One holds the synchronous
 * instruments and is collected often; the other holds the observable ones, whose callbacks may query a database and
 * run once in a while. Both are read as deltas, which are added to the process's table.
 */
import { createRequire } from 'node:module';
import { performance } from 'node:perf_hooks';
import { clearTimeout, setTimeout } from 'node:timers';
import type { MeterProvider } from '@opentelemetry/api';
import type { MetricProducer, ScopeMetrics, ViewOptions } from '@opentelemetry/sdk-metrics';
import type { Attributes, SeriesTable } from '../snapshot/series-table.ts';
import type { SnapshotWriter } from '../snapshot/writer.ts';
import { AppCells } from './app-cells.ts';
import { DeltaStorage, type Storage } from './delta-storage.ts';
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
  /** Takes over a part of it that the loop does not feel. @returns whether that was the rest. @throws never */
  collectSome(): boolean;
  stop(): void;
}

// The app's instruments are published between ten times and once a second. What has not come to its end by then, because the
// loop's turns are long, is collected at once: no more than a second's is to be lost with a process that is killed.
const MIN_SPACING_MS = 100;
const MAX_SPACING_MS = 1000;
// Collecting may take one part in this many of a core's time, and hold up the loop for so long at once.
const COST_DIVISOR = 100;
const PIECE_MS = 0.5;
// Between two pieces the app has its turn.
const PAUSE_MS = 1;

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
    delta: sdk.AggregationTemporality.DELTA,
    onOverflow: (metric) => cells.countOverflow(metric),
    callbackTimeoutMs: options.observableIntervalMs,
  });
  // What is left of the collection that is under way, when it began, what it has taken so far, and whether it had anything.
  let round: Generator<ScopeMetrics> | undefined;
  let beganMs: number | undefined;
  let spentMs = 0;
  let hasChanged = false;
  let observedAtMs = Number.NEGATIVE_INFINITY;
  let observing = false;
  let timer = setTimeout(tick, MIN_SPACING_MS).unref();

  // What is collected in one go is published in one go: a scrape sees two instruments as they were at one time, mostly.
  function collect(untilMs: number): boolean {
    let isSome = false;
    try {
      round ??= recordedSince(synchronous.source);
      for (let next = round.next(); !next.done; next = round.next()) {
        cells.add(next.value);
        isSome = true;
        if (now() >= untilMs) return false;
      }
    } catch (error) {
      failures.count('collect', error);
    } finally {
      if (isSome) options.writer.changed(now());
      hasChanged ||= isSome;
    }
    round = undefined;
    return true;
  }

  function tick(): void {
    const startMs = now();
    beganMs ??= startMs;
    const isLate = startMs - beganMs >= MAX_SPACING_MS;
    const isThrough = collect(isLate ? Number.POSITIVE_INFINITY : startMs + PIECE_MS);
    spentMs += now() - startMs;
    if (!isThrough) {
      timer = setTimeout(tick, PAUSE_MS).unref();
      return;
    }
    observe(startMs);
    const spacing = hasChanged ? Math.max(spentMs * COST_DIVISOR, MIN_SPACING_MS) : MAX_SPACING_MS;
    const dueMs = beganMs + Math.min(spacing, MAX_SPACING_MS);
    timer = setTimeout(tick, Math.max(dueMs - now(), PAUSE_MS)).unref();
    beganMs = undefined;
    hasChanged = false;
    spentMs = 0;
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
      // Of a round that is under way the rest, then what has come meanwhile.
      if (round) collect(Number.POSITIVE_INFINITY);
      collect(Number.POSITIVE_INFINITY);
    },
    collectSome: () => collect(now() + PIECE_MS),
    stop() {
      clearTimeout(timer);
    },
  };
}

// The SDK's own collect() is asynchronous only because it waits for observable callbacks; there are none here, and on
// `exit` no promise is run any more. This finds the storages as its MeterSharedState.collect does behind that wait. The
// versions in package.json are exact for this reason, and test/record-app-metrics.test.ts holds it on both lines.
function* recordedSince(source: MetricProducer | undefined): Generator<ScopeMetrics> {
  const collector = source as unknown as {
    _sharedState: {
      meterSharedStates: Map<
        string,
        { metricStorageRegistry: { getStorages(c: unknown): Storage[] }; _instrumentationScope: ScopeMetrics['scope'] }
      >;
    };
  };
  for (const {
    _instrumentationScope: scope,
    metricStorageRegistry,
  } of collector._sharedState.meterSharedStates.values()) {
    for (const { _deltaMetricStorage: storage } of metricStorageRegistry.getStorages(collector)) {
      if (!(storage instanceof DeltaStorage)) continue;
      for (const data of storage.collect()) yield { scope, metrics: [data] };
    }
  }
}
