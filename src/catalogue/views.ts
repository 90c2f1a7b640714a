/**
 * Projects a moment of the group onto the documented metrics. Which metric is projected how stands in metrics.ts; in
 * here is one projection per kind of source, none of them knows a metric by name.
 */

import type { MetricData } from '@opentelemetry/sdk-metrics';
import { addTo, cellOf } from '../aggregate/merge.ts';
import type { Scene } from '../aggregate/producer.ts';
import type { WorkerState } from '../aggregate/workers.ts';
import { OWN_SCOPE, REQUESTS_METRIC } from '../snapshot/own-metrics.ts';
import type { Attributes, MetricDescriptor } from '../snapshot/series-table.ts';
import { appFamilies, sampleNames } from './app-families.ts';
import { countOf, type Family, type Point, rebucket, toHrTime, toMetricData } from './families.ts';
import type { ExporterValue, MetricRow, RequestValue, Source, WorkerValue } from './metric-row.ts';
import { METRICS } from './metrics.ts';

/** What the exporter knows about itself at the time of a scrape. */
export interface ExporterState {
  readonly version: string;
  readonly expectedWorkers: number;
  readonly scrapes: number;
  readonly scrapeErrors: number;
  readonly lastScrapeSeconds: number;
  readonly series: number;
  /** Of the forwarding to Redis; undefined where it is off. */
  readonly redis?: RedisState | undefined;
  /** Of those exporters that push, by name. */
  readonly pushes?: ReadonlyMap<string, PushState> | undefined;
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

export interface ViewOptions {
  readonly labels: 'standard' | 'detailed';
}

type From<K extends Source['from']> = Extract<Source, { from: K }>;
interface Context {
  readonly row: MetricRow;
  readonly scene: Scene;
  readonly exporter: ExporterState;
  readonly labels: readonly string[];
  /** Names of the app's metrics that had to be left out. */
  readonly conflicts: readonly string[];
}

/** Label of a documented metric -> attribute of the request cells. */
const REQUEST_LABELS: Readonly<Record<string, string>> = {
  method: 'http.request.method',
  endpoint: 'http.route',
  http_request_method: 'http.request.method',
  http_route: 'http.route',
  http_response_status_code: 'http.response.status_code',
  error_type: 'error.type',
};
const REQUEST_HISTOGRAMS: readonly RequestValue[] = ['duration', 'requestSize', 'responseSize'];

const PROJECTIONS: { readonly [K in Source['from']]: (source: From<K>, context: Context) => Point[] } = {
  requests: projectRequests,
  worker: projectWorkers,
  sum: projectSums,
  exporter: projectExporter,
};

// target_info is the serializer's own.
const TAKEN = ['target_info', ...METRICS.flatMap(({ name, type }) => sampleNames(name, type))];

/** The documented families in the order of the catalogue, then the app's by name. */
export function project(scene: Scene, exporter: ExporterState, options: ViewOptions): MetricData[] {
  const app = appFamilies(scene, TAKEN);
  const documented = METRICS.map((row): Family => {
    const labels = options.labels === 'detailed' ? [...row.labels, ...(row.detailedLabels ?? [])] : row.labels;
    const context = { row, scene, exporter, labels, conflicts: app.conflicts };
    const projection = PROJECTIONS[row.source.from] as (source: Source, context: Context) => Point[];
    const additive = row.type === 'gauge' && row.source.from === 'sum';
    return { ...row, additive, points: projection(row.source, context) };
  });
  const startTime = toHrTime(scene.startMs);
  const endTime = toHrTime(scene.nowMs);
  return [...documented, ...app.families].map((family) => toMetricData(family, startTime, endTime));
}

function projectRequests({ value, per, only }: From<'requests'>, { scene, labels }: Context): Point[] {
  const sums = new Map<string, { labels: Record<string, string>; cell: Float64Array; bounds: readonly number[] }>();
  const add = (
    attributes: Attributes,
    own: Record<string, string>,
    cell: Float64Array,
    descriptor: MetricDescriptor,
  ) => {
    if (only === 'failed' && attributes['error.type'] === undefined) return;
    const { part, bounds } = requestHistogram(descriptor, cell, value);
    const all = { ...own, ...requestLabels(attributes, labels) };
    const key = JSON.stringify(all);
    const sum = sums.get(key);
    if (!sum) sums.set(key, { labels: all, cell: part.slice(), bounds });
    else addTo(sum.cell, rebucket(part, bounds, sum.bounds));
  };
  if (per === 'group') {
    for (const { descriptor, series } of scene.merged.values()) {
      if (!isRequests(descriptor)) continue;
      for (const { attributes, values } of series.values()) add(attributes, {}, values, descriptor);
    }
  } else {
    for (const worker of scene.workers) {
      const own = { worker_id: worker.snapshot.identity.workerId };
      for (const { descriptor, series } of worker.snapshot.metrics) {
        if (!isRequests(descriptor)) continue;
        // A worker that has served nothing yet has its families all the same, at 0.
        if (labels.length === 1) add({}, own, new Float64Array(requestWidth(descriptor)), descriptor);
        for (const entry of series) {
          const cell = cellOf(descriptor, entry, worker.snapshot.values);
          if (cell) add(entry.attributes, own, cell, descriptor);
        }
      }
    }
  }
  return [...sums.values()].map(({ labels, cell, bounds }) => ({
    labels,
    value: value === 'count' ? countOf(cell) : { cell, bounds },
  }));
}

function projectWorkers({ value }: From<'worker'>, { scene }: Context): Point[] {
  return scene.workers
    .filter(({ alive }) => alive)
    .flatMap((worker) =>
      WORKER_VALUES[value](worker, scene).map((point) => ({
        ...point,
        labels: { worker_id: worker.snapshot.identity.workerId, ...point.labels },
      })),
    );
}

const WORKER_VALUES: { readonly [K in WorkerValue]: (worker: WorkerState, scene: Scene) => Point[] } = {
  memoryBytes: ({ mark }, { resources }) => known(resources.get(mark.pid)?.memoryBytes),
  cpuPercent: ({ mark }, { resources }) => known(resources.get(mark.pid)?.cpuPercent),
  uptimeSeconds: ({ snapshot }, { nowMs }) => known(Math.max(0, nowMs / 1000 - snapshot.identity.startSeconds)),
  state: ({ snapshot }) => [
    { labels: { state: 'running', timestamp: String(Math.floor(snapshot.identity.startSeconds)) }, value: 1 },
  ],
  snapshotAgeSeconds: ({ snapshot }, { nowMs }) => known(Math.max(0, (nowMs - snapshot.writtenAtMs) / 1000)),
};

function projectSums({ metric }: From<'sum'>, { scene, labels }: Context): Point[] {
  const points: Point[] = [];
  for (const { descriptor, series } of scene.merged.values()) {
    if (descriptor.scope !== OWN_SCOPE || descriptor.name !== metric) continue;
    for (const { attributes, values } of series.values()) {
      const own = labels.map((label) => [label, String(attributes[REQUEST_LABELS[label] ?? label] ?? '')]);
      points.push({ labels: Object.fromEntries(own), value: values[0]! });
    }
  }
  return points;
}

function projectExporter({ value }: From<'exporter'>, context: Context): Point[] {
  return EXPORTER_VALUES[value](context);
}

const EXPORTER_VALUES: { readonly [K in ExporterValue]: (context: Context) => Point[] } = {
  info: ({ exporter }) => [{ labels: { version: exporter.version, node_version: process.version }, value: 1 }],
  expectedWorkers: ({ exporter }) => known(exporter.expectedWorkers),
  scrapes: ({ exporter }) => known(exporter.scrapes),
  scrapeErrors: ({ exporter }) => known(exporter.scrapeErrors),
  lastScrapeSeconds: ({ exporter }) => known(exporter.lastScrapeSeconds),
  series: ({ exporter }) => known(exporter.series),
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

function isRequests({ scope, name }: MetricDescriptor): boolean {
  return scope === OWN_SCOPE && name === REQUESTS_METRIC;
}

function requestLabels(attributes: Attributes, labels: readonly string[]): Record<string, string> {
  const result: Record<string, string> = {};
  for (const label of labels) {
    const attribute = REQUEST_LABELS[label];
    const value = attribute === undefined ? undefined : attributes[attribute];
    if (value !== undefined) result[label] = String(value);
  }
  // What a cap has taken together has no label values of its own; without this it would be a series without labels.
  if (labels.includes('http_route') && attributes['otel.metric.overflow']) result['otel_metric_overflow'] = 'true';
  return result;
}

// The histograms of a request cell lie one behind the other; a request is counted in each, so any of them tells how many.
function requestHistogram({ bounds = [] }: MetricDescriptor, cell: Float64Array, value: RequestValue) {
  const index = Math.max(0, REQUEST_HISTOGRAMS.indexOf(value));
  const start = bounds.slice(0, index).reduce((sum, list) => sum + list.length + 2, 0);
  return { part: cell.subarray(start, start + bounds[index]!.length + 2), bounds: bounds[index]! };
}

function requestWidth({ bounds = [] }: MetricDescriptor): number {
  return bounds.reduce((sum, list) => sum + list.length + 2, 0);
}
