/** GUNICORN_OTEL_HTTP_SOURCE: who tells of requests. */
import { holdSetting } from './setting-cases.ts';

holdSetting('httpSource', {
  variable: 'GUNICORN_OTEL_HTTP_SOURCE',
  fallback: 'channels',
  valid: [
    ['instrumentation-http', 'instrumentation-http'],
    ['channels', 'channels'],
    ['Instrumentation-HTTP', 'instrumentation-http'],
  ],
  invalid: ['http', 'otel', 'true', 'channels,instrumentation-http', '@opentelemetry/instrumentation-http'],
});
