/** What a group's value in Redis weighs, and what it takes to write and to read it. */
import { decodeValue, encodeValue, type GroupValue, type ValueSeries } from '../../src/export/group-value.ts';
import type { Report } from './report.ts';
import { median } from './statistics.ts';

const ROUNDS = 15;
const BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60];
const SIZES = [1000, 10_000];

/** A row per kind and number of series, three labels each. */
export async function redisValue(report: Report): Promise<void> {
  const rows: string[][] = [];
  for (const type of ['counter', 'histogram'] as const) {
    for (const size of SIZES) {
      const value = groupValue(type, size);
      const bytes = encodeValue(value);
      const writeMs = medianMs(() => encodeValue(value));
      const readMs = medianMs(() => decodeValue(bytes));
      rows.push([`${size.toLocaleString('en')} ${type}s`, (bytes.length / 1000).toFixed(0), writeMs, readMs]);
    }
  }
  report.say(`Medians of ${ROUNDS} rounds, three labels a series.`);
  report.table(['series', 'kB', 'write ms', 'read ms'], rows);
}

/** A group with one family of so many series. */
export function groupValue(type: 'counter' | 'histogram', size: number): GroupValue {
  const series = Array.from({ length: size }, (_, i): ValueSeries => {
    const labels = { worker_id: `worker_${(i % 16) + 1}_1700000000`, method: 'GET', endpoint: `/users/${i >> 4}/:id` };
    return { labels, value: type === 'counter' ? random(1e6) : Array.from({ length: 18 }, () => random(1e4)) };
  });
  const family = { name: `shop_${type}s`, type, help: 'x', ...(type === 'histogram' && { bounds: BOUNDS }), series };
  const instance = { service: 'shop', id: 'box-7-1', host: 'box', pid: 7, startMs: 1, writtenAtMs: 2, intervalMs: 3 };
  return { ...instance, resource: {}, families: [family] };
}

function random(below: number): number {
  return Math.floor(Math.random() * below);
}

function medianMs(work: () => unknown): string {
  const times = Array.from({ length: ROUNDS }, () => {
    const startMs = performance.now();
    work();
    return performance.now() - startMs;
  });
  return median(times).toFixed(1);
}
