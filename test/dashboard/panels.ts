/**
 * What is on the Grafana dashboard, row by row: data only. Queries name what is scraped, not what is recorded, so that the
 * dashboard works without rules; `SEL`, `WORKER` and `ROUTE` stand for the variables' matchers.
 */

export interface Panel {
  readonly title: string;
  /** `timeseries` unless told. */
  readonly kind?: 'stat' | 'timeseries' | 'bars' | 'table';
  /** Grafana's name of it. */
  readonly unit: string;
  readonly description: string;
  /** Of 24 columns; 8 unless told. */
  readonly width?: number;
  /** Legend, and the query; of a table, the column's title. */
  readonly queries: Readonly<Record<string, string>>;
  readonly stacked?: boolean;
  /** From which value on a stat is yellow, and red. */
  readonly thresholds?: readonly [number, number];
  /** Units of a table's columns that are not the panel's. */
  readonly columnUnits?: Readonly<Record<string, string>>;
}

export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

const RATE = '[$__rate_interval]';
const FAILED = `sum by (job) (rate(gunicorn_worker_failed_requests_total{SEL, error_type!="aborted"}${RATE}))`;
const REQUESTS = `sum by (job) (rate(gunicorn_worker_requests_total{SEL}${RATE}))`;
const ERROR_RATIO = `(${FAILED} or 0 * ${REQUESTS}) / (${REQUESTS} > 0)`;
const quantile = (q: number, labels = 'le') =>
  `histogram_quantile(${q}, sum by (${labels}) (rate(gunicorn_worker_request_duration_seconds_bucket{WORKER}${RATE})))`;
const routed = (matcher: string) => `rate(http_server_request_duration_seconds_count{ROUTE${matcher}}${RATE})`;
const mean = (metric: string) =>
  `sum by (http_route) (rate(${metric}_sum{ROUTE}${RATE})) / (sum by (http_route) (rate(${metric}_count{ROUTE}${RATE})) > 0)`;
const restarts = (name: string) => `increase(${name}{SEL}${RATE})`;

export const ROWS: readonly Row[] = [
  {
    title: 'Overview',
    panels: [
      {
        title: 'Request rate',
        kind: 'stat',
        width: 4,
        unit: 'reqps',
        description: 'Requests completed per second, whatever their status.',
        queries: { requests: `sum(rate(gunicorn_worker_requests_total{SEL}${RATE}))` },
      },
      {
        title: 'Error ratio',
        kind: 'stat',
        width: 4,
        unit: 'percentunit',
        description:
          'Part of the requests that failed: 5xx or an error, aborts by clients left out. Empty while there are none.',
        queries: { '{{job}}': ERROR_RATIO },
        thresholds: [0.01, 0.05],
      },
      {
        title: 'Latency, p95',
        kind: 'stat',
        width: 4,
        unit: 's',
        description: 'Time within which 95 % of the requests were answered. Empty while there are none.',
        queries: { p95: quantile(0.95) },
        thresholds: [0.5, 1],
      },
      {
        title: 'Active requests',
        kind: 'stat',
        width: 4,
        unit: 'short',
        description: 'Requests under way in all living processes. Empty for the Python exporter.',
        queries: { active: 'sum(http_server_active_requests{SEL})' },
      },
      {
        title: 'Workers',
        kind: 'stat',
        width: 4,
        unit: 'short',
        description: 'Workers alive, and how many there should be by GUNICORN_WORKERS (0: not said).',
        queries: {
          alive: 'count(gunicorn_worker_uptime_seconds{SEL})',
          expected: 'sum(gunicorn_exporter_expected_workers{SEL})',
        },
      },
      {
        title: 'Unresponsive workers',
        kind: 'stat',
        width: 4,
        unit: 'short',
        description: 'Workers whose event loop is blocked or whose process is stopped.',
        queries: { unresponsive: 'sum(gunicorn_worker_state{SEL, state="unresponsive"}) or vector(0)' },
        thresholds: [1, 1],
      },
      {
        title: 'Requests by job',
        unit: 'reqps',
        description: 'Requests completed per second, whatever their status.',
        queries: { '{{job}}': REQUESTS },
      },
      {
        title: 'Error ratio by job',
        unit: 'percentunit',
        description: 'Part of the requests that failed, aborts by clients left out. Empty while there are none.',
        queries: { '{{job}}': ERROR_RATIO },
      },
      {
        title: 'Latency',
        unit: 's',
        description: 'Duration of requests, from their start to the end of their response. Empty while there are none.',
        queries: { p50: quantile(0.5), p95: quantile(0.95), p99: quantile(0.99) },
      },
      {
        title: 'Active requests by method',
        unit: 'short',
        width: 12,
        description:
          'Requests under way. What piles up waits for something behind the service. Empty for the Python exporter.',
        queries: { '{{http_request_method}}': 'sum by (http_request_method) (http_server_active_requests{SEL})' },
        stacked: true,
      },
      {
        title: 'Workers by instance',
        unit: 'short',
        width: 12,
        description: 'Workers alive. During a reload old and new ones live side by side.',
        queries: { '{{job}} {{instance}}': 'count by (job, instance) (gunicorn_worker_uptime_seconds{SEL})' },
      },
    ],
  },
  {
    title: 'Workers',
    panels: [
      {
        title: 'Workers now',
        kind: 'table',
        width: 24,
        unit: 'none',
        description:
          'One line per living worker. Snapshot age is the time since it last published: a healthy one is below a second or two.',
        queries: {
          State: 'max by (job, instance, worker_id, state) (gunicorn_worker_state{WORKER})',
          Uptime: 'max by (job, instance, worker_id) (gunicorn_worker_uptime_seconds{WORKER})',
          'Requests/s': `sum by (job, instance, worker_id) (rate(gunicorn_worker_requests_total{WORKER}${RATE}))`,
          CPU: 'max by (job, instance, worker_id) (gunicorn_worker_cpu_percent{WORKER})',
          Memory: 'max by (job, instance, worker_id) (gunicorn_worker_memory_bytes{WORKER})',
          'Snapshot age': 'max by (job, instance, worker_id) (gunicorn_exporter_snapshot_age_seconds{WORKER})',
        },
        columnUnits: { Uptime: 's', 'Requests/s': 'reqps', CPU: 'percent', Memory: 'bytes', 'Snapshot age': 's' },
      },
      {
        title: 'Requests by worker',
        unit: 'reqps',
        description: 'Requests completed per second. Workers of one instance should be about alike.',
        queries: {
          '{{instance}} {{worker_id}}': `sum by (instance, worker_id) (rate(gunicorn_worker_requests_total{WORKER}${RATE}))`,
        },
      },
      {
        title: 'Latency by worker, p95',
        unit: 's',
        description: "Time within which 95 % of the worker's requests were answered. Empty while there are none.",
        queries: { '{{instance}} {{worker_id}}': quantile(0.95, 'instance, worker_id, le') },
      },
      {
        title: 'Workers by state',
        unit: 'short',
        description: 'Running, quitting, aborting, or unresponsive: blocked or stopped.',
        queries: { '{{state}}': 'sum by (state) (gunicorn_worker_state{WORKER})' },
        stacked: true,
      },
      {
        title: 'CPU by worker',
        unit: 'percent',
        description: "CPU time of the worker's process in percent of one core. One core is about all a worker can use.",
        queries: { '{{instance}} {{worker_id}}': 'max by (instance, worker_id) (gunicorn_worker_cpu_percent{WORKER})' },
      },
      {
        title: 'Memory by worker',
        unit: 'bytes',
        description:
          "Resident memory of the worker's process. Threads show that of their process: do not add those up.",
        queries: {
          '{{instance}} {{worker_id}}': 'max by (instance, worker_id) (gunicorn_worker_memory_bytes{WORKER})',
        },
      },
      {
        title: 'Snapshot age by worker',
        unit: 's',
        description:
          'Time since the worker last published. What grows is a blocked event loop. Empty for the Python exporter.',
        queries: {
          '{{instance}} {{worker_id}}': 'max by (instance, worker_id) (gunicorn_exporter_snapshot_age_seconds{WORKER})',
        },
      },
    ],
  },
  {
    title: 'Routes',
    panels: [
      {
        title: 'Requests by route',
        unit: 'reqps',
        description: 'The ten busiest routes. `unmatched` is what was answered 404, `other` what is above the cap.',
        queries: { '{{http_route}}': `topk(10, sum by (http_route) (${routed('')}))` },
      },
      {
        title: 'Latency by route, p95',
        unit: 's',
        description: 'The ten slowest routes. Empty while there are no requests.',
        queries: {
          '{{http_route}}': `topk(10, histogram_quantile(0.95, sum by (http_route, le) (rate(http_server_request_duration_seconds_bucket{ROUTE}${RATE}))))`,
        },
      },
      {
        title: 'Errors by route',
        unit: 'reqps',
        description: 'Failed requests per second, aborts by clients left out. Empty while nothing fails.',
        queries: {
          '{{http_route}}': `topk(10, sum by (http_route) (${routed(', error_type!="", error_type!="aborted"')}))`,
        },
      },
      {
        title: 'Requests by status',
        unit: 'reqps',
        description: 'Requests per second by the status of their answer; none was sent where it is missing.',
        queries: {
          '{{http_request_method}} {{http_response_status_code}}': `sum by (http_request_method, http_response_status_code) (${routed('')})`,
        },
        stacked: true,
      },
      {
        title: 'Response size by route, mean',
        unit: 'bytes',
        description: 'Body bytes written per response. Empty while there are no requests.',
        queries: { '{{http_route}}': `topk(10, ${mean('http_server_response_body_size_bytes')})` },
      },
      {
        title: 'Request size by route, mean',
        unit: 'bytes',
        description: 'Body bytes read per request. Empty while there are no requests.',
        queries: { '{{http_route}}': `topk(10, ${mean('http_server_request_body_size_bytes')})` },
      },
    ],
  },
  {
    title: 'Errors',
    panels: [
      {
        title: 'Failed requests by error type',
        unit: 'reqps',
        description:
          'Summed over all processes, those that have crashed included. `aborted`: the client went away. Empty until something fails.',
        queries: { '{{error_type}}': `sum by (error_type) (${routed(', error_type!=""')})` },
        stacked: true,
      },
      {
        title: 'Failed requests by worker',
        unit: 'reqps',
        description: 'One worker only, or all of them? Empty until something fails.',
        queries: {
          '{{instance}} {{worker_id}}': `sum by (instance, worker_id) (rate(gunicorn_worker_failed_requests_total{WORKER}${RATE}))`,
        },
        stacked: true,
      },
      {
        title: 'Handled errors that were no request',
        unit: 'cps',
        description:
          'What could not be parsed, came too late, or failed in TLS: scanners, health checks, other protocols. Empty until there is one.',
        queries: {
          '{{error_type}}': `sum by (error_type) (rate(gunicorn_worker_error_handling_total{WORKER, method="UNKNOWN"}${RATE}))`,
        },
        stacked: true,
      },
    ],
  },
  {
    title: 'Restarts',
    panels: [
      {
        title: 'Restarts by reason',
        kind: 'bars',
        unit: 'short',
        description:
          'Workers that ended and had another take their place: quit and term by order, crash, kill and abort not.',
        queries: {
          '{{reason}}': `sum by (reason) (${restarts('gunicorn_master_worker_restarts_total')} or ${restarts('gunicorn_master_worker_restart_total')})`,
        },
      },
      {
        title: 'Exits by restart type',
        unit: 'short',
        description:
          'Exits of the last five minutes (GUNICORN_OTEL_EXITED_RETENTION), or of all time with slot ids: graceful or forced. Empty until a worker ends.',
        queries: {
          '{{restart_type}} {{reason}}': 'sum by (restart_type, reason) (gunicorn_worker_restart_count_total{WORKER})',
        },
        stacked: true,
      },
      {
        title: 'Signals',
        kind: 'bars',
        unit: 'short',
        description:
          'Signals that the primary has seen. CHLD comes with each child that ends, the others only where the app listens to them.',
        queries: { '{{signal}}': `sum by (signal) (increase(gunicorn_master_signals_total{SEL}${RATE}))` },
      },
      {
        title: 'Age of the youngest worker',
        unit: 's',
        width: 24,
        description: 'Falls to nothing with each start, also where nobody counts them (PM2, systemd).',
        queries: { '{{job}} {{instance}}': 'min by (job, instance) (gunicorn_worker_uptime_seconds{SEL})' },
      },
    ],
  },
  {
    title: 'Exporter health',
    panels: [
      {
        title: 'Scrape duration',
        unit: 's',
        description: 'How long the exporter collects and renders, in a thread of its own.',
        queries: {
          '{{job}} {{instance}}': 'max by (job, instance) (gunicorn_exporter_last_scrape_duration_seconds{SEL})',
        },
      },
      {
        title: 'Scrapes and their errors',
        unit: 'cps',
        description: 'Collections made, those that failed or took too long, and whom the endpoint has refused.',
        queries: {
          scrapes: `sum(rate(gunicorn_exporter_scrapes_total{SEL}${RATE}))`,
          failed: `sum(rate(gunicorn_exporter_scrape_errors_total{SEL}${RATE}))`,
          'refused {{reason}}': `sum by (reason) (rate(gunicorn_exporter_refused_total{SEL}${RATE}))`,
        },
      },
      {
        title: 'Series',
        unit: 'short',
        description: 'Series in a scrape; a histogram counts once per label set.',
        queries: { '{{job}} {{instance}}': 'max by (job, instance) (gunicorn_exporter_series{SEL})' },
      },
      {
        title: 'Overflow by metric',
        unit: 'cps',
        description: 'Measurements that went into an overflow series, because a cap is reached.',
        queries: { '{{metric}}': `sum by (metric) (rate(gunicorn_exporter_overflow_total{SEL}${RATE}))` },
      },
      {
        title: 'Failures of measuring',
        kind: 'bars',
        unit: 'short',
        description:
          "By cause: inside the app's processes, reading their snapshots, and jumps of the clock. The app feels none of them. Empty until there is one.",
        queries: {
          'measuring {{cause}}': `sum by (cause) (increase(gunicorn_exporter_errors_total{SEL}${RATE}))`,
          'snapshots {{cause}}': `sum by (cause) (increase(gunicorn_exporter_snapshot_errors_total{SEL}${RATE}))`,
          'clock jumps': `sum(increase(gunicorn_exporter_clock_jumps_total{SEL}${RATE}))`,
        },
      },
      {
        title: 'Versions',
        kind: 'table',
        unit: 'none',
        description:
          'Versions of this package and of Node, and metrics of the app that are left out since their name is taken (Conflicts). Conflicts are empty where there are none.',
        queries: {
          Instances: 'count by (job, version, node_version) (gunicorn_exporter_info{SEL})',
          Conflicts: 'count by (job, metric) (gunicorn_exporter_conflicts{SEL})',
        },
      },
      {
        title: 'Redis took the last forward',
        unit: 'bool',
        description: 'Whether Redis took what was last forwarded. Empty where nothing is forwarded.',
        queries: { '{{job}} {{instance}}': 'min by (job, instance) (gunicorn_exporter_redis_up{SEL})' },
      },
      {
        title: 'Forwards to Redis',
        unit: 'cps',
        description: 'Forwards tried, and those that failed by cause. Empty where nothing is forwarded.',
        queries: {
          forwards: `sum(rate(gunicorn_exporter_redis_forwards_total{SEL}${RATE}))`,
          'failed {{cause}}': `sum by (cause) (rate(gunicorn_exporter_redis_errors_total{SEL}${RATE}))`,
        },
      },
      {
        title: 'Time of a forward, and since the last good one',
        unit: 's',
        description:
          'How long a forward to Redis takes, and how long ago one went well. Empty where nothing is forwarded.',
        queries: {
          duration: 'max(gunicorn_exporter_redis_last_forward_duration_seconds{SEL})',
          'since {{instance}}':
            'time() - max by (instance) (gunicorn_exporter_redis_last_success_timestamp_seconds{SEL})',
        },
      },
      {
        title: 'Pushes (OTLP, console)',
        unit: 'cps',
        width: 24,
        description: 'Pushes tried, and those that failed or took too long. Empty where nothing is pushed.',
        queries: {
          '{{exporter}}': `sum by (exporter) (rate(gunicorn_exporter_pushes_total{SEL}${RATE}))`,
          '{{exporter}} failed': `sum by (exporter) (rate(gunicorn_exporter_push_errors_total{SEL}${RATE}))`,
        },
      },
    ],
  },
];
