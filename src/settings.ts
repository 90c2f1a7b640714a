/** Every setting, as one table: the variable that sets it, what it accepts, its default and its meaning. Data only. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { REDIS_SETTINGS } from './redis-settings.ts';
import { LOG_LEVELS } from './report.ts';
import {
  attributes,
  boolean,
  buckets,
  directory,
  duration,
  flag,
  gaugeModes,
  host,
  instrumentations,
  integer,
  line,
  listOf,
  oneOf,
} from './setting-parsers.ts';
import type { SettingsTable } from './setting-row.ts';

/** Seconds; the OTel advice for HTTP durations and the original's buckets, united. */
const DURATION_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60];
const DETECTORS = ['env', 'host', 'os', 'process', 'serviceinstance', 'all', 'none'];

// Named by lines that say why the endpoint stays closed.
const NO_FILE = '(not understood)';

/** Every setting, by the name it has in code; `--help`, `check` and docs/configuration.md show this table. */
export const SETTINGS: SettingsTable = {
  metricsPort: {
    variable: 'PROMETHEUS_METRICS_PORT',
    otelVariable: 'OTEL_EXPORTER_PROMETHEUS_PORT',
    fallback: 9090,
    ...integer(0, 65_535),
    meaning: 'port of the endpoint; 0: any free port',
  },
  bindAddress: {
    variable: 'PROMETHEUS_BIND_ADDRESS',
    otelVariable: 'OTEL_EXPORTER_PROMETHEUS_HOST',
    fallback: '0.0.0.0',
    ifWrong: '127.0.0.1',
    ...host('a host name or an IP address of this machine'),
    meaning: 'address the endpoint listens on',
  },
  sslCertfile: {
    variable: 'PROMETHEUS_SSL_CERTFILE',
    fallback: '',
    ifWrong: NO_FILE,
    ...line('the path of a PEM file'),
    meaning: 'certificate of the endpoint, with its chain; with PROMETHEUS_SSL_KEYFILE the endpoint is https',
  },
  sslKeyfile: {
    variable: 'PROMETHEUS_SSL_KEYFILE',
    fallback: '',
    ifWrong: NO_FILE,
    ...line('the path of a PEM file'),
    meaning: "private key of the endpoint's certificate, not encrypted",
  },
  sslClientCafile: {
    variable: 'PROMETHEUS_SSL_CLIENT_CAFILE',
    fallback: '',
    ifWrong: NO_FILE,
    ...line('the path of a PEM file'),
    meaning: 'who signs the certificates of clients; used with PROMETHEUS_SSL_CLIENT_AUTH_REQUIRED',
  },
  sslClientAuthRequired: {
    variable: 'PROMETHEUS_SSL_CLIENT_AUTH_REQUIRED',
    fallback: false,
    ifWrong: true,
    ...flag(),
    meaning: 'true: only clients with a certificate of PROMETHEUS_SSL_CLIENT_CAFILE are answered',
  },
  webConfigFile: {
    variable: 'GUNICORN_OTEL_WEB_CONFIG_FILE',
    fallback: '',
    ifWrong: NO_FILE,
    ...line('the path of a YAML file'),
    meaning: "who may read the endpoint, as for Prometheus' exporters: TLS, users, tokens; see docs/security.md",
  },
  multiprocDirectory: {
    variable: 'PROMETHEUS_MULTIPROC_DIR',
    fallback: join(tmpdir(), 'prometheus_multiproc'),
    ...directory(),
    meaning: 'where the processes of a group meet; made when it is not there',
  },
  group: {
    variable: 'GUNICORN_OTEL_GROUP',
    fallback: '',
    ...line('a name in one line'),
    meaning: 'processes without a common parent that give the same name are one group; see docs/aggregation.md',
  },
  expectedWorkers: {
    variable: 'GUNICORN_WORKERS',
    fallback: 0,
    ...integer(0, 100_000),
    meaning: 'workers that should be alive; /healthz says degraded below it; 0: any number will do',
  },
  configFile: {
    variable: 'GUNICORN_OTEL_CONFIG',
    fallback: 'gunicorn.conf.mjs',
    ...line('the path of a JavaScript module'),
    meaning: 'module that exports settings, views and hooks; the default is read if it is there',
  },
  labels: {
    variable: 'GUNICORN_OTEL_LABELS',
    fallback: 'standard',
    ...oneOf('standard', 'detailed'),
    meaning: 'detailed: adds method and endpoint to the per-worker request families',
  },
  workerIds: {
    variable: 'GUNICORN_OTEL_WORKER_ID',
    fallback: 'unique',
    ...oneOf('unique', 'slot'),
    meaning:
      'slot: a new worker takes over the worker_id and the counters of one that has ended; unique: each has its own',
  },
  httpSource: {
    variable: 'GUNICORN_OTEL_HTTP_SOURCE',
    fallback: 'channels',
    ...oneOf('channels', 'instrumentation-http'),
    meaning: "who tells of requests: Node's channels, or OpenTelemetry's HttpInstrumentation, which also traces",
  },
  gaugeModes: {
    variable: 'GUNICORN_OTEL_GAUGE_MODES',
    fallback: Object.freeze({}),
    ...gaugeModes(),
    meaning: "how the values of the app's gauges become one; liveall: one series per living worker",
  },
  durationBuckets: {
    variable: 'GUNICORN_OTEL_DURATION_BUCKETS',
    fallback: DURATION_BUCKETS,
    ...buckets(),
    meaning: 'upper bounds of the request duration histograms, in seconds',
  },
  flushIntervalMs: {
    variable: 'GUNICORN_OTEL_FLUSH_INTERVAL',
    fallback: 10,
    ...duration('ms', 1),
    meaning: 'under load, the longest a completed request stays unpublished (what a SIGKILL can lose)',
  },
  observableIntervalMs: {
    variable: 'GUNICORN_OTEL_OBSERVABLE_INTERVAL',
    fallback: 5000,
    ...duration('s', 100),
    meaning: "the callbacks of the app's observable instruments run at most once in this time",
  },
  unresponsiveAfterMs: {
    variable: 'GUNICORN_OTEL_UNRESPONSIVE_AFTER',
    fallback: 5000,
    ...duration('s', 2000),
    meaning: 'a worker that has published nothing for so long is in the state unresponsive',
  },
  exitedRetentionMs: {
    variable: 'GUNICORN_OTEL_EXITED_RETENTION',
    fallback: 300_000,
    ...duration('s', 0),
    meaning: 'how long the counters of an exited worker stay visible under its worker_id',
  },
  maxEndpoints: {
    variable: 'GUNICORN_OTEL_MAX_ENDPOINTS',
    fallback: 100,
    ...integer(1, 10_000),
    meaning: 'different endpoints a process tells apart; what comes after is `other`',
  },
  maxSeries: {
    variable: 'GUNICORN_OTEL_MAX_SERIES',
    fallback: 2000,
    ...integer(1, 1_000_000),
    meaning: 'label sets per metric for the life of a process; what comes after is one overflow series',
  },
  scrapeTimeoutMs: {
    variable: 'GUNICORN_OTEL_SCRAPE_TIMEOUT',
    fallback: 10_000,
    ...duration('s', 100),
    meaning: 'a scrape that takes longer is answered with 503',
  },
  sdkDisabled: {
    variable: 'OTEL_SDK_DISABLED',
    fallback: false,
    ...boolean(),
    meaning: 'true: this package does nothing at all',
  },
  logLevel: {
    variable: 'OTEL_LOG_LEVEL',
    fallback: 'info',
    ...oneOf(...LOG_LEVELS),
    meaning: 'from which level on this package writes lines to stderr',
  },
  serviceName: {
    variable: 'OTEL_SERVICE_NAME',
    fallback: '',
    ...line('a name in one line'),
    meaning: 'service_name of target_info; comes before service.name in OTEL_RESOURCE_ATTRIBUTES',
  },
  resourceAttributes: {
    variable: 'OTEL_RESOURCE_ATTRIBUTES',
    fallback: Object.freeze({}),
    ...attributes(),
    meaning: 'labels of target_info; come before what the detectors find',
  },
  resourceDetectors: {
    variable: 'OTEL_NODE_RESOURCE_DETECTORS',
    fallback: ['env'],
    ...listOf(DETECTORS, ['all', 'none']),
    meaning: 'what else target_info tells: of the host, the operating system, the process, an id of this start',
  },
  metricsExporters: {
    variable: 'GUNICORN_OTEL_METRICS_EXPORTER',
    otelVariable: 'OTEL_METRICS_EXPORTER',
    fallback: ['prometheus'],
    ...listOf(['prometheus', 'otlp', 'console', 'none'], ['none']),
    meaning: 'where the metrics go; without prometheus there is no endpoint',
  },
  metricExportIntervalMs: {
    variable: 'OTEL_METRIC_EXPORT_INTERVAL',
    fallback: 60_000,
    ...duration('ms', 100),
    meaning: 'time between two exports of otlp and console',
  },
  metricExportTimeoutMs: {
    variable: 'OTEL_METRIC_EXPORT_TIMEOUT',
    fallback: 30_000,
    ...duration('ms', 1),
    meaning: 'an export of otlp or console that takes longer has failed',
  },
  enabledInstrumentations: {
    variable: 'OTEL_NODE_ENABLED_INSTRUMENTATIONS',
    fallback: ['http'],
    ...instrumentations(),
    meaning:
      "what is counted by itself: http, the app's requests; runtime-node, its event loop, garbage collection and heap",
  },
  disabledInstrumentations: {
    variable: 'OTEL_NODE_DISABLED_INSTRUMENTATIONS',
    fallback: [],
    ...instrumentations(),
    meaning: 'what of these is not counted',
  },
  ...REDIS_SETTINGS,
};
