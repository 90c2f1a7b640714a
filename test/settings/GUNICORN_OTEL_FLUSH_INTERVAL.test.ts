/** GUNICORN_OTEL_FLUSH_INTERVAL: how long a request may stay unpublished under load. */
import { holdSetting, NO_TIME } from './setting-cases.ts';

holdSetting('flushIntervalMs', {
  variable: 'GUNICORN_OTEL_FLUSH_INTERVAL',
  fallback: 10,
  valid: [
    ['25', 25],
    ['1', 1],
    ['25ms', 25],
    ['1s', 1000],
    ['0.5 s', 500],
    ['2147483647ms', 2 ** 31 - 1],
  ],
  invalid: [...NO_TIME, '0', '0.5'],
});
