/** One group read again and again in this process, stage by stage or by a real exporter thread; started by scrape-cost.ts. */
import { once } from 'node:events';
import { get } from 'node:http';
import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { emptyResource } from '@opentelemetry/resources';
import pidusage from 'pidusage';
import { merge } from '../../src/aggregate/merge.ts';
import { GroupProducer, type Scene } from '../../src/aggregate/producer.ts';
import { ResourceSampler } from '../../src/aggregate/resources.ts';
import { GroupReader } from '../../src/aggregate/workers.ts';
import { toHrTime, toMetricData } from '../../src/catalogue/families.ts';
import { type ExporterState, familiesOf, project, type ViewOptions } from '../../src/catalogue/views.ts';
import { readSettings } from '../../src/config.ts';
import { Exposition } from '../../src/export/exposition.ts';
import { Scraper } from '../../src/export/prometheus.ts';
import { ExporterThread } from '../../src/exporter-thread.ts';

const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 15);
const WARM_UP_ROUNDS = 5;
const EXPORTER: ExporterState = {
  version: '0',
  expectedWorkers: 0,
  scrapes: 1,
  scrapeErrors: 0,
  lastScrapeSeconds: 0.1,
  series: 1,
};

/** Medians in milliseconds; `scrape` is the whole of it through Scraper. */
export interface StageTimes {
  readonly reap: number;
  readonly read: number;
  readonly merge: number;
  readonly view: number;
  readonly otel: number;
  /** OTel's serializer, for comparison. */
  readonly serializer: number;
  readonly text: number;
  readonly scrape: number;
  /** Peak resident memory above what it was before the first read. */
  readonly addedMb: number;
}

/** Medians as an HTTP client on the main thread sees the exporter's thread. */
export interface ThreadFigures {
  readonly plainMs: number;
  readonly gzipMs: number;
  readonly textBytes: number;
  /** Resident memory of the process above what it was before the thread was started. */
  readonly addedMb: number;
}

const MODES: Readonly<Record<string, () => Promise<object>>> = { stages, thread };
const [mode = '', directory = '', labels] = process.argv.slice(2);
console.log(JSON.stringify(await MODES[mode]!()));

async function stages(): Promise<StageTimes> {
  const options: ViewOptions = {
    labels: labels as ViewOptions['labels'],
    exitedRetentionMs: 300_000,
    unresponsiveAfterMs: 1e9,
    gaugeModes: {},
  };
  const beforeBytes = process.memoryUsage.rss();
  const reader = new GroupReader({ directory, exitedRetentionMs: 300_000, maxSeries: 2000 });
  const sampler = new ResourceSampler(pidusage as unknown as ConstructorParameters<typeof ResourceSampler>[0]);
  const view = (scene: Scene) => project(scene, EXPORTER, options);
  const producer = new GroupProducer({ reader, sampler, startMs: 1, maxSeries: 2000, view });
  const resource = emptyResource();
  const scraper = new Scraper({ producer, resource, timeoutMs: 60_000 });
  const exposition = new Exposition();
  const serializer = new PrometheusSerializer('', false, undefined, false, true);
  const times: Record<string, number[]> = {};
  const scrapes: number[] = [];
  for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round += 1) {
    const startMs = performance.now();
    await scraper.scrape();
    scrapes.push(performance.now() - startMs);
  }
  // The memory of the scrape as it is, without what the comparison takes.
  const addedMb = process.resourceUsage().maxRSS / 1024 - beforeBytes / 1024 ** 2;
  for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round += 1) {
    const timed = <T>(stage: string, work: () => T): T => {
      const startMs = performance.now();
      const result = work();
      times[stage] ??= [];
      times[stage].push(performance.now() - startMs);
      return result;
    };
    timed('reap', () => reader.livingPids());
    const members = timed('read', () => reader.read());
    const merged = timed('merge', () => merge(members, 2000));
    const nowMs = Date.now();
    const resources = await sampler.soon([]);
    const scene: Scene = {
      nowMs,
      startMs: 1,
      members,
      workers: members,
      resources,
      merged,
      snapshotErrors: new Map(),
    };
    const families = timed('view', () => familiesOf(scene, EXPORTER, options));
    const when = [toHrTime(1), toHrTime(nowMs)] as const;
    const metrics = timed('otel', () => families.map((family) => toMetricData(family, ...when)));
    const all = { resource, scopeMetrics: [{ scope: { name: '' }, metrics }] };
    timed('serializer', () => serializer.serialize(all));
    timed('text', () => exposition.render(all));
  }
  const of = (stage: string) => median(times[stage]!);
  return {
    reap: of('reap'),
    read: of('read'),
    merge: of('merge'),
    view: of('view'),
    otel: of('otel'),
    serializer: of('serializer'),
    text: of('text'),
    scrape: median(scrapes),
    addedMb,
  };
}

async function thread(): Promise<ThreadFigures> {
  const { settings } = readSettings({});
  await scrapeOwnServer();
  const beforeBytes = process.memoryUsage.rss();
  const exporter = new ExporterThread({
    directory,
    settings: { ...settings, metricsPort: 0, bindAddress: '127.0.0.1', logLevel: 'none', labels: labels as 'standard' },
    version: '0',
    startMs: Date.now(),
  });
  // The thread keeps no process alive.
  const alive = setInterval(() => {}, 1000);
  const url = (await exporter.url)!;
  const plain: number[] = [];
  const gzip: number[] = [];
  let textBytes = 0;
  for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round += 1) {
    const startMs = performance.now();
    textBytes = await download(url, {});
    plain.push(performance.now() - startMs);
    const gzipStartMs = performance.now();
    await download(url, { 'accept-encoding': 'gzip' });
    gzip.push(performance.now() - gzipStartMs);
  }
  const addedMb = (process.memoryUsage.rss() - beforeBytes) / 1024 ** 2;
  clearInterval(alive);
  exporter.stop();
  return { plainMs: median(plain), gzipMs: median(gzip), textBytes, addedMb };
}

// What the client itself needs is there before the memory is looked at.
async function scrapeOwnServer(): Promise<void> {
  const { createServer } = await import('node:http');
  const server = createServer((_req, res) => res.end('x'.repeat(1e6))).listen(0, '127.0.0.1');
  await once(server, 'listening');
  await download(`http://127.0.0.1:${(server.address() as { port: number }).port}/`, {});
  server.closeAllConnections();
  server.close();
}

// Bytes are counted and thrown away: the client's memory is not the thread's.
function download(url: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    get(url, { headers, agent: false }, (res) => {
      let bytes = 0;
      res.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      res.on('error', reject);
      res.on('end', () => {
        if (res.statusCode === 200) resolve(bytes);
        else reject(new Error(`status ${res.statusCode}`));
      });
    }).on('error', reject);
  });
}

// The first rounds are the compiler's.
function median(values: readonly number[]): number {
  const settled = values.slice(WARM_UP_ROUNDS).sort((a, b) => a - b);
  return settled[settled.length >> 1]!;
}
