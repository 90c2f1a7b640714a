/** The metrics of a fleet's endpoint about itself; docs/redis.md has the same table. */
import type { MetricData } from '@opentelemetry/sdk-metrics';
import { type Family, toMetricData } from '../catalogue/families.ts';
import type { FleetStats } from './fleet-reader.ts';

/** Name, type and help of each. */
export const FLEET_METRICS = {
  instances: { name: 'gunicorn_fleet_instances', type: 'gauge', help: 'Instances whose metrics are in Redis' },
  up: { name: 'gunicorn_fleet_redis_up', type: 'gauge', help: 'Whether Redis could be read the last time' },
  reads: { name: 'gunicorn_fleet_reads_total', type: 'counter', help: 'Times that Redis was looked at' },
  errors: {
    name: 'gunicorn_fleet_read_errors_total',
    type: 'counter',
    help: 'Reads that failed, and values that could not be read',
  },
  seconds: {
    name: 'gunicorn_fleet_last_read_duration_seconds',
    type: 'gauge',
    help: 'How long the last look at Redis took',
  },
  overflow: {
    name: 'gunicorn_fleet_overflow_total',
    type: 'counter',
    help: 'Values that were added to the overflow series of a sum',
  },
  refused: {
    name: 'gunicorn_fleet_refused_total',
    type: 'counter',
    help: 'Connections and requests that the endpoint has refused or cut off, by reason',
  },
} as const;

/**
 * @param overflow - how often, by metric
 * @param refusals - how often, by reason
 */
export function fleetMetrics(
  stats: FleetStats,
  instances: number,
  overflow: ReadonlyMap<string, number>,
  refusals: ReadonlyMap<string, number>,
): MetricData[] {
  const { reads, errors, up, lastReadSeconds } = stats;
  const one = (value: number) => [{ labels: {}, value }];
  const by = (label: string, counts: ReadonlyMap<string, number>) =>
    [...counts].map(([name, value]) => ({ labels: { [label]: name }, value }));
  const families: Family[] = [
    { ...FLEET_METRICS.instances, points: one(instances) },
    { ...FLEET_METRICS.up, points: one(up) },
    { ...FLEET_METRICS.reads, points: one(reads) },
    { ...FLEET_METRICS.errors, points: by('cause', errors) },
    { ...FLEET_METRICS.seconds, points: one(lastReadSeconds) },
    { ...FLEET_METRICS.overflow, points: by('metric', overflow) },
    { ...FLEET_METRICS.refused, points: by('reason', refusals) },
  ];
  return families.map((family) => toMetricData(family, [0, 0], [1, 0]));
}
