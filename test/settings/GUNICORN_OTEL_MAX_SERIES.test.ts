/** GUNICORN_OTEL_MAX_SERIES: how many label sets a metric may have. */
import { holdSetting, NO_NUMBER } from './setting-cases.ts';

holdSetting('maxSeries', {
  variable: 'GUNICORN_OTEL_MAX_SERIES',
  fallback: 2000,
  valid: [
    ['1', 1],
    ['1000000', 1e6],
  ],
  invalid: [...NO_NUMBER, '0', '1000001'],
});
