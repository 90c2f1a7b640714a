/** GUNICORN_OTEL_SCRAPE_TIMEOUT: when a scrape has taken too long. */
import { holdSetting, NO_TIME } from './setting-cases.ts';

holdSetting('scrapeTimeoutMs', {
  variable: 'GUNICORN_OTEL_SCRAPE_TIMEOUT',
  fallback: 10_000,
  valid: [
    ['20', 20_000],
    ['10', 10_000],
    ['100ms', 100],
  ],
  invalid: [...NO_TIME, '0', '99ms'],
});
