/** GUNICORN_OTEL_OBSERVABLE_INTERVAL: how often observable callbacks run at most. */
import { holdSetting, NO_TIME } from './setting-cases.ts';

holdSetting('observableIntervalMs', {
  variable: 'GUNICORN_OTEL_OBSERVABLE_INTERVAL',
  fallback: 5000,
  valid: [
    ['10', 10_000],
    ['0.1', 100],
    ['250ms', 250],
    ['2m', 120_000],
  ],
  invalid: [...NO_TIME, '0', '99ms'],
});
