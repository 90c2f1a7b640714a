/** What a row of the catalogue says: a metric as it is documented, and where its values come from. */

/** Where the values of a row come from. */
export type Source =
  /**
   * The request cells: how many requests, or one of their histograms. `per`: kept apart by worker, or summed over all.
   * `only`: requests with an error, see http_server_request_duration_seconds. `and`: a sum that is counted beside them,
   * by error type, for what belongs to no request.
   */
  | {
      readonly from: 'requests';
      readonly value: RequestValue;
      readonly per: 'worker' | 'group';
      readonly only?: 'failed';
      readonly and?: string;
    }
  /** One value of each living worker. */
  | { readonly from: 'worker'; readonly value: WorkerValue }
  /** A sum that processes publish under `metric`, its attributes as labels. */
  | { readonly from: 'sum'; readonly metric: string }
  /** Exits of workers, as they were seen by the process that had started them; all, or those that had a successor. */
  | { readonly from: 'exits'; readonly which: 'all' | 'replaced' }
  /** The sum `metric` by reason; where `worker_id` is among the labels, the exits that had a successor. */
  | { readonly from: 'restarts'; readonly metric: string }
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
  | 'refusals'
  | 'clockJumps'
  | 'series'
  | 'expectedWorkers'
  | 'conflicts'
  | 'pushes'
  | 'pushErrors'
  | 'redisUp'
  | 'redisForwards'
  | 'redisErrors'
  | 'redisLastForwardSeconds'
  | 'redisLastSuccessSeconds';

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
