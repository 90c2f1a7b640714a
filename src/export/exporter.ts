/** Everything that reads a group and answers scrapes, put together; runs in a thread of its own. */
import { dirname } from 'node:path';
import type { MetricData } from '@opentelemetry/sdk-metrics';
import pidusage from 'pidusage';
import { GroupProducer, type Scene } from '../aggregate/producer.ts';
import { ResourceSampler } from '../aggregate/resources.ts';
import { WallClock } from '../aggregate/wall-clock.ts';
import { GroupReader } from '../aggregate/workers.ts';
import { type ExporterState, project } from '../catalogue/views.ts';
import type { Settings } from '../config.ts';
import { report, setLogLevel } from '../report.ts';
import { pageRoutes } from '../server/page-files.ts';
import { countRefusals } from '../server/refusals.ts';
import { createMetricsServer } from '../server/server.ts';
import { sweepDeadGroups } from '../snapshot/group.ts';
import { holdLead, type Lead, leadingOf } from '../snapshot/leader.ts';
import { type EndpointOptions, openEndpoint } from './endpoint.ts';
import { healthOf } from './health.ts';
import { instanceOf } from './instance.ts';
import { LastingCounts } from './lasting-counts.ts';
import { Scraper } from './prometheus.ts';
import { startPushers } from './pushers.ts';
import { resourceOf, settledResource } from './resource.ts';
import { StatusTeller } from './status.ts';

/** Handed from the process to its exporter thread: structured-clonable. */
export interface ExporterOptions {
  readonly directory: string;
  readonly settings: Settings;
  readonly version: string;
  /** By which this process exposes the group, and since when the group's totals are counted. */
  readonly lead: Lead;
  /** The group has had an exporter before, which has died. */
  readonly resumed?: boolean;
}

/** What its process may ask of the exporter's thread, by message; `collect` is answered with the same number. */
export type Order = { readonly order: 'stop' | 'forward' } | { readonly order: 'collect'; readonly number: number };
/** What the thread says by itself or in answer. */
export interface Answer {
  readonly url?: string;
  readonly number?: number;
  readonly metrics?: readonly MetricData[];
  readonly error?: string;
  /** Somebody else leads the group now. */
  readonly lost?: true;
}

/** What the exporter's thread is started with. */
export interface ThreadData {
  readonly options: ExporterOptions;
  /** Of the process. */
  readonly argv: readonly string[];
  readonly execArgv: readonly string[];
  /** One number, counted up once a second for as long as the thread does anything. */
  readonly beats: Int32Array;
}

export interface Exporter {
  /** The one that listens, or is to; another one where what secures the endpoint has changed. */
  readonly server: unknown;
  /** The group as it stands; for readers in the process itself. */
  collect(): Promise<readonly MetricData[]>;
  /** Begins to forward to Redis, where that has not begun. */
  forward(): void;
  /** From now on it keeps no process alive; for one that is not in a thread of its own. */
  unref(): void;
  /** Lets go of the port at once. @returns when the last pushes are over; nobody needs to wait */
  stop(): Promise<void>;
}

const TICK_MS = 1000;
// CPU is told over the time between two samples; without scrapes a sample is taken so often.
const SAMPLE_TICKS = 10;

/**
 * Begins to serve.
 *
 * @param onListening - told the URL each time the endpoint begins to listen
 * @param onLost - told when somebody else has taken the lead: it is to be stopped
 */
export function startExporter(
  options: ExporterOptions,
  onListening: (url: string) => void = () => {},
  onLost: () => void = () => {},
): Exporter {
  const { directory, settings, version, lead } = options;
  const { startMs } = lead;
  setLogLevel(settings.logLevel);
  const reader = new GroupReader({
    directory,
    exitedRetentionMs: settings.exitedRetentionMs,
    maxSeries: settings.maxSeries,
    leads: leadingOf(directory, lead),
  });
  const sampler = new ResourceSampler(pidusage as unknown as ConstructorParameters<typeof ResourceSampler>[0]);
  const clock = new WallClock();
  const counts = new LastingCounts(directory);
  const refusals = countRefusals();
  const view = (scene: Scene) => {
    const metrics = project(scene, state(), settings);
    counts.keep();
    return metrics;
  };
  const producer = new GroupProducer({ reader, sampler, clock, startMs, view });
  const goOn = counts.goOn.bind(counts);
  const { expectedWorkers } = settings;
  const state = (): ExporterState => ({
    ...scraper.stats,
    ...pushers.state,
    refusals: refusals.counts,
    version,
    expectedWorkers,
    goOn,
  });
  const resource = resourceOf(settings);
  const scraper = new Scraper({
    producer: producer.seenBy((scene) => project(scene, state(), settings, 'passing')),
    resource,
    timeoutMs: settings.scrapeTimeoutMs,
  });
  const pushers = startPushers({ settings, producer, resource, directory, startMs, resumed: options.resumed });
  const status = new StatusTeller({
    scene: () => producer.scene(),
    exporter: state,
    keep: () => counts.keep(),
    views: settings,
    service: instanceOf(settledResource(resource), directory, startMs, settings.serviceName).service,
  });
  const createServer: EndpointOptions['createServer'] = (secured) =>
    createMetricsServer({
      scrape: ({ encode, ...shown }) => {
        // What passes is counted when it is rendered.
        const keepAndEncode = (text: Buffer) => {
          counts.keep();
          return encode(text);
        };
        return scraper.scrape(shown, keepAndEncode);
      },
      onRefused: refusals.count,
      health: () => healthOf(reader.read(), expectedWorkers),
      routes: { ...pageRoutes(), '/status.json': () => status.answer() },
      ...secured,
    });

  let endpoint: ReturnType<typeof openEndpoint> | undefined;
  if (settings.metricsExporters.includes('prometheus')) {
    endpoint = openEndpoint({ directory, settings, createServer }, onListening);
  } else {
    // OTel's variable may be meant for the app's own SDK, which reads it, too.
    const opens = 'GUNICORN_OTEL_METRICS_EXPORTER=prometheus opens one, whatever other tools are told';
    report('info', `no endpoint is opened: the exporters are ${settings.metricsExporters}; ${opens}`);
  }

  let ticks = 0;
  const ticker = setInterval(() => {
    if (!holdLead(directory, lead)) return onLost();
    tellOfJump(clock.look());
    status.forget(clock.nowMonotonicMs());
    ticks += 1;
    // A thread that has ended says so in its file, which is read for that now and then.
    if (ticks % SAMPLE_TICKS === 0) reader.read();
    if (ticks % SAMPLE_TICKS === 0) void sampler.sample(reader.living());
    else reader.reap();
  }, TICK_MS);
  void sampler.sample(reader.living());
  sweepDeadGroups(dirname(directory));

  return {
    get server() {
      return endpoint?.server;
    },
    async collect() {
      const { resourceMetrics } = await producer.collect();
      return resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics);
    },
    forward: () => pushers.forward(),
    unref() {
      endpoint?.unref();
      ticker.unref();
      pushers.unref();
    },
    async stop() {
      clearInterval(ticker);
      endpoint?.stop();
      await pushers.stop();
    },
  };
}

function tellOfJump(jumpMs: number): void {
  if (jumpMs === 0) return;
  const seconds = `${jumpMs > 0 ? '+' : ''}${(jumpMs / 1000).toFixed(1)}`;
  report('warn', `the clock has jumped by ${seconds} s: it was set, or the machine slept; ages do not follow it`);
}
