/**
 * Projects a moment of the group onto the documented metrics. Which metric is projected how stands in metrics.ts; in
 * here is one projection per kind of source, none of them knows a metric by name.
 */
import type { MetricData } from '@opentelemetry/sdk-metrics';
import type { Member } from '../aggregate/merge.ts';
import type { Scene } from '../aggregate/producer.ts';
import { OWN_SCOPE } from '../snapshot/own-metrics.ts';
import { appFamilies, sampleNames } from './app-families.ts';
import { exitPoints } from './exit-points.ts';
import {
  type Family,
  GIVING,
  type Given,
  type Listed,
  Passing,
  type Point,
  toHrTime,
  toMetricData,
} from './families.ts';
import type { ExporterValue, MetricRow, Source, WorkerValue } from './metric-row.ts';
import { METRICS } from './metrics.ts';
import { REQUEST_LABELS, requestPoints } from './request-points.ts';

/** What the exporter knows about itself at the time of a scrape. */
export interface ExporterState {
  readonly version: string;
  readonly expectedWorkers: number;
  readonly scrapes: number;
  readonly scrapeErrors: number;
  readonly lastScrapeSeconds: number;
  readonly series: number;
  /** Whom the endpoint has refused or cut off, by reason. */
  readonly refusals?: ReadonlyMap<string, number> | undefined;
  /** Of the forwarding to Redis; undefined where it is off. */
  readonly redis?: RedisState | undefined;
  /** Of those exporters that push, by name. */
  readonly pushes?: ReadonlyMap<string, PushState> | undefined;
  /** Adds to a counter's points what exporters before this one have counted. */
  goOn?(metric: string, points: readonly Point[]): Point[];
}

/** What became of forwarding so far. Owned by who forwards. */
export interface RedisState {
  /** 1 since Redis has taken something, 0 since it has not. */
  up: 0 | 1;
  /** Tried, failed ones included. */
  forwards: number;
  /** Failed ones by cause. */
  readonly errors: Map<string, number>;
  lastForwardSeconds?: number;
  /** Unix seconds. */
  lastSuccessSeconds?: number;
}

/** What became of pushes so far; `pushes` includes those that failed. */
export interface PushState {
  pushes: number;
  errors: number;
}

/** Settings that the views follow. */
export interface ViewOptions {
  readonly labels: 'standard' | 'detailed';
  readonly exitedRetentionMs: number;
  /** Without a heartbeat for so long, a living worker is unresponsive. */
  readonly unresponsiveAfterMs: number;
  /** By name as scraped, `*` for all others; see GUNICORN_OTEL_GAUGE_MODES. */
  readonly gaugeModes: Readonly<Record<string, string>>;
}

type From<K extends Source['from']> = Extract<Source, { from: K }>;
interface Context {
  readonly row: MetricRow;
  readonly scene: Scene;
  readonly exporter: ExporterState;
  readonly options: ViewOptions;
  readonly labels: readonly string[];
  /** Names of the app's metrics that had to be left out. */
  readonly conflicts: readonly string[];
}

const PROJECTIONS: { readonly [K in Source['from']]: (source: From<K>, context: Context) => Point[] } = {
  requests: (source, { scene, labels }) => requestPoints(source, scene, labels),
  worker: projectWorkers,
  sum: projectSums,
  exits: ({ which }, { scene, labels, options }) => exitPoints(which, scene, labels, options.exitedRetentionMs),
  restarts: ({ metric }, context) =>
    context.labels.includes('worker_id')
      ? exitPoints('replaced', context.scene, context.labels, context.options.exitedRetentionMs)
      : projectSums({ from: 'sum', metric }, context),
  exporter: ({ value }, context) => {
    const { row, exporter } = context;
    const points = EXPORTER_VALUES[value](context);
    return (row.type === 'counter' && exporter.goOn?.(row.name, points)) || points;
  },
};

// target_info is the serializer's own.
const TAKEN = ['target_info', ...METRICS.flatMap(({ name, type }) => sampleNames(name, type))];

/** The documented families in the order of the catalogue, then the app's by name, as OTel's readers take them. */
export function project(
  scene: Scene,
  exporter: ExporterState,
  options: ViewOptions,
  given: Given = 'array',
): MetricData[] {
  const startTime = toHrTime(scene.startMs);
  const endTime = toHrTime(scene.nowMs);
  const families = familiesOf(scene, exporter, options);
  return GIVING[given].list(families, (family) => toMetricData(family, startTime, endTime, given));
}

/** The same before they are OTel's, each made when it has its turn. */
export function familiesOf(scene: Scene, exporter: ExporterState, options: ViewOptions): Listed<Family> {
  const { families, conflicts } = appFamilies(scene, TAKEN, options.gaugeModes);
  const moment = { scene, exporter, options, conflicts };
  return new Passing([...METRICS, ...families], (each) => ('source' in each ? documentedFamily(each, moment) : each));
}

/**
 * One documented family by itself, for who shows a part of what is scraped.
 *
 * @param name - as it is scraped; one that is not documented has no points
 */
export function pointsOf(name: string, scene: Scene, exporter: ExporterState, options: ViewOptions): readonly Point[] {
  const row = METRICS.find((metric) => metric.name === name);
  return row ? documentedFamily(row, { scene, exporter, options, conflicts: [] }).points : [];
}

/**
 * The living by worker_id, in the order of the scene. By its id: a series that is given twice is no exposition, and there
 * are programs that write what they like.
 */
export function livingWorkers(scene: Scene): Map<string, Member> {
  return new Map(
    scene.workers.filter(({ alive }) => alive).map((worker) => [worker.snapshot.identity.workerId, worker]),
  );
}

// Written out: what is spread goes to V8's old objects at once (Node 20), and lies there until it looks at all of them.
function documentedFamily(row: MetricRow, moment: Omit<Context, 'row' | 'labels'>): Family & { points: Point[] } {
  const { name, type, help, source } = row;
  const { scene, exporter, options, conflicts } = moment;
  const labels = options.labels === 'detailed' ? [...row.labels, ...(row.detailedLabels ?? [])] : row.labels;
  const projection = PROJECTIONS[source.from] as (source: Source, context: Context) => Point[];
  const points = projection(source, { row, labels, scene, exporter, options, conflicts });
  return { name, type, help, additive: type === 'gauge' && source.from === 'sum', points };
}

function projectWorkers({ value }: From<'worker'>, { scene, options }: Context): Point[] {
  return [...livingWorkers(scene)].flatMap(([workerId, worker]) =>
    WORKER_VALUES[value](worker, scene, options).map((point) => ({
      ...point,
      labels: { worker_id: workerId, ...point.labels },
    })),
  );
}

const WORKER_VALUES: { readonly [K in WorkerValue]: (worker: Member, scene: Scene, options: ViewOptions) => Point[] } =
  {
    memoryBytes: ({ snapshot }, { resources }) => known(resources.get(snapshot.identity.pid)?.memoryBytes),
    cpuPercent: ({ snapshot }, { resources }) => known(resources.get(snapshot.identity.pid)?.cpuPercent),
    uptimeSeconds: ({ snapshot: { identity } }, { nowMs, nowMonotonicMs }) => {
      const { startedMonotonicMs, startSeconds } = identity;
      const uptimeMs =
        startedMonotonicMs === undefined ? nowMs - startSeconds * 1000 : nowMonotonicMs - startedMonotonicMs;
      return known(Math.max(0, uptimeMs / 1000));
    },
    state: (worker, scene, { unresponsiveAfterMs }) => {
      const { name, sinceSeconds } = stateOf(worker, scene, unresponsiveAfterMs);
      return [{ labels: { state: name, timestamp: String(sinceSeconds) }, value: 1 }];
    },
    snapshotAgeSeconds: ({ snapshot }, { nowMonotonicMs }) =>
      known(Math.max(0, (nowMonotonicMs - snapshot.writtenAtMonotonicMs) / 1000)),
  };

// A worker says itself what it is about to do, but not that it does nothing any more.
function stateOf({ snapshot }: Member, { nowMs, nowMonotonicMs }: Scene, unresponsiveAfterMs: number) {
  const { identity, writtenAtMonotonicMs } = snapshot;
  const sinceMonotonicMs = writtenAtMonotonicMs + unresponsiveAfterMs;
  if (nowMonotonicMs >= sinceMonotonicMs) {
    const sinceMs = sinceMonotonicMs + (nowMs - nowMonotonicMs);
    return { name: 'unresponsive', sinceSeconds: Math.floor(sinceMs / 1000) };
  }
  return identity.state ?? { name: 'running', sinceSeconds: identity.startSeconds };
}

function projectSums({ metric }: From<'sum'>, { scene, labels }: Context): Point[] {
  const points = new Map<string, { labels: Record<string, string>; value: number }>();
  for (const { descriptor, series } of scene.merged.values()) {
    if (descriptor.scope !== OWN_SCOPE || descriptor.name !== metric) continue;
    for (const { attributes, values } of series.values()) {
      const own = labels.map((label) => [label, String(attributes[REQUEST_LABELS[label] ?? label] ?? '')]);
      const key = JSON.stringify(own);
      const point = points.get(key) ?? { labels: Object.fromEntries(own), value: 0 };
      point.value += values[0]!;
      points.set(key, point);
    }
  }
  return [...points.values()];
}

const EXPORTER_VALUES: { readonly [K in ExporterValue]: (context: Context) => Point[] } = {
  info: ({ exporter }) => [{ labels: { version: exporter.version, node_version: process.version }, value: 1 }],
  expectedWorkers: ({ exporter }) => known(exporter.expectedWorkers),
  scrapes: ({ exporter }) => known(exporter.scrapes),
  scrapeErrors: ({ exporter }) => known(exporter.scrapeErrors),
  lastScrapeSeconds: ({ exporter }) => known(exporter.lastScrapeSeconds),
  series: ({ exporter }) => known(exporter.series),
  refusals: ({ exporter: { refusals = new Map() } }) =>
    [...refusals].map(([reason, value]) => ({ labels: { reason }, value })),
  clockJumps: ({ scene }) => known(scene.clockJumps),
  snapshotErrors: ({ scene }) => [...scene.snapshotErrors].map(([cause, value]) => ({ labels: { cause }, value })),
  conflicts: ({ conflicts }) => conflicts.map((metric) => ({ labels: { metric }, value: 1 })),
  pushes: ({ exporter }) => byExporter(exporter, ({ pushes }) => pushes),
  pushErrors: ({ exporter }) => byExporter(exporter, ({ errors }) => errors),
  redisUp: ({ exporter }) => known(exporter.redis?.up),
  redisForwards: ({ exporter }) => known(exporter.redis?.forwards),
  redisErrors: ({ exporter }) =>
    [...(exporter.redis?.errors ?? [])].map(([cause, value]) => ({ labels: { cause }, value })),
  redisLastForwardSeconds: ({ exporter }) => known(exporter.redis?.lastForwardSeconds),
  redisLastSuccessSeconds: ({ exporter }) => known(exporter.redis?.lastSuccessSeconds),
};

function byExporter({ pushes = new Map() }: ExporterState, count: (state: PushState) => number): Point[] {
  return [...pushes].map(([exporter, state]) => ({ labels: { exporter }, value: count(state) }));
}

function known(value: number | undefined): Point[] {
  return value === undefined ? [] : [{ labels: {}, value }];
}
