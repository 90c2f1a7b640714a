/** Moments of a group for the tests of what is shown: made of tables, without files or processes, and rendered for real. */
import { resourceFromAttributes } from '@opentelemetry/resources';
import type { MetricData } from '@opentelemetry/sdk-metrics';
import { cellOf, merge } from '../src/aggregate/merge.ts';
import type { Scene } from '../src/aggregate/producer.ts';
import type { WorkerState } from '../src/aggregate/workers.ts';
import { type ExporterState, project, type ViewOptions } from '../src/catalogue/views.ts';
import { Scraper } from '../src/export/prometheus.ts';
import { RequestTable } from '../src/record/request-table.ts';
import type { Format } from '../src/server/negotiation.ts';
import { decodeSnapshot, encodeSnapshot, type Identity } from '../src/snapshot/layout.ts';
import { type Attributes, type MetricDescriptor, SeriesTable } from '../src/snapshot/series-table.ts';
import { IDENTITY } from './arbitrary-tables.ts';

/** When every scene is. */
export const NOW_MS = 1_700_000_100_000;
/** The same moment by the clock of ages. */
export const NOW_MONOTONIC_MS = 5_000_000;
const STARTED_SECONDS = 1_700_000_000;

/** One member; what is not told is that of a living worker that has just published. */
export interface MemberOfScene extends Partial<Pick<Identity, 'role' | 'workerId' | 'pid' | 'startSeconds'>> {
  readonly table: SeriesTable;
  readonly alive?: boolean;
  /** How long ago it has published. */
  readonly agoMs?: number;
}

export function sceneOf(members: readonly MemberOfScene[], more: Partial<Scene> = {}): Scene {
  const workers = members.map((member, i): WorkerState => {
    const { table, alive = true, agoMs = 0, ...told } = member;
    const identity: Identity = {
      role: 'worker',
      workerId: `worker_${i + 1}_${STARTED_SECONDS}`,
      pid: 100 + i,
      processStart: 1,
      threadId: 0,
      startSeconds: STARTED_SECONDS,
      version: '1.2.3',
      ...told,
    };
    const { pid, processStart } = identity;
    const snapshot = decodeSnapshot(encodeSnapshot(identity, table, NOW_MONOTONIC_MS - agoMs));
    return { file: `${pid}.snapshot`, mark: { pid, processStart }, snapshot, alive };
  });
  return {
    nowMs: NOW_MS,
    nowMonotonicMs: NOW_MONOTONIC_MS,
    clockJumps: 0,
    startMs: STARTED_SECONDS * 1000,
    members: workers,
    workers,
    resources: new Map(workers.map(({ mark }) => [mark.pid, { memoryBytes: mark.pid * 1024, cpuPercent: 12.5 }])),
    merged: merge(workers),
    snapshotErrors: new Map(),
    ...more,
  };
}

/** What the exporter of a scene says about itself. */
export const EXPORTER: ExporterState = {
  version: '1.2.3',
  expectedWorkers: 4,
  scrapes: 10,
  scrapeErrors: 1,
  lastScrapeSeconds: 0.25,
  series: 42,
  refusals: new Map([['evicted', 3]]),
  redis: {
    up: 1,
    forwards: 7,
    errors: new Map([['timeout', 2]]),
    lastForwardSeconds: 0.5,
    lastSuccessSeconds: NOW_MS / 1000,
  },
  pushes: new Map([['otlp', { pushes: 6, errors: 2 }]]),
};

/** Settings of the views unless told. */
export const VIEW_OPTIONS: ViewOptions = {
  labels: 'standard',
  exitedRetentionMs: 300_000,
  unresponsiveAfterMs: 5000,
  gaugeModes: {},
};

/** The text of a scrape of the scene. */
export async function textOf(scene: Scene, labels: 'standard' | 'detailed' = 'standard'): Promise<string> {
  return render(project(scene, EXPORTER, { ...VIEW_OPTIONS, labels }));
}

/** The same as OpenMetrics text. */
export async function openMetricsOf(scene: Scene): Promise<string> {
  return render(project(scene, EXPORTER, VIEW_OPTIONS), 'openmetrics');
}

export async function render(metrics: MetricData[], format: Format = 'text'): Promise<string> {
  const resource = resourceFromAttributes({ 'service.name': 'scene' });
  const producer = {
    collect: async () => ({
      resourceMetrics: { resource, scopeMetrics: [{ scope: { name: 'scene' }, metrics }] },
      errors: [],
    }),
  };
  return String(await new Scraper({ producer, resource, timeoutMs: 1000 }).scrape({ format }));
}

export interface Request {
  method?: string;
  path?: string;
  status?: number;
  errorType?: string;
  seconds?: number;
  requestBytes?: number;
  responseBytes?: number;
}

/** Completed requests in a table of their own; what is not told of one is that of a small GET that went well. */
export function serve(
  requests: readonly Request[],
  options: {
    readonly maxEndpoints?: number;
    readonly maxSeries?: number;
    readonly durationBuckets?: readonly number[];
  } = {},
): SeriesTable {
  const table = new SeriesTable();
  const recorder = new RequestTable({
    table,
    durationBuckets: [0.1, 1],
    maxEndpoints: 100,
    maxSeries: 2000,
    ...options,
  });
  for (const { method = 'GET', path = '/', status = 200, errorType = '', seconds = 0.0625, ...bytes } of requests) {
    recorder.begin(method);
    recorder.end(method, path, status, errorType, seconds, bytes.requestBytes ?? 0, bytes.responseBytes ?? 512);
  }
  return table;
}

/** Adds a series of the app's to a table. What is not told is that of a counter without attributes. */
export function measure(
  table: SeriesTable,
  told: Partial<MetricDescriptor> & { name: string; attributes?: Attributes; cell: readonly number[] },
): SeriesTable {
  const { attributes = {}, cell, ...descriptor } = told;
  const metric = table.define({ description: '', unit: '', kind: 'counter', scope: 'app', ...descriptor });
  const offset = table.add(metric, attributes);
  table.values.set(cell, offset);
  return table;
}

/** The series of one metric in a table, as a reader of it finds them. */
export function seriesIn(table: SeriesTable, name: string): { labels: Attributes; values: number[] }[] {
  const { metrics, values } = decodeSnapshot(encodeSnapshot(IDENTITY, table, 0));
  return metrics
    .filter(({ descriptor }) => descriptor.name === name)
    .flatMap(({ descriptor, series }) =>
      series.map((entry) => ({ labels: entry.attributes, values: [...cellOf(descriptor, entry, values)!] })),
    );
}
