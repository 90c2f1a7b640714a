/**
 * What `/status.json` says, and the page and `gunicorn-otel top` show: the group at a glance, now and over the last seconds.
 * Fields are added, none changes its meaning while `version` is the same.
 */

/** Numbers over a window of time. What nothing is known of is null, never 0. */
export interface Load {
  /** Since the group (a route, a worker) began: completed requests, and those of them that failed. */
  readonly requests: number;
  readonly failedRequests: number;
  /** In the window; null while there is none, which is so in the first answer after nobody has asked for a while. */
  readonly requestsPerSecond: number | null;
  readonly failedRequestsPerSecond: number | null;
  /**
   * Of the requests in the window, or of all of them where the rate is null; seconds, estimated from the buckets as
   * histogram_quantile() does. Null without requests.
   */
  readonly durationSeconds: { readonly p50: number | null; readonly p95: number | null; readonly p99: number | null };
}

export interface WorkerStatus extends Load {
  readonly id: string;
  readonly pid: number;
  /** single, primary, worker, child, thread. */
  readonly role: string;
  /** running, quitting, aborting, unresponsive; newer versions may know more. */
  readonly state: string;
  /** Unix seconds when that was entered. */
  readonly stateSinceSeconds: number;
  readonly uptimeSeconds: number;
  /** Of one core, over the last sampling interval. */
  readonly cpuPercent: number | null;
  readonly memoryBytes: number | null;
  /** Since it has last published anything: below two seconds in a worker that is not blocked. */
  readonly snapshotAgeSeconds: number;
}

export interface RouteStatus extends Load {
  readonly method: string;
  /** As in the label `http_route`: a pattern, `unmatched`, or `other`. */
  readonly route: string;
}

export interface StatusEvent {
  /** Unix ms. */
  readonly atMs: number;
  /** exit: a worker has ended; restart: one has ended and another took its place; signal: the primary has seen one. */
  readonly kind: 'exit' | 'restart' | 'signal';
  /** Of exits and restarts; '' for a signal. */
  readonly workerId: string;
  /** Why it has ended (quit, term, abort, kill, crash), or the signal's name without SIG. */
  readonly what: string;
}

export interface Status {
  readonly version: 1;
  /** Unix ms of this moment, by the exporter's clock. */
  readonly atMs: number;
  /** What the rates of all loads are over; null while there is none. */
  readonly windowSeconds: number | null;
  /** Unix ms since when the totals are counted. */
  readonly startMs: number;
  readonly service: string;
  /** Of this package, and of Node in the exporter. */
  readonly packageVersion: string;
  readonly nodeVersion: string;
  /** As /healthz has it. */
  readonly health: 'ok' | 'degraded';
  /** 0: any number. */
  readonly expectedWorkers: number;
  readonly activeRequests: number;
  /** Of all workers, the dead included. */
  readonly total: Load;
  /** Those alive, by id: worker_2 before worker_10. */
  readonly workers: readonly WorkerStatus[];
  /** Most requests in the window first, then most of all time. */
  readonly routes: readonly RouteStatus[];
  /** Newest first. */
  readonly events: readonly StatusEvent[];
  /** How many were left out above, for there is a most of each. */
  readonly omitted: { readonly workers: number; readonly routes: number };
  readonly exporter: {
    readonly scrapes: number;
    readonly scrapeErrors: number;
    readonly lastScrapeSeconds: number;
    readonly series: number;
    /** Of snapshots that could not be read, by cause. */
    readonly snapshotErrors: Readonly<Record<string, number>>;
    /** Measurements that went into the overflow series, by metric. */
    readonly overflow: Readonly<Record<string, number>>;
  };
}
