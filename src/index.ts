/** Public API: explicit names, nothing else is stable. */
export type { MetricRow } from './catalogue/metric-row.ts';
export { METRICS } from './catalogue/metrics.ts';
export {
  type ReadSettings,
  readSettings,
  SETTINGS,
  type Setting,
  type SettingOrigin,
  type Settings,
} from './config.ts';
export { ERROR_CODES, GunicornOtelError, type GunicornOtelErrorCode } from './errors.ts';
export { gunicornViews } from './http-views.ts';
export { GunicornInstrumentation, type GunicornInstrumentationConfig } from './instrumentation.ts';
export type { ExitedWorkerInfo, Hooks, ServerInfo, WorkerInfo } from './lifecycle.ts';
export { gunicornMetricProducer } from './metric-producer.ts';
export { recordException, setRoute } from './record/marks.ts';
export { type Started, start } from './start.ts';
export { MasterMetrics, type OwnWorkerState, type RestartReason, WorkerMetrics } from './worker-metrics.ts';
