/** The metrics that this package itself records in every process: written by `record`, projected by `catalogue`. */

/** Scope of all of them; what has another scope is the app's. */
export const OWN_SCOPE = '@x/gunicorn-otel';

/** Request cells: duration in seconds, request body and response body in bytes, as three histograms of one cell. */
export const REQUESTS_METRIC = 'requests';
/** Requests under way, by method. */
export const ACTIVE_REQUESTS_METRIC = 'active_requests';
/** Measurements that a cap has sent into an overflow series, by metric. */
export const OVERFLOW_METRIC = 'overflow';
/** Failures of measuring, by cause. */
export const ERRORS_METRIC = 'errors';
