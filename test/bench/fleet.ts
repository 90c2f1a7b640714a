/** A fleet of simulated groups in a real Redis, and what one endpoint for all of them takes: time and memory. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { createClient } from 'redis';
import { FLEET_METRICS } from '../../src/export/fleet-metrics.ts';
import { encodeValue } from '../../src/export/group-value.ts';
import { CLI } from '../cli.ts';
import { until } from '../processes.ts';
import { NO_REDIS, startRedis } from '../redis-server.ts';
import { request } from '../requests.ts';
import { groupValue } from './redis-value.ts';
import type { Report } from './report.ts';
import { median } from './statistics.ts';

const GROUPS = 50;
const SERIES = 1000;
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 21);
const WARM_UP_ROUNDS = 5;
const AT = /metrics of the fleet are at (http\S+)/;

interface Figures {
  readonly samples: number;
  readonly megabytes: number;
  readonly scrapeMs: number;
  readonly gzipMs: number;
  readonly readMs: number;
  readonly rssMb: number;
}

/** @throws when there is no redis-server on the path */
export async function fleet(report: Report): Promise<void> {
  if (NO_REDIS) throw new Error(NO_REDIS);
  const ends: (() => unknown)[] = [];
  try {
    const redis = await startRedis({ after: (end) => void ends.push(end) });
    const client = createClient({ socket: { port: redis.port } });
    await client.connect();
    ends.push(() => client.destroy());
    const write = async () => {
      for (let i = 0; i < GROUPS; i += 1) {
        const key = `gunicorn:shop:box-${i}`;
        const value = { ...groupValue(i % 2 === 0 ? 'counter' : 'histogram', SERIES), id: `box-${i}` };
        await client.set(key, encodeValue({ ...value, intervalMs: 60_000 }));
        await client.zAdd('gunicorn:index', { score: Date.now(), value: key });
      }
    };
    const rows: string[][] = [];
    for (const mode of ['', '--sum']) {
      const figures = await measure(redis.port, mode, write);
      rows.push([mode || 'by instance', ...Object.values(figures).map((figure: number) => figure.toFixed(1))]);
    }
    report.say(
      `${GROUPS} groups of ${SERIES} series each, half of them counters, half histograms of 17 buckets. Medians of ${ROUNDS} ` +
        'scrapes; read: when every group has written anew.',
    );
    report.table(['serve --redis', 'samples', 'MB', 'scrape ms', 'with gzip ms', 'read ms', 'RSS MB'], rows);
  } finally {
    for (const end of ends.reverse()) await end();
  }
}

async function measure(port: number, mode: string, write: () => Promise<void>): Promise<Figures> {
  const env = { ...process.env, REDIS_PORT: String(port), REDIS_FORWARD_INTERVAL: '1', PROMETHEUS_METRICS_PORT: '0' };
  const args = [CLI, 'serve', '--redis', ...(mode ? [mode] : [])];
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
  try {
    const url = await urlOf(child);
    const figure = async (name: string) => figureOf((await request(url)).body, name);
    const read: number[] = [];
    for (let i = 0; i < 3; i += 1) {
      await write();
      // The longest of the looks that have seen something of it.
      let longest = 0;
      const reads = await figure(FLEET_METRICS.reads.name);
      await until(async () => {
        longest = Math.max(longest, await figure(FLEET_METRICS.seconds.name));
        return (await figure(FLEET_METRICS.reads.name)) >= reads + 3;
      }, 'three looks');
      read.push(longest * 1000);
    }
    const plain: number[] = [];
    const gzip: number[] = [];
    for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round += 1) {
      for (const [encoding, times] of [
        ['identity', plain],
        ['gzip', gzip],
      ] as const) {
        const startMs = performance.now();
        await request(url, { headers: { 'accept-encoding': encoding } });
        if (round >= 0) times.push(performance.now() - startMs);
      }
    }
    const { body } = await request(url);
    return {
      samples: body.split('\n').filter((line) => line !== '' && line[0] !== '#').length,
      megabytes: body.length / 1e6,
      scrapeMs: median(plain),
      gzipMs: median(gzip),
      readMs: median(read),
      rssMb: Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) / 1024,
    };
  } finally {
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }
}

async function urlOf(child: ChildProcess): Promise<string> {
  for await (const line of createInterface({ input: child.stderr! })) {
    const url = AT.exec(line)?.[1];
    if (url) return url;
  }
  throw new Error('serve --redis has ended');
}

function figureOf(text: string, name: string): number {
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? 0);
}
