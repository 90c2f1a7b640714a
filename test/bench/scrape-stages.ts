/** Reads one group again and again, stage by stage; started by scrape-cost.ts with its directory and GUNICORN_OTEL_LABELS. */
import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { emptyResource } from '@opentelemetry/resources';
import pidusage from 'pidusage';
import { merge } from '../../src/aggregate/merge.ts';
import { GroupProducer, type Scene } from '../../src/aggregate/producer.ts';
import { ResourceSampler } from '../../src/aggregate/resources.ts';
import { GroupReader } from '../../src/aggregate/workers.ts';
import { toMetricData } from '../../src/catalogue/families.ts';
import { type ExporterState, familiesOf, project, type ViewOptions } from '../../src/catalogue/views.ts';
import { Exposition } from '../../src/export/exposition.ts';
import { Scraper } from '../../src/export/prometheus.ts';
import { ROUNDS, settled, WARM_UP_ROUNDS } from './scrape-cost.ts';
import { median } from './statistics.ts';

const MAX_SERIES = 2000;
const RETENTION_MS = 300_000;
const EXPORTER: ExporterState = {
  version: '0',
  expectedWorkers: 0,
  scrapes: 1,
  scrapeErrors: 0,
  lastScrapeSeconds: 0.1,
  series: 1,
};

/** Medians in milliseconds. */
export interface StageTimes {
  /** Who lives. */
  readonly reap: number;
  readonly read: number;
  readonly merge: number;
  /** Families of the catalogue, and what is OTel's made of them. */
  readonly view: number;
  readonly otel: number;
  readonly text: number;
  /** What OTel's own serializer takes for the same text. */
  readonly serializer: number;
  /** All of it through Scraper, without the last. */
  readonly scrape: number;
}

const [directory = '', labels] = process.argv.slice(2) as [string, ViewOptions['labels']];
const options: ViewOptions = { labels, exitedRetentionMs: RETENTION_MS, unresponsiveAfterMs: 1e9, gaugeModes: {} };
const reader = new GroupReader({ directory, exitedRetentionMs: RETENTION_MS, maxSeries: MAX_SERIES });
const sampler = new ResourceSampler(pidusage as unknown as ConstructorParameters<typeof ResourceSampler>[0]);
let scene: Scene | undefined;
const view = (seen: Scene) => {
  scene = seen;
  return project(seen, EXPORTER, options);
};
const producer = new GroupProducer({ reader, sampler, startMs: 1, view });
const resource = emptyResource();
const scraper = new Scraper({ producer, resource, timeoutMs: 60_000 });
const exposition = new Exposition();
const serializer = new PrometheusSerializer('', false, undefined, false, true);

const times = new Map<string, number[]>();
const timed = <T>(stage: keyof StageTimes, work: () => T): T => {
  const startMs = performance.now();
  const result = work();
  times.set(stage, [...(times.get(stage) ?? []), performance.now() - startMs]);
  return result;
};
for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round += 1) {
  const startMs = performance.now();
  await scraper.scrape({ format: 'text' }, (text) => text.length);
  times.set('scrape', [...(times.get('scrape') ?? []), performance.now() - startMs]);
}
// Apart from the above, which is not to pay for the garbage of what it is compared with.
for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round += 1) {
  timed('reap', () => reader.reap());
  const members = timed('read', () => reader.read());
  timed('merge', () => merge([...reader.totals, ...members], reader.places));
  const families = timed('view', () => [...familiesOf(scene!, EXPORTER, options)]);
  const metrics = timed('otel', () => families.map((family) => toMetricData(family, [0, 0], [1, 0])));
  const collected = { resource, scopeMetrics: [{ scope: { name: '' }, metrics }] };
  timed('text', () => exposition.render(collected));
  timed('serializer', () => serializer.serialize(collected));
}
console.log(JSON.stringify(Object.fromEntries([...times].map(([stage, all]) => [stage, median(settled(all))]))));
