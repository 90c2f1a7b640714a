/**
 * What makes each alert fire, and what looks much like it and does not: the input of `promtool test rules`. Series are of
 * job `shop` at instance `a:9090`; `a+bx60` is promtool's for 61 values, one per interval, that begin at a and rise by b.
 */

export interface AlertCase {
  readonly when: string;
  /** Series by name and labels. */
  readonly series: Readonly<Record<string, string>>;
  /** When it is looked at. */
  readonly at: string;
  /** `1m` unless told. */
  readonly interval?: string;
  /** What the alert's labels have besides job, instance and its own; it is silent where this is missing. */
  readonly fires?: Readonly<Record<string, string>>;
  /** How its texts show the value. */
  readonly value?: string;
  readonly withoutRecording?: boolean;
}

const requests = (worker: string) => `gunicorn_worker_requests_total{worker_id="${worker}"}`;
const uptime = (worker: string) => `gunicorn_worker_uptime_seconds{worker_id="${worker}"}`;
const memory = (worker: string) => `gunicorn_worker_memory_bytes{worker_id="${worker}"}`;
const state = (worker: string, name: string) =>
  `gunicorn_worker_state{worker_id="${worker}", state="${name}", timestamp="1700000000"}`;
const failed = (errorType: string) =>
  `gunicorn_worker_failed_requests_total{worker_id="w1", method="GET", endpoint="/", error_type="${errorType}"}`;
const bucket = (le: string) => `gunicorn_worker_request_duration_seconds_bucket{worker_id="w1", le="${le}"}`;
const restarts = (reason: string) => `gunicorn_master_worker_restarts_total{reason="${reason}"}`;
const lost = (cause: string) => `gunicorn_exporter_snapshot_errors_total{cause="${cause}"}`;
/** Three workers that have been there for long, so many requests a minute each. */
const load = (...perMinute: number[]) =>
  Object.fromEntries(
    perMinute.flatMap((rate, i) => [
      [requests(`w${i}`), `1+${rate}x60`],
      [uptime(`w${i}`), '3600+60x60'],
    ]),
  );
const EXPECTED = 'gunicorn_exporter_expected_workers';
const INFO = 'gunicorn_exporter_info{version="1", node_version="v20"}';

export const ALERT_CASES: Readonly<Record<string, readonly AlertCase[]>> = {
  GunicornErrorRatioHigh: [
    {
      when: 'every tenth request fails',
      series: { [requests('w1')]: '0+600x30', [failed('500')]: '0+60x30' },
      at: '20m',
      fires: {},
      value: '10%',
    },
    {
      when: 'every tenth fails with the Python exporter, which has no error_type',
      series: {
        [requests('w1')]: '0+600x30',
        'gunicorn_worker_failed_requests_total{worker_id="w1", method="GET", endpoint="/"}': '0+60x30',
      },
      at: '20m',
      fires: {},
      value: '10%',
    },
    {
      when: 'every tenth is aborted by its client',
      series: { [requests('w1')]: '0+600x30', [failed('aborted')]: '0+60x30' },
      at: '20m',
    },
    { when: 'one in 40 fails', series: { [requests('w1')]: '0+600x30', [failed('500')]: '0+15x30' }, at: '20m' },
    {
      when: 'half fail of four requests a minute',
      series: { [requests('w1')]: '0+4x30', [failed('500')]: '0+2x30' },
      at: '20m',
    },
    {
      when: 'every tenth failed for three minutes',
      series: { [requests('w1')]: '0+600x30', [failed('500')]: '0x15 60 120 180x20' },
      at: '20m',
    },
    { when: 'there are no requests', series: { [requests('w1')]: '5x30', [failed('500')]: '5x30' }, at: '20m' },
  ],
  GunicornLatencyHigh: [
    {
      when: 'one request in ten takes five seconds',
      series: {
        [requests('w1')]: '0+60x40',
        [bucket('1')]: '0+54x40',
        [bucket('5')]: '0+60x40',
        [bucket('+Inf')]: '0+60x40',
      },
      at: '30m',
      fires: { quantile: '0.95' },
      value: '3s',
    },
    {
      when: 'one request in 30 does',
      series: {
        [requests('w1')]: '0+60x40',
        [bucket('1')]: '0+58x40',
        [bucket('5')]: '0+60x40',
        [bucket('+Inf')]: '0+60x40',
      },
      at: '30m',
    },
    {
      when: 'all do, of three requests a minute',
      series: {
        [requests('w1')]: '0+3x40',
        [bucket('1')]: '0x40',
        [bucket('5')]: '0+3x40',
        [bucket('+Inf')]: '0+3x40',
      },
      at: '30m',
    },
    {
      when: 'it has been so for a few minutes only',
      series: {
        [requests('w1')]: '0+60x40',
        [bucket('1')]: '0+54x40',
        [bucket('5')]: '0+60x40',
        [bucket('+Inf')]: '0+60x40',
      },
      at: '9m',
    },
  ],
  GunicornWorkersFlapping: [
    {
      when: 'a worker crashes each minute',
      series: { [restarts('crash')]: '0+1x30', [restarts('quit')]: '0x30' },
      at: '20m',
      fires: {},
      value: '15',
    },
    {
      when: 'the Python exporter counts them without a reason, under the other name',
      series: { gunicorn_master_worker_restart_total: '0+1x30' },
      at: '20m',
      fires: {},
      value: '15',
    },
    {
      when: 'both names count the same crashes, and they are few',
      series: {
        [restarts('crash')]: '0x5 1 2 3x30',
        'gunicorn_master_worker_restart_total{reason="crash"}': '0x5 1 2 3x30',
      },
      at: '15m',
    },
    { when: 'three crash at once', series: { [restarts('kill')]: '0x5 3x30' }, at: '15m' },
    {
      when: 'a reload replaces ten',
      series: { [restarts('quit')]: '0x5 10x30', [restarts('term')]: '0+1x30' },
      at: '15m',
    },
  ],
  GunicornWorkerUnresponsive: [
    {
      when: 'a worker is blocked for two minutes',
      series: { [state('w1', 'running')]: '1x5 _x10', [state('w1', 'unresponsive')]: '_x6 1x10' },
      at: '9m',
      fires: { worker_id: 'w1' },
    },
    {
      when: 'it has been blocked for a quarter of a minute',
      interval: '15s',
      series: {
        [state('w1', 'running')]: '1x10 stale',
        [state('w1', 'unresponsive')]: '_x11 1 1',
      },
      at: '3m',
    },
    { when: 'it is quitting', series: { [state('w1', 'quitting')]: '1x30' }, at: '20m' },
  ],
  GunicornWorkerMemoryGrowing: [
    {
      when: 'a worker needs more and more',
      interval: '10m',
      series: { [memory('w1')]: '100000000+1700000x60', [uptime('w1')]: '0+600x60' },
      at: '7h',
      fires: { worker_id: 'w1' },
      value: '1.156',
    },
    {
      when: 'it goes up and down',
      interval: '10m',
      series: {
        [memory('w1')]: Array.from({ length: 10 }, () => '100000000+20000000x5').join(' '),
        [uptime('w1')]: '0+600x60',
      },
      at: '7h',
    },
    {
      when: 'it has just been started, and grows as long as it warms up',
      interval: '10m',
      series: { [memory('w1')]: '100000000+10000000x12 220000000x60', [uptime('w1')]: '0+600x60' },
      at: '4h',
    },
    {
      when: 'it has been so for a few minutes only',
      interval: '10m',
      series: { [memory('w1')]: '100000000+1700000x60', [uptime('w1')]: '0+600x60' },
      at: '5h20m',
    },
  ],
  GunicornLoadUneven: [
    { when: 'one worker does nearly all', series: load(600, 10, 10), at: '40m', fires: {} },
    { when: 'one of two does nearly all', series: load(600, 10), at: '40m', fires: {} },
    { when: 'one does nothing any more', series: load(100, 100, 0), at: '40m', fires: {} },
    { when: 'they differ by a third', series: load(100, 120, 140), at: '40m' },
    { when: 'there are few requests', series: load(10, 1, 1), at: '40m' },
    {
      when: 'one has never served, as a process that only measures',
      series: { ...load(100, 110), [requests('w9')]: '0x60', [uptime('w9')]: '3600+60x60' },
      at: '40m',
    },
    {
      when: 'one is new',
      series: { ...load(600, 600), [requests('w9')]: '_x35 1+100x25', [uptime('w9')]: '_x35 0+60x25' },
      at: '40m',
    },
    {
      when: 'one has exited, and its counter is still there',
      series: { ...load(600, 600), [requests('w9')]: '0+1x60' },
      at: '40m',
    },
    { when: 'it has been so for a few minutes only', series: load(600, 10, 10), at: '12m' },
  ],
  GunicornWorkersMissing: [
    {
      when: 'two of four are alive',
      series: { [EXPECTED]: '4x30', [state('w1', 'running')]: '1x30', [state('w2', 'unresponsive')]: '1x30' },
      at: '10m',
      fires: {},
      value: '2',
    },
    { when: 'none is', series: { [EXPECTED]: '4x30' }, at: '10m', fires: {}, value: '4' },
    {
      when: 'one that quits has no successor',
      series: { [EXPECTED]: '2x30', [state('w1', 'running')]: '1x30', [state('w2', 'quitting')]: '1x30' },
      at: '10m',
      fires: {},
      value: '1',
    },
    {
      when: 'a reload has twice as many for a while',
      series: {
        [EXPECTED]: '1x30',
        [state('w1', 'quitting')]: '1x30',
        [state('w2', 'running')]: '1x30',
      },
      at: '10m',
    },
    {
      when: 'nobody has said how many there should be',
      series: { [EXPECTED]: '0x30', [state('w1', 'running')]: '1x30' },
      at: '10m',
    },
    {
      when: 'one has just gone',
      series: { [EXPECTED]: '1x30', [state('w1', 'running')]: '1x5 stale' },
      at: '7m',
    },
  ],
  GunicornEndpointDown: [
    { when: 'it answers no more', series: { up: '1x10 0x30', [INFO]: '1x10 stale' }, at: '20m', fires: {} },
    { when: 'it is of another kind', series: { up: '1x10 0x30' }, at: '20m' },
    { when: 'it has just stopped', series: { up: '1x10 0x10', [INFO]: '1x10 stale' }, at: '12m' },
    { when: 'it answers', series: { up: '1x40', [INFO]: '1x40' }, at: '20m' },
  ],
  GunicornExporterDegraded: [
    { when: 'scrapes fail', series: { gunicorn_exporter_scrape_errors_total: '0+1x30' }, at: '20m', fires: {} },
    {
      when: 'scrapes are slow',
      series: { gunicorn_exporter_last_scrape_duration_seconds: '3x30' },
      at: '20m',
      fires: {},
    },
    {
      when: 'one was slow, and one had failed before',
      series: {
        gunicorn_exporter_scrape_errors_total: '7x30',
        gunicorn_exporter_last_scrape_duration_seconds: '0.01x15 3 0.01x15',
      },
      at: '16m',
    },
  ],
  GunicornMeasurementsLost: [
    {
      when: 'the first of its kind is lost',
      series: { [lost('lost')]: '_x20 1x20' },
      at: '25m',
      fires: { cause: 'lost' },
    },
    { when: 'one more is', series: { [lost('version')]: '3x20 4x20' }, at: '25m', fires: { cause: 'version' } },
    { when: 'it was long ago', series: { [lost('lost')]: '_x5 1x60' }, at: '40m' },
    { when: 'a write was cut short, and is made good', series: { [lost('torn')]: '0+1x60' }, at: '40m' },
  ],
  GunicornForwardingFailing: [
    { when: 'Redis takes nothing', series: { gunicorn_exporter_redis_up: '1x5 0x30' }, at: '15m', fires: {} },
    {
      when: 'every push fails',
      series: {
        'gunicorn_exporter_pushes_total{exporter="otlp"}': '0+1x30',
        'gunicorn_exporter_push_errors_total{exporter="otlp"}': '0+1x30',
      },
      at: '20m',
      fires: { exporter: 'otlp' },
    },
    {
      when: 'all goes well but for one push in ten',
      series: {
        gunicorn_exporter_redis_up: '1x30',
        'gunicorn_exporter_pushes_total{exporter="otlp"}': '0+10x30',
        'gunicorn_exporter_push_errors_total{exporter="otlp"}': '0+1x30',
      },
      at: '20m',
    },
    { when: 'Redis has just gone away', series: { gunicorn_exporter_redis_up: '1x5 0x10' }, at: '9m' },
  ],
  GunicornSeriesOverflow: [
    {
      when: 'what comes is too many',
      series: { 'gunicorn_exporter_overflow_total{metric="endpoint"}': '0+5x60' },
      at: '30m',
      fires: { metric: 'endpoint' },
    },
    {
      when: 'it was too many long ago',
      series: { 'gunicorn_exporter_overflow_total{metric="endpoint"}': '9x60' },
      at: '30m',
    },
    {
      when: 'it has just begun',
      series: { 'gunicorn_exporter_overflow_total{metric="endpoint"}': '0+5x60' },
      at: '10m',
    },
  ],
  GunicornRecordingRulesMissing: [
    {
      when: 'only the alerts are loaded',
      series: { [requests('w1')]: '0+1x60' },
      at: '40m',
      fires: {},
      withoutRecording: true,
    },
    { when: 'both files are', series: { [requests('w1')]: '0+1x60' }, at: '40m' },
    {
      when: 'rules have been loaded just now',
      series: { [requests('w1')]: '0+1x60' },
      at: '10m',
      withoutRecording: true,
    },
  ],
};
