/** A fleet as one endpoint: what Redis has of every instance, and the metrics about reading it. */
import { emptyResource } from '@opentelemetry/resources';
import type { MetricProducer } from '@opentelemetry/sdk-metrics';
import type { Settings } from '../config.ts';
import { countRefusals } from '../server/refusals.ts';
import { createMetricsServer } from '../server/server.ts';
import { type EndpointOptions, openEndpoint } from './endpoint.ts';
import { fleetMetrics } from './fleet-metrics.ts';
import { FleetReader } from './fleet-reader.ts';
import { FleetSums } from './fleet-sums.ts';
import { instanceFamilies, summedFamilies } from './fleet-view.ts';
import { Scraper } from './prometheus.ts';

export interface FleetOptions {
  readonly settings: Settings;
  /** Counters, histograms and amounts are added up over the instances of a service. */
  readonly sum: boolean;
}

/** Begins to read and to serve. */
export function startFleet({ settings, sum }: FleetOptions): { readonly url: Promise<string>; stop(): Promise<void> } {
  const sums = new FleetSums(settings);
  const reader = new FleetReader({
    settings,
    onValue: (value) => sum && sums.add(value),
    onRead: () => sum && sums.forget(new Set(reader.instances.map(({ id }) => id))),
  });
  const refusals = countRefusals();
  const collect: MetricProducer['collect'] = async () => {
    const { instances } = reader;
    const families = sum ? summedFamilies(instances, sums) : instanceFamilies(instances);
    const metrics = [...families, ...fleetMetrics(reader.stats, instances.length, sums.overflow, refusals.counts)];
    const scope = { name: '@x/gunicorn-otel' };
    return { resourceMetrics: { resource: emptyResource(), scopeMetrics: [{ scope, metrics }] }, errors: [] };
  };
  const scraper = new Scraper({ producer: { collect }, timeoutMs: settings.scrapeTimeoutMs });
  const createServer: EndpointOptions['createServer'] = (secured) =>
    createMetricsServer({
      scrape: ({ encode, ...shown }) => scraper.scrape(shown, encode),
      onRefused: refusals.count,
      health: () => ({
        status: reader.stats.up === 1 ? 'ok' : 'degraded',
        workers: reader.instances.length,
        expectedWorkers: 0,
      }),
      ...secured,
    });
  let opened = (_: string) => {};
  const url = new Promise<string>((resolve) => {
    opened = resolve;
  });
  const endpoint = openEndpoint({ settings, createServer }, (at) => opened(at));
  return {
    url,
    async stop() {
      endpoint.stop();
      await reader.stop();
    },
  };
}
