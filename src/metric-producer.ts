/** The group's metrics for a MetricReader of the app's own: pushed by its exporter, beside its other metrics. */
import { createRequire } from 'node:module';
import type { CollectionResult, MetricProducer } from '@opentelemetry/sdk-metrics';
import type { Settings } from './config.ts';
import { activeMember, start } from './start.ts';

/**
 * A MetricProducer of the whole group: what a scrape shows, all workers, as cumulative OTel metrics under their names as
 * scraped. For `metricProducers` of a reader in the process that owns the group (the primary, the single process); in
 * other processes it gives nothing, so that every metric leaves once. Collecting runs in the exporter's thread.
 *
 * @param options - settings, as for start(); `{ metricsExporters: ['none'] }` opens no endpoint beside it
 * @returns rejects never: what cannot be collected is an error of the result
 * @throws GUNICORN_OTEL_ERR_DIRECTORY when there is no place for the group's files
 */
export function gunicornMetricProducer(options: Partial<Settings> = {}): MetricProducer {
  if (!activeMember()) start(options);
  const { emptyResource } = createRequire(import.meta.url)(
    '@opentelemetry/resources',
  ) as typeof import('@opentelemetry/resources');
  return {
    async collect(): Promise<CollectionResult> {
      const errors: unknown[] = [];
      const metrics = await (activeMember()?.exporter?.collect() ?? Promise.resolve([])).catch((error: unknown) => {
        errors.push(error);
        return [];
      });
      const scopeMetrics = metrics.length === 0 ? [] : [{ scope: { name: '@x/gunicorn-otel' }, metrics: [...metrics] }];
      return { resourceMetrics: { resource: emptyResource(), scopeMetrics }, errors };
    },
  };
}
