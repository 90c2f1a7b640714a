/** OTEL_METRIC_EXPORT_INTERVAL: the time between two exports. */
import { holdSetting, NO_TIME } from './setting-cases.ts';

holdSetting('metricExportIntervalMs', {
  variable: 'OTEL_METRIC_EXPORT_INTERVAL',
  fallback: 60_000,
  valid: [
    ['5000', 5000],
    ['100', 100],
    ['30s', 30_000],
  ],
  invalid: [...NO_TIME, '0', '99'],
});
