/** The rows about what leaves this machine by itself: pushes and the forwarding to Redis. Without samples where it is off. */
import type { MetricRow } from './metric-row.ts';

/** The last rows of the catalogue. */
export const FORWARDING_METRICS: readonly MetricRow[] = [
  {
    name: 'gunicorn_exporter_pushes_total',
    type: 'counter',
    unit: '',
    help: 'Pushes tried, failed ones included, by exporter (otlp, console).',
    labels: ['exporter'],
    source: { from: 'exporter', value: 'pushes' },
  },
  {
    name: 'gunicorn_exporter_push_errors_total',
    type: 'counter',
    unit: '',
    help: 'Pushes that failed or took too long, by exporter (otlp, console).',
    labels: ['exporter'],
    source: { from: 'exporter', value: 'pushErrors' },
  },
  {
    name: 'gunicorn_exporter_redis_up',
    type: 'gauge',
    unit: '',
    help: 'Whether Redis took what was last forwarded: 1, or 0 when it did not.',
    labels: [],
    source: { from: 'exporter', value: 'redisUp' },
  },
  {
    name: 'gunicorn_exporter_redis_forwards_total',
    type: 'counter',
    unit: '',
    help: 'Forwards to Redis tried, failed ones included.',
    labels: [],
    source: { from: 'exporter', value: 'redisForwards' },
  },
  {
    name: 'gunicorn_exporter_redis_errors_total',
    type: 'counter',
    unit: '',
    help: 'Forwards to Redis that failed, by cause.',
    labels: ['cause'],
    source: { from: 'exporter', value: 'redisErrors' },
  },
  {
    name: 'gunicorn_exporter_redis_last_forward_duration_seconds',
    type: 'gauge',
    unit: 'seconds',
    help: 'How long the forward before this one took, connecting and collecting included.',
    labels: [],
    source: { from: 'exporter', value: 'redisLastForwardSeconds' },
  },
  {
    name: 'gunicorn_exporter_redis_last_success_timestamp_seconds',
    type: 'gauge',
    unit: 'seconds',
    help: 'When Redis last took what was forwarded (unix seconds).',
    labels: [],
    source: { from: 'exporter', value: 'redisLastSuccessSeconds' },
  },
];
