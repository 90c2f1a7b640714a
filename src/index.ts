/** Public API: explicit names, nothing else is stable. */
export { METRICS, type MetricRow } from './catalogue/metrics.ts';
export {
  type ReadSettings,
  readSettings,
  SETTINGS,
  type Setting,
  type SettingOrigin,
  type Settings,
} from './config.ts';
export { ERROR_CODES, GunicornOtelError, type GunicornOtelErrorCode } from './errors.ts';
export { type Started, start } from './start.ts';
