/** Composition root of a process: which role it has, what is wired to what, and how it ends. */
import cluster from 'node:cluster';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { isMainThread, threadId } from 'node:worker_threads';
import type { MeterProvider } from '@opentelemetry/api';
import { readSettings, type Settings } from './config.ts';
import { ExporterThread } from './exporter-thread.ts';
import { GROUP_VARIABLE } from './group-variable.ts';
import { preload } from './preload.ts';
import type { AppMetrics } from './record/app-metrics.ts';
import { Failures } from './record/failures.ts';
import { ABORTED, watchHttp } from './record/http.ts';
import { RequestTable } from './record/request-table.ts';
import { report, setLogLevel } from './report.ts';
import {
  createGroupDirectory,
  isLiveGroup,
  ownMark,
  removeGroup,
  restoreGroup,
  snapshotFile,
} from './snapshot/directory.ts';
import { type Identity, type Role, SLOT_HEADER_BYTES } from './snapshot/layout.ts';
import { SeriesTable } from './snapshot/series-table.ts';
import { SnapshotWriter } from './snapshot/writer.ts';

/** What made a process wake up; see preload.ts. */
export type Sign = 'listen' | 'fork' | 'meter' | 'worker' | 'start';

/** A process that measures. */
export interface Activation {
  readonly settings: Settings;
  /** Absolute path of the group's directory. */
  readonly directory: string;
  /** The exporter, in the process that owns the group. */
  readonly exporter: ExporterThread | undefined;
  /** The provider of the app's instruments; the SDK is loaded on the first call. */
  meterProvider(): MeterProvider;
  /** Publishes a last time and lets go; the owner ends its exporter and deletes the group. */
  stop(): void;
}

// Tells a worker's threads the cluster id of their worker, which they cannot see.
const WORKER_ID_VARIABLE = 'GUNICORN_OTEL_CLUSTER_WORKER';

/** Of this package, from its package.json. */
export const VERSION = (
  JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
).version;

let active: (Activation & { role: Role; forks(): void }) | undefined;
let disabled = false;
// After a stop() the signs of preload.ts wake nobody any more, only another start() does.
let stopped = false;

/** What `start` gives. */
export interface Started {
  /** Where the endpoint is, once it listens; undefined in a process that does not own its group, or is disabled. */
  readonly url: Promise<string | undefined>;
  /** Ends measuring in this process; in the owner, the endpoint and the group too. Idempotent. @throws never */
  stop(): void;
}

/**
 * Begins to measure without being preloaded: call it before the app's first server and first instrument.
 *
 * @param options - settings by name, before those of the environment; ignored where measuring has begun already
 * @throws GUNICORN_OTEL_ERR_DIRECTORY when there is no place for the group's files
 */
export function start(options: Partial<Settings> = {}): Started {
  preload();
  const activation = activate('start', options);
  return { url: activation?.exporter?.url ?? Promise.resolve(undefined), stop: () => activation?.stop() };
}

/**
 * Makes this process a member of a group, or the owner of a new one; once, later calls give the same.
 *
 * @returns undefined when OTEL_SDK_DISABLED is true, or a stop() was the last word
 * @throws GUNICORN_OTEL_ERR_DIRECTORY when there is no place for the group's files
 */
export function activate(sign: Sign, options: Partial<Settings> = {}): Activation | undefined {
  if (active || disabled) {
    if (sign === 'fork') active?.forks();
    return active;
  }
  if (stopped && sign !== 'start') return undefined;
  stopped = false;
  const { settings, problems } = readSettings(process.env, options);
  setLogLevel(settings.logLevel);
  disabled = settings.sdkDisabled;
  if (disabled) return undefined;

  const inherited = process.env[GROUP_VARIABLE];
  const joins = inherited !== undefined && isLiveGroup(inherited);
  const directory = joins ? inherited : foundGroup(settings, problems);
  const role = roleOf(sign, joins);
  active = wire(
    settings,
    directory,
    role,
    joins ? undefined : new ExporterThread({ directory, settings, version: VERSION, startMs: Date.now() }),
  );
  return active;
}

// Problems are told by the owner alone: its workers read the same environment.
function foundGroup(settings: Settings, problems: readonly string[]): string {
  for (const problem of problems) report('warn', problem);
  const { path, problem } = createGroupDirectory(settings.multiprocDirectory);
  if (problem) {
    report(
      'warn',
      `PROMETHEUS_MULTIPROC_DIR=${settings.multiprocDirectory} cannot be used (${problem}); ${path} is used instead`,
    );
  }
  process.env[GROUP_VARIABLE] = path;
  return path;
}

function roleOf(sign: Sign, joins: boolean): Role {
  if (!isMainThread) return 'thread';
  if (cluster.isWorker) return 'worker';
  if (joins) return 'child';
  return sign === 'fork' ? 'primary' : 'single';
}

function wire(settings: Settings, directory: string, role: Role, exporter: ExporterThread | undefined) {
  const mark = ownMark();
  if (cluster.isWorker) process.env[WORKER_ID_VARIABLE] = String(cluster.worker!.id);
  const startSeconds = Math.floor(performance.timeOrigin / 1000);
  const identity: Identity = {
    ...mark,
    role,
    threadId,
    startSeconds,
    workerId: workerId(role, startSeconds),
    version: VERSION,
  };
  const table = new SeriesTable(SLOT_HEADER_BYTES);
  const failures = new Failures(table);
  const requests = new RequestTable({ ...settings, table });
  const path = join(directory, snapshotFile(mark, threadId));
  const writer = new SnapshotWriter({
    path,
    identity,
    table,
    flushIntervalMs: settings.flushIntervalMs,
    onStateChange,
  });
  const http = watchHttp(requests, writer, failures, () => exporter?.ownServer);
  let appMetrics: AppMetrics | undefined;
  let crash: string | undefined;

  // Sees a crash without preventing it; a request under way is then failed by that error.
  const onCrash = (error: unknown) => {
    crash = error instanceof Error ? error.name : 'Error';
  };
  const end = () => {
    http.abandon(crash ?? ABORTED);
    appMetrics?.collectNow();
    writer.close({ ended: role === 'thread' });
    if (exporter) removeGroup(directory);
  };
  process.on('uncaughtExceptionMonitor', onCrash);
  process.on('exit', end);

  return {
    settings,
    directory,
    exporter,
    role,
    forks() {
      if (this.role !== 'single') return;
      this.role = 'primary';
      writer.identify({ role: 'primary' });
    },
    meterProvider() {
      appMetrics ??= (
        createRequire(import.meta.url)('./record/app-metrics.js') as typeof import('./record/app-metrics.ts')
      ).startAppMetrics({
        ...settings,
        table,
        writer,
        failures,
      });
      return appMetrics.provider;
    },
    stop() {
      if (active !== this) return;
      process.off('uncaughtExceptionMonitor', onCrash);
      process.off('exit', end);
      http.stop();
      exporter?.stop();
      end();
      appMetrics?.stop();
      if (exporter) delete process.env[GROUP_VARIABLE];
      active = undefined;
      stopped = true;
    },
  };

  function onStateChange(error: Error | undefined): void {
    // A group whose owner has ended is read by nobody: its last members need not complain. One whose directory somebody
    // has deleted gets it back, and the next write finds it.
    if (error && (error as NodeJS.ErrnoException).code === 'ENOENT' && !restoreGroup(directory)) return;
    if (error) failures.count('write', error);
    else report('info', `${path} is written again`);
  }
}

function workerId(role: Role, startSeconds: number): string {
  const clusterId = cluster.worker?.id ?? process.env[WORKER_ID_VARIABLE] ?? 0;
  if (role === 'thread') return `worker_${clusterId}.${threadId}_${startSeconds}`;
  return `worker_${role === 'child' ? process.pid : (cluster.worker?.id ?? 0)}_${startSeconds}`;
}
