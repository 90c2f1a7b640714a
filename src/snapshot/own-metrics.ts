/** The metrics that this package itself records in every process: written by `record`, projected by `catalogue`. */
import type { MetricKind } from './series-table.ts';

/** Scope of all of them; what has another scope is the app's. */
export const OWN_SCOPE = '@x/gunicorn-otel';

/** Request cells: duration in seconds, request body and response body in bytes, as three histograms of one cell. */
export const REQUESTS_METRIC = 'requests';
/** How many histograms one of its cells holds. */
export const REQUEST_HISTOGRAMS = 3;
/** Requests under way, by method. */
export const ACTIVE_REQUESTS_METRIC = 'active_requests';
/** Measurements that a cap has sent into an overflow series, by metric. */
export const OVERFLOW_METRIC = 'overflow';
/** Errors that were handled and are counted with no request, by http.request.method, http.route and error.type. */
export const HANDLED_ERRORS_METRIC = 'handled_errors';
/** Signals that the owner of the group has seen, by signal and action. */
export const SIGNALS_METRIC = 'signals';
/** Workers that ended and had a successor, by reason. */
export const RESTARTS_METRIC = 'restarts';
/** The last exits of workers, one event each; see exit-events.ts. */
export const EXITS_METRIC = 'exits';
/** Exits of workers whose ids come back (slots), by worker_id and reason. */
export const EXITS_BY_WORKER_METRIC = 'exits_by_worker';
/** Those of them that had a successor. */
export const RESTARTS_BY_WORKER_METRIC = 'restarts_by_worker';
/** When the last signals came, one event each; see count-events.ts. */
export const SIGNAL_TIMES_METRIC = 'signal_times';
/** The same of exits by worker. */
export const EXIT_TIMES_METRIC = 'exit_times';
/** The same of restarts by worker. */
export const RESTART_TIMES_METRIC = 'restart_times';
/** Failures of measuring, by cause. */
export const ERRORS_METRIC = 'errors';

/** The kind of each: a file in which one has another kind was not written by us. */
export const OWN_KINDS: Readonly<Record<string, MetricKind>> = {
  [REQUESTS_METRIC]: 'histogram',
  [ACTIVE_REQUESTS_METRIC]: 'updowncounter',
  [OVERFLOW_METRIC]: 'counter',
  [HANDLED_ERRORS_METRIC]: 'counter',
  [SIGNALS_METRIC]: 'counter',
  [RESTARTS_METRIC]: 'counter',
  [EXITS_METRIC]: 'event',
  [EXITS_BY_WORKER_METRIC]: 'counter',
  [RESTARTS_BY_WORKER_METRIC]: 'counter',
  [SIGNAL_TIMES_METRIC]: 'event',
  [EXIT_TIMES_METRIC]: 'event',
  [RESTART_TIMES_METRIC]: 'event',
  [ERRORS_METRIC]: 'counter',
};
