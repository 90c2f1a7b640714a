/** Everything that a group sends by itself: OTLP and console pushes, and the forwarding to Redis. All of it off unless set. */
import type { Resource } from '@opentelemetry/resources';
import type { MetricProducer, PushMetricExporter } from '@opentelemetry/sdk-metrics';
import type { ExporterState, PushState } from '../catalogue/views.ts';
import { messageOf } from '../errors.ts';
import { report } from '../report.ts';
import { ConsoleExporter } from './console-exporter.ts';
import { type GroupValue, valueFamilies } from './group-value.ts';
import { instanceOf, pushedResource } from './instance.ts';
import { createOtlpExporter } from './otlp.ts';
import { type Push, startPush } from './push.ts';
import { type ForwardSettings, RedisForwarder } from './redis.ts';

/** The settings of this room's pushes, by the names they have in SETTINGS; what is undefined is off or at its default. */
export interface PusherSettings extends ForwardSettings {
  readonly redisEnabled?: boolean | undefined;
  /** prometheus, otlp, console, none. */
  readonly metricsExporters?: readonly string[] | undefined;
  readonly metricExportIntervalMs?: number | undefined;
  readonly metricExportTimeoutMs?: number | undefined;
  readonly serviceName?: string | undefined;
}

export interface PushersOptions {
  readonly settings: PusherSettings;
  readonly producer: MetricProducer;
  /** Of the service, as scrapes show it. */
  readonly resource: Resource;
  /** Of the group. */
  readonly directory: string;
  /** When the group began, in unix ms. */
  readonly startMs: number;
  /** Not the first exporter of this group. */
  readonly resumed?: boolean | undefined;
}

/** What runs, and what became of it so far. */
export interface Pushers {
  readonly state: Pick<ExporterState, 'redis' | 'pushes'>;
  /** Begins to forward to Redis, where that has not begun. */
  forward(): void;
  /** Ends what could keep a process alive; for an exporter that has no thread of its own. */
  unref(): void;
  /** Tells a last time what there is. @returns when that is over, which may be long; nobody needs to wait */
  stop(): Promise<void>;
}

const DEFAULT_INTERVAL_MS = 60_000;
const DEFAULT_TIMEOUT_MS = 30_000;

const EXPORTERS: Readonly<Record<string, () => Promise<PushMetricExporter | undefined>>> = {
  otlp: () => createOtlpExporter(process.env),
  console: async () => new ConsoleExporter(),
};

/** @throws never: what cannot be started says one line */
export function startPushers(options: PushersOptions): Pushers {
  const { settings, producer, directory, startMs } = options;
  // Some detectors take a moment; to ask before they are done is a complaint of theirs, and an answer without them.
  const identity = async () => {
    await options.resource.waitForAsyncAttributes?.();
    const instance = instanceOf(options.resource, directory, startMs, settings.serviceName);
    return { instance, resource: pushedResource(instance, options.resource) };
  };
  const pushes = new Map<string, PushState>();
  const running = new Map<string, Promise<Push | undefined>>();
  const abandoned = new Set<string>();
  for (const name of settings.metricsExporters ?? []) {
    if (!Object.hasOwn(EXPORTERS, name) || running.has(name)) continue;
    const state = { pushes: 0, errors: 0 };
    pushes.set(name, state);
    running.set(name, begin(name, state));
  }
  let forwarder: RedisForwarder | undefined;
  let forwards = false;
  let stopped = false;
  if (settings.redisEnabled) forward();

  return {
    get state() {
      return { redis: forwarder?.state, pushes };
    },
    forward,
    unref() {
      if (!running.has('otlp')) return;
      // A request under way, or a pause before it is tried again, keeps a loop alive, and nothing in the exporter helps that.
      abandoned.add('otlp');
      report('warn', 'OTEL_METRICS_EXPORTER=otlp needs a thread for the exporter: nothing is pushed');
    },
    async stop() {
      stopped = true;
      for (const name of running.keys()) abandoned.add(name);
      const ends = [...running.values()].map(async (push) => (await push)?.stop());
      await Promise.all([forwarder?.stop(), ...ends]);
    },
  };

  async function begin(name: string, state: PushState): Promise<Push | undefined> {
    try {
      const exporter = await EXPORTERS[name]!();
      if (!exporter || abandoned.has(name)) return undefined;
      const times = timesOf(settings);
      const { resource } = await identity();
      report('info', `metrics are pushed by ${name} every ${times.intervalMs / 1000} s`);
      return startPush({ name, exporter, producer, resource, state, resumed: options.resumed ?? false, ...times });
    } catch (error) {
      report('error', `OTEL_METRICS_EXPORTER=${name} cannot push: ${messageOf(error)}`);
      return undefined;
    }
  }

  function forward(): void {
    if (forwards) return;
    forwards = true;
    void identity().then(({ instance, resource }) => {
      const collect = async (): Promise<Pick<GroupValue, 'resource' | 'families'>> => {
        const { resourceMetrics } = await producer.collect();
        const families = valueFamilies(resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics));
        return { resource: flat(resource), families };
      };
      if (!stopped) forwarder = new RedisForwarder({ settings, instance, collect });
    });
  }
}

function timesOf(settings: PusherSettings): { intervalMs: number; timeoutMs: number } {
  const intervalMs = settings.metricExportIntervalMs || DEFAULT_INTERVAL_MS;
  const timeoutMs = settings.metricExportTimeoutMs || DEFAULT_TIMEOUT_MS;
  if (timeoutMs <= intervalMs) return { intervalMs, timeoutMs };
  report(
    // Nobody has asked for the default.
    timeoutMs === DEFAULT_TIMEOUT_MS ? 'debug' : 'info',
    `OTEL_METRIC_EXPORT_TIMEOUT (${timeoutMs} ms) is longer than OTEL_METRIC_EXPORT_INTERVAL: ${intervalMs} ms is used`,
  );
  return { intervalMs, timeoutMs: intervalMs };
}

function flat({ attributes }: Resource): Record<string, string | number> {
  const entries = Object.entries(attributes).filter(([, value]) => value !== undefined);
  return Object.fromEntries(
    entries.map(([key, value]) => [
      key,
      typeof value === 'string' || typeof value === 'number' ? value : JSON.stringify(value),
    ]),
  );
}
