/**
 * The documented metrics, one row each: data only. The views, the metrics table of the docs and the tests of both read
 * it; a metric that is not in here is not emitted by this package.
 */
import { ACTIVE_REQUESTS_METRIC, ERRORS_METRIC, OVERFLOW_METRIC } from '../snapshot/own-metrics.ts';

/** Where the values of a row come from. */
export type Source =
  /**
   * The request cells: how many requests, or one of their histograms. `per`: kept apart by worker, or summed over all.
   * `only`: requests with an error, see http_server_request_duration_seconds.
   */
  | {
      readonly from: 'requests';
      readonly value: RequestValue;
      readonly per: 'worker' | 'group';
      readonly only?: 'failed';
    }
  /** One value of each living worker. */
  | { readonly from: 'worker'; readonly value: WorkerValue }
  /** A sum that processes publish under `metric`, its attributes as labels. */
  | { readonly from: 'sum'; readonly metric: string }
  /** What the exporter knows about itself. */
  | { readonly from: 'exporter'; readonly value: ExporterValue };

export type RequestValue = 'count' | 'duration' | 'requestSize' | 'responseSize';
export type WorkerValue = 'memoryBytes' | 'cpuPercent' | 'uptimeSeconds' | 'state' | 'snapshotAgeSeconds';
export type ExporterValue =
  | 'info'
  | 'scrapes'
  | 'scrapeErrors'
  | 'lastScrapeSeconds'
  | 'snapshotErrors'
  | 'series'
  | 'expectedWorkers'
  | 'conflicts';

export interface MetricRow {
  /** As it is scraped, suffixes and all. */
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** Base unit of the value; '' where it has none. */
  readonly unit: string;
  readonly help: string;
  readonly labels: readonly string[];
  /** Labels that GUNICORN_OTEL_LABELS=detailed adds. */
  readonly detailedLabels?: readonly string[];
  readonly source: Source;
}

const DETAILED = { detailedLabels: ['method', 'endpoint'] };
const PER_REQUEST = ['http_request_method', 'http_route', 'http_response_status_code', 'error_type'];

/** Every documented metric, in the order of the scrape. */
export const METRICS: readonly MetricRow[] = [
  {
    name: 'gunicorn_worker_requests_total',
    type: 'counter',
    unit: '',
    help: 'Requests completed by this worker, whatever their status.',
    labels: ['worker_id'],
    ...DETAILED,
    source: { from: 'requests', value: 'count', per: 'worker' },
  },
  {
    name: 'gunicorn_worker_request_duration_seconds',
    type: 'histogram',
    unit: 'seconds',
    help: 'Time from the start of a request to the end of its response.',
    labels: ['worker_id'],
    ...DETAILED,
    source: { from: 'requests', value: 'duration', per: 'worker' },
  },
  {
    name: 'gunicorn_worker_request_size_bytes',
    type: 'histogram',
    unit: 'bytes',
    help: 'Body bytes read from requests.',
    labels: ['worker_id'],
    ...DETAILED,
    source: { from: 'requests', value: 'requestSize', per: 'worker' },
  },
  {
    name: 'gunicorn_worker_response_size_bytes',
    type: 'histogram',
    unit: 'bytes',
    help: 'Body bytes written to responses.',
    labels: ['worker_id'],
    ...DETAILED,
    source: { from: 'requests', value: 'responseSize', per: 'worker' },
  },
  {
    name: 'gunicorn_worker_memory_bytes',
    type: 'gauge',
    unit: 'bytes',
    help: 'Resident memory of the worker process.',
    labels: ['worker_id'],
    source: { from: 'worker', value: 'memoryBytes' },
  },
  {
    name: 'gunicorn_worker_cpu_percent',
    type: 'gauge',
    unit: '',
    help: 'CPU time of the worker process since the scrape before, in percent of one core.',
    labels: ['worker_id'],
    source: { from: 'worker', value: 'cpuPercent' },
  },
  {
    name: 'gunicorn_worker_uptime_seconds',
    type: 'gauge',
    unit: 'seconds',
    help: 'Time since the worker started.',
    labels: ['worker_id'],
    source: { from: 'worker', value: 'uptimeSeconds' },
  },
  {
    name: 'gunicorn_worker_state',
    type: 'gauge',
    unit: '',
    help: 'Always 1; the state of a living worker is in the label, and when it was entered (unix seconds).',
    labels: ['worker_id', 'state', 'timestamp'],
    source: { from: 'worker', value: 'state' },
  },
  {
    name: 'gunicorn_worker_failed_requests_total',
    type: 'counter',
    unit: '',
    help: 'Requests that failed: answered 5xx, aborted by the client, or under way when an error ended the process.',
    labels: ['worker_id', 'method', 'endpoint', 'error_type'],
    source: { from: 'requests', value: 'count', per: 'worker', only: 'failed' },
  },
  {
    name: 'http_server_request_duration_seconds',
    type: 'histogram',
    unit: 'seconds',
    help: 'Duration of HTTP server requests, summed over all processes.',
    labels: PER_REQUEST,
    source: { from: 'requests', value: 'duration', per: 'group' },
  },
  {
    name: 'http_server_request_body_size_bytes',
    type: 'histogram',
    unit: 'bytes',
    help: 'Size of HTTP server request bodies, summed over all processes.',
    labels: PER_REQUEST,
    source: { from: 'requests', value: 'requestSize', per: 'group' },
  },
  {
    name: 'http_server_response_body_size_bytes',
    type: 'histogram',
    unit: 'bytes',
    help: 'Size of HTTP server response bodies, summed over all processes.',
    labels: PER_REQUEST,
    source: { from: 'requests', value: 'responseSize', per: 'group' },
  },
  {
    name: 'http_server_active_requests',
    type: 'gauge',
    unit: '',
    help: 'HTTP server requests under way in all living processes.',
    labels: ['http_request_method'],
    source: { from: 'sum', metric: ACTIVE_REQUESTS_METRIC },
  },
  {
    name: 'gunicorn_exporter_info',
    type: 'gauge',
    unit: '',
    help: 'Always 1; versions of this package and of Node in the labels.',
    labels: ['version', 'node_version'],
    source: { from: 'exporter', value: 'info' },
  },
  {
    name: 'gunicorn_exporter_expected_workers',
    type: 'gauge',
    unit: '',
    help: 'Workers that should be alive by GUNICORN_WORKERS; 0 when it is not set.',
    labels: [],
    source: { from: 'exporter', value: 'expectedWorkers' },
  },
  {
    name: 'gunicorn_exporter_scrapes_total',
    type: 'counter',
    unit: '',
    help: 'Collections made for scrapes; concurrent scrapes share one.',
    labels: [],
    source: { from: 'exporter', value: 'scrapes' },
  },
  {
    name: 'gunicorn_exporter_scrape_errors_total',
    type: 'counter',
    unit: '',
    help: 'Collections that failed or took too long.',
    labels: [],
    source: { from: 'exporter', value: 'scrapeErrors' },
  },
  {
    name: 'gunicorn_exporter_last_scrape_duration_seconds',
    type: 'gauge',
    unit: 'seconds',
    help: 'How long the collection before this one took, rendering included.',
    labels: [],
    source: { from: 'exporter', value: 'lastScrapeSeconds' },
  },
  {
    name: 'gunicorn_exporter_snapshot_age_seconds',
    type: 'gauge',
    unit: 'seconds',
    help: 'Time since the worker last published; a healthy worker publishes once a second at least.',
    labels: ['worker_id'],
    source: { from: 'worker', value: 'snapshotAgeSeconds' },
  },
  {
    name: 'gunicorn_exporter_snapshot_errors_total',
    type: 'counter',
    unit: '',
    help: 'Reads of a snapshot file that failed, by cause; the last good one stands in for it.',
    labels: ['cause'],
    source: { from: 'exporter', value: 'snapshotErrors' },
  },
  {
    name: 'gunicorn_exporter_errors_total',
    type: 'counter',
    unit: '',
    help: 'Failures of measuring inside the processes of the app, by cause; none of them is felt by the app.',
    labels: ['cause'],
    source: { from: 'sum', metric: ERRORS_METRIC },
  },
  {
    name: 'gunicorn_exporter_series',
    type: 'gauge',
    unit: '',
    help: 'Series in the scrape before this one; a histogram counts once per label set.',
    labels: [],
    source: { from: 'exporter', value: 'series' },
  },
  {
    name: 'gunicorn_exporter_overflow_total',
    type: 'counter',
    unit: '',
    help: 'Measurements that went into an overflow series because a cap was reached, by metric.',
    labels: ['metric'],
    source: { from: 'sum', metric: OVERFLOW_METRIC },
  },
  {
    name: 'gunicorn_exporter_conflicts',
    type: 'gauge',
    unit: '',
    help: 'Always 1 per metric of the app that is left out because its name stands for another metric already.',
    labels: ['metric'],
    source: { from: 'exporter', value: 'conflicts' },
  },
];
