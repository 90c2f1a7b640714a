/** GUNICORN_OTEL_EXITED_RETENTION: how long an exited worker stays visible. */
import { holdSetting, NO_TIME } from './setting-cases.ts';

holdSetting('exitedRetentionMs', {
  variable: 'GUNICORN_OTEL_EXITED_RETENTION',
  fallback: 300_000,
  valid: [
    ['60', 60_000],
    ['0', 0],
    ['0ms', 0],
    ['5m', 300_000],
  ],
  invalid: [...NO_TIME],
});
