/** Public API: explicit names, nothing else is stable. */
export type { MetricRow } from './catalogue/metric-row.ts';
export { METRICS } from './catalogue/metrics.ts';
export {
  type GaugeMode,
  type ModuleSettings,
  type ReadSettings,
  readSettings,
  SETTINGS,
  type Setting,
  type SettingOrigin,
  type Settings,
} from './config.ts';
export { ERROR_CODES, GunicornOtelError, type GunicornOtelErrorCode } from './errors.ts';
export { type Started, start } from './start.ts';
