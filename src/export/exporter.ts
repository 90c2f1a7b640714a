/** Everything that reads a group and answers scrapes, put together; runs in a thread of its own. */
import { renameSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { defaultResource, detectResources, envDetector } from '@opentelemetry/resources';
import pidusage from 'pidusage';
import { GroupProducer, isWorker } from '../aggregate/producer.ts';
import { ResourceSampler } from '../aggregate/resources.ts';
import { GroupReader } from '../aggregate/workers.ts';
import { project } from '../catalogue/views.ts';
import type { Settings } from '../config.ts';
import { messageOf } from '../errors.ts';
import { report, setLogLevel } from '../report.ts';
import { createMetricsServer } from '../server/server.ts';
import { sweepDeadGroups } from '../snapshot/directory.ts';
import { Scraper } from './prometheus.ts';
import { type PusherSettings, startPushers } from './pushers.ts';

/** Handed from the process to its exporter thread: structured-clonable. */
export interface ExporterOptions {
  readonly directory: string;
  readonly settings: Settings;
  readonly version: string;
  /** When the group began, in unix ms. */
  readonly startMs: number;
  /** The group has had an exporter before, which has died. */
  readonly resumed?: boolean;
}

export interface Exporter {
  readonly server: unknown;
  /** From now on it keeps no process alive; for one that is not in a thread of its own. */
  unref(): void;
  /** Lets go of the port at once. @returns when the last pushes are over; nobody needs to wait */
  stop(): Promise<void>;
}

/** Where the endpoint is, for people and tools: in the group directory under this name. */
export const EXPORTER_FILE = 'exporter.json';

const TICK_MS = 1000;
const RETRY_MS = 1000;
// CPU is told over the time between two samples; without scrapes a sample is taken so often.
const SAMPLE_TICKS = 10;

/**
 * Begins to serve.
 *
 * @param onListening - told the URL each time the endpoint begins to listen
 */
export function startExporter(options: ExporterOptions, onListening: (url: string) => void = () => {}): Exporter {
  const { directory, version, startMs } = options;
  const settings: Settings & PusherSettings = options.settings;
  setLogLevel(settings.logLevel);
  const reader = new GroupReader({
    directory,
    exitedRetentionMs: settings.exitedRetentionMs,
    maxSeries: settings.maxSeries,
  });
  const sampler = new ResourceSampler(pidusage as unknown as ConstructorParameters<typeof ResourceSampler>[0]);
  const producer = new GroupProducer({
    reader,
    sampler,
    startMs,
    maxSeries: settings.maxSeries,
    view: (scene) =>
      project(
        scene,
        { ...scraper.stats, ...pushers.state, version, expectedWorkers: settings.expectedWorkers },
        settings,
      ),
  });
  const resource = defaultResource().merge(detectResources({ detectors: [envDetector] }));
  const scraper = new Scraper({ producer, resource, timeoutMs: settings.scrapeTimeoutMs });
  const pushers = startPushers({ settings, producer, resource, startMs, resumed: options.resumed });
  const server = createMetricsServer({
    scrape: () => scraper.scrape(),
    health: () => {
      const workers = reader.read().filter((state) => state.alive && isWorker(state)).length;
      const { expectedWorkers } = settings;
      return { status: workers < expectedWorkers ? 'degraded' : 'ok', workers, expectedWorkers };
    },
  });

  let retry: NodeJS.Timeout | undefined;
  let referenced = true;
  let refused: string | undefined;
  const listen = () => {
    // An error may also come from a server that listens, when a connection could not be accepted.
    if (server.listening) return;
    server.listen({ port: settings.metricsPort, host: settings.bindAddress, exclusive: true });
  };
  server.on('error', (error: NodeJS.ErrnoException) => {
    // Said once per reason; the port may be free again at any time.
    if (refused !== error.code) report('warn', refusal(error, settings));
    refused = error.code;
    retry = setTimeout(listen, RETRY_MS);
    if (!referenced) retry.unref();
  });
  server.on('listening', () => {
    refused = undefined;
    const { port } = server.address() as AddressInfo;
    const url = `http://${urlHost(settings.bindAddress)}:${port}/metrics`;
    writeExporterFile(directory, { url, port, pid: process.pid });
    report('info', `metrics of process ${process.pid} and its workers are at ${url}`);
    onListening(url);
  });
  if (settings.metricsExporters?.includes('prometheus') ?? true) listen();

  let ticks = 0;
  const ticker = setInterval(() => {
    ticks += 1;
    // A thread that has ended says so in its file, which is read for that now and then.
    if (ticks % SAMPLE_TICKS === 0) reader.read();
    if (ticks % SAMPLE_TICKS === 0) void sampler.sample(reader.livingPids());
    else reader.reap();
  }, TICK_MS);
  void sampler.sample(reader.livingPids());
  sweepDeadGroups(dirname(directory));

  return {
    server,
    unref() {
      referenced = false;
      server.unref();
      ticker.unref();
      retry?.unref();
      pushers.unref();
    },
    async stop() {
      clearInterval(ticker);
      clearTimeout(retry);
      server.close();
      server.closeAllConnections();
      await pushers.stop();
    },
  };
}

function refusal({ code, message }: NodeJS.ErrnoException, { metricsPort, bindAddress }: Settings): string {
  const where = `${bindAddress}:${metricsPort}`;
  const retrying = 'the app runs on, metrics are collected, and the endpoint opens by itself once it can';
  if (code === 'EADDRINUSE')
    return `port ${metricsPort} is taken on ${bindAddress}: set PROMETHEUS_METRICS_PORT to a free one; ${retrying}`;
  if (code === 'EACCES')
    return `port ${metricsPort} needs rights this user has not: set PROMETHEUS_METRICS_PORT above 1023; ${retrying}`;
  return `cannot listen on ${where} (${code ?? message}): check PROMETHEUS_BIND_ADDRESS and PROMETHEUS_METRICS_PORT; ${retrying}`;
}

function writeExporterFile(directory: string, content: object): void {
  const path = join(directory, EXPORTER_FILE);
  try {
    writeFileSync(`${path}.new`, `${JSON.stringify(content)}\n`, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  } catch (error) {
    // The directory goes when the process ends, which this thread learns last.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    report('warn', `${path} cannot be written: ${messageOf(error)}`);
  }
}

// What one can open in a browser: nobody connects to "all addresses".
function urlHost(bindAddress: string): string {
  if (bindAddress === '0.0.0.0') return '127.0.0.1';
  if (bindAddress === '::') return '[::1]';
  return bindAddress.includes(':') ? `[${bindAddress}]` : bindAddress;
}
