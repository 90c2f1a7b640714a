/** Views for an SDK of the app's own that records the HTTP conventions itself, by HttpInstrumentation say. */
import { createRequire } from 'node:module';
import type { ViewOptions } from '@opentelemetry/sdk-metrics';
import { readSettings } from './config.ts';
import { SIZE_BUCKETS } from './record/request-table.ts';

const REQUEST_ATTRIBUTES = ['http.request.method', 'http.route', 'http.response.status_code', 'error.type'];

/**
 * OTel's ViewOptions that give the HTTP server instruments the buckets and attributes they have here, whoever records
 * them: to be given to a MeterProvider or NodeSDK of the app's own. Durations have the buckets of
 * GUNICORN_OTEL_DURATION_BUCKETS.
 *
 * @throws when `@opentelemetry/sdk-metrics` cannot be loaded
 */
export function gunicornViews(): ViewOptions[] {
  const { AggregationType, createAllowListAttributesProcessor } = createRequire(import.meta.url)(
    '@opentelemetry/sdk-metrics',
  ) as typeof import('@opentelemetry/sdk-metrics');
  const { durationBuckets } = readSettings(process.env).settings;
  const histograms = {
    'http.server.request.duration': durationBuckets,
    'http.server.request.body.size': SIZE_BUCKETS,
    'http.server.response.body.size': SIZE_BUCKETS,
  };
  return [
    ...Object.entries(histograms).map(
      ([instrumentName, boundaries]): ViewOptions => ({
        instrumentName,
        aggregation: {
          type: AggregationType.EXPLICIT_BUCKET_HISTOGRAM,
          options: { boundaries: [...boundaries] },
        },
        attributesProcessors: [createAllowListAttributesProcessor(REQUEST_ATTRIBUTES)],
      }),
    ),
    {
      instrumentName: 'http.server.active_requests',
      attributesProcessors: [createAllowListAttributesProcessor(['http.request.method'])],
    },
  ];
}
