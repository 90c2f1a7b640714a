/** GUNICORN_OTEL_CONFIG: the module that exports settings, views and hooks. */
import { holdSetting, NO_LINE } from './setting-cases.ts';

holdSetting('configFile', {
  variable: 'GUNICORN_OTEL_CONFIG',
  fallback: 'gunicorn.conf.mjs',
  valid: [
    ['conf/metrics.cjs', 'conf/metrics.cjs'],
    ['/etc/app/gunicorn.conf.mjs', '/etc/app/gunicorn.conf.mjs'],
  ],
  invalid: [...NO_LINE],
});
