/** GUNICORN_OTEL_WORKER_ID: what a worker is called. */
import { holdSetting } from './setting-cases.ts';

holdSetting('workerIds', {
  variable: 'GUNICORN_OTEL_WORKER_ID',
  fallback: 'unique',
  valid: [
    ['slot', 'slot'],
    ['unique', 'unique'],
    ['SLOT', 'slot'],
  ],
  invalid: ['pid', '1', 'constructor'],
});
