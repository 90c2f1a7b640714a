/** GUNICORN_OTEL_UNRESPONSIVE_AFTER: when a worker that is silent is unresponsive. */
import { holdSetting, NO_TIME } from './setting-cases.ts';

holdSetting('unresponsiveAfterMs', {
  variable: 'GUNICORN_OTEL_UNRESPONSIVE_AFTER',
  fallback: 5000,
  valid: [
    ['10', 10_000],
    ['2', 2000],
    ['2500ms', 2500],
    ['1m', 60_000],
  ],
  invalid: [...NO_TIME, '0', '1', '1999ms'],
});
