/** OTEL_METRIC_EXPORT_TIMEOUT: when an export has failed. */
import { holdSetting, NO_TIME } from './setting-cases.ts';

holdSetting('metricExportTimeoutMs', {
  variable: 'OTEL_METRIC_EXPORT_TIMEOUT',
  fallback: 30_000,
  valid: [
    ['5000', 5000],
    ['1', 1],
    ['10s', 10_000],
  ],
  invalid: [...NO_TIME, '0'],
});
