/** One process or thread of a group, wired: what it records, what it publishes, whom it watches, and how it ends. */
import cluster from 'node:cluster';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { threadId } from 'node:worker_threads';
import type { MeterProvider } from '@opentelemetry/api';
import { discreet, type Settings } from './config.ts';
import type { ExporterThread } from './exporter-thread.ts';
import { identify, placeOf } from './identity.ts';
import { type ExitedWorkerInfo, guardHooks, type Hooks, type ServerInfo, type WorkerInfo } from './lifecycle.ts';
import type { AppMetrics } from './record/app-metrics.ts';
import { watchCluster } from './record/cluster.ts';
import { Condition, lookForDisconnect, STATE_SIGNALS } from './record/condition.ts';
import { watchCrashes } from './record/crash.ts';
import { Exits } from './record/exits.ts';
import { Failures } from './record/failures.ts';
import { ABORTED, NO_HTTP, watchHttp } from './record/http.ts';
import { LabelledCounter } from './record/labelled-counter.ts';
import { makeRoom } from './record/listener-room.ts';
import { RequestTable } from './record/request-table.ts';
import { SIGNAL_ACTIONS, watchSignals } from './record/signals.ts';
import { watchThreads } from './record/threads.ts';
import { report } from './report.ts';
import { removeGroup, restoreGroup, snapshotFile } from './snapshot/directory.ts';
import { type Role, SLOT_HEADER_BYTES } from './snapshot/layout.ts';
import { SIGNALS_METRIC } from './snapshot/own-metrics.ts';
import { SeriesTable } from './snapshot/series-table.ts';
import { SnapshotWriter } from './snapshot/writer.ts';

export interface MemberOptions {
  readonly settings: Settings;
  readonly hooks: Hooks;
  /** OTel's ViewOptions for the app's own instruments. */
  readonly views: readonly object[];
  /** Of the group, absolute. */
  readonly directory: string;
  readonly role: Role;
  readonly version: string;
  /** Makes the group's exporter; for its owner alone. */
  readonly makeExporter?: (() => ExporterThread) | undefined;
}

/** A process that measures. */
export interface Member {
  readonly settings: Settings;
  readonly directory: string;
  readonly workerId: string;
  /** The exporter, in the process that owns the group. */
  readonly exporter: ExporterThread | undefined;
  readonly requests: RequestTable;
  readonly exits: Exits;
  readonly signals: LabelledCounter;
  readonly condition: Condition;
  /** Values of the parts above have changed. */
  changed(): void;
  /** The provider of the app's instruments; the SDK is loaded on the first call. */
  meterProvider(): MeterProvider;
  /** Begins what a group's owner does for it; nothing in other members. Once, when the rest of the process knows the member. */
  begin(): void;
  /** It is about to fork a cluster worker: from now on, if not before, it is a primary. */
  forking(): void;
  /** It serves, or never will fork: it is a worker. */
  serves(): void;
  /** Publishes a last time and lets go; the owner ends its exporter and deletes the group. */
  stop(): void;
}

const MAX_SIGNAL_SERIES = 50;
const ALL_SIGNALS = [...new Set([...Object.keys(SIGNAL_ACTIONS), ...STATE_SIGNALS])];

/** Begins to measure and to publish. @throws never: what cannot be written is told and tried again */
export function startMember(options: MemberOptions): Member {
  const { settings, directory } = options;
  const slots = settings.workerIds === 'slot';
  const identity = identify(options.role, options.version, slots);
  const { workerId, pid, processStart } = identity;
  const mark = { pid, processStart };
  const table = new SeriesTable(SLOT_HEADER_BYTES);
  const failures = new Failures(table);
  const requests = new RequestTable({ ...settings, table });
  const exits = new Exits(table);
  const signals = new LabelledCounter(table, SIGNALS_METRIC, MAX_SIGNAL_SERIES);
  const path = join(directory, snapshotFile(mark, threadId));
  const condition = new Condition((state) => writer.identify({ state }));
  const writer = new SnapshotWriter({
    path,
    identity,
    table,
    flushIntervalMs: settings.flushIntervalMs,
    unresponsiveAfterMs: settings.unresponsiveAfterMs,
    onStateChange,
    onResume: () => condition.resumed(),
    onBeat: () => {
      lookForDisconnect(condition);
      forks?.look();
      threads.look();
    },
  });
  const changed = () => writer.changed(performance.now());
  let { role } = identity;
  let url: string | undefined;
  let appMetrics: AppMetrics | undefined;

  const owner = options.makeExporter !== undefined;
  const hooks = guardHooks(options.hooks, (error) => failures.count('hook', error));
  const server: ServerInfo = Object.freeze({
    pid: process.pid,
    directory,
    settings: discreet(settings),
    get role() {
      return role;
    },
    get url() {
      return url;
    },
  });
  const worker: WorkerInfo = Object.freeze({ id: cluster.worker?.id ?? 0, pid: process.pid, threadId, workerId });

  let exporter: ExporterThread | undefined;
  const { preRequest, postRequest } = hooks;
  const http = measuresHttp(settings)
    ? watchHttp({
        requests,
        writer,
        failures,
        ignored: () => exporter?.ownServer,
        hooks: {
          ...(preRequest && { preRequest: (req) => preRequest(worker, req) }),
          ...(postRequest && { postRequest: (req, res, seconds) => postRequest(worker, req, res, seconds) }),
        },
      })
    : NO_HTTP;
  const onExit = (exited: ExitedWorkerInfo) => hooks.childExit?.(server, Object.freeze(exited));
  const threads = watchThreads({
    exits,
    directory,
    mark,
    ...placeOf(role),
    changed,
    onExit,
    onError: (error) => failures.count('thread', error),
  });
  const stops = [threads.stop];
  // Signals are the main thread's.
  if (role !== 'thread') stops.push(watchSignals(owner ? ALL_SIGNALS : STATE_SIGNALS, onSignal));
  let forks: ReturnType<typeof watchCluster> | undefined;
  let born = false;

  const crashes = watchCrashes((error) => http.thrown(error));
  let ended = false;
  const end = () => {
    // A hook that is called here may end it once more.
    if (ended) return;
    ended = true;
    http.abandon(crashes.errorType() ?? ABORTED);
    appMetrics?.collectNow();
    writer.close({ ended: role === 'thread' });
    if (!owner) return;
    hooks.onExit?.(server);
    removeGroup(directory);
  };
  stops.push(makeRoom(process, ['exit', 'uncaughtExceptionMonitor']));
  process.on('exit', end);

  return {
    settings,
    directory,
    workerId,
    get exporter() {
      return exporter;
    },
    requests,
    exits,
    signals,
    condition,
    changed,
    begin() {
      if (!owner) return;
      exits.begin();
      for (const [signal, action] of Object.entries(SIGNAL_ACTIONS)) signals.add({ signal, action }, 0);
      hooks.onStarting?.(server);
      exporter = options.makeExporter!();
      void exporter.url.then((opened) => {
        url = opened;
        if (url !== undefined) hooks.whenReady?.(server);
      });
    },
    forking() {
      forks ??= watchCluster({ exits, slots, parent: owner ? 0 : pid, changed, onExit });
      forks.forking();
      if (role !== 'single' && role !== 'child') return;
      role = 'primary';
      writer.identify({ role });
    },
    serves() {
      if (role === 'primary' || born) return;
      born = true;
      hooks.workerInt?.(worker);
    },
    meterProvider() {
      appMetrics ??= (
        createRequire(import.meta.url)('./record/app-metrics.js') as typeof import('./record/app-metrics.ts')
      ).startAppMetrics({ ...settings, views: options.views, table, writer, failures });
      return appMetrics.provider;
    },
    stop() {
      crashes.stop();
      process.off('exit', end);
      http.stop();
      for (const stop of stops) stop();
      forks?.stop();
      exporter?.stop();
      end();
      appMetrics?.stop();
    },
  };

  function onSignal(signal: string): void {
    const action = SIGNAL_ACTIONS[signal];
    if (owner && action) {
      signals.add({ signal, action });
      changed();
    }
    condition.signalled(signal);
    if (owner && signal === 'HUP') hooks.onReload?.(server);
  }

  function onStateChange(error: Error | undefined): void {
    // A group whose owner has ended is read by nobody: its last members need not complain. One whose directory somebody
    // has deleted gets it back, and the next write finds it.
    if (error && (error as NodeJS.ErrnoException).code === 'ENOENT' && !restoreGroup(directory)) return;
    if (error) failures.count('write', error);
    else report('info', `${path} is written again`);
  }
}

function measuresHttp({ enabledInstrumentations, disabledInstrumentations }: Settings): boolean {
  return enabledInstrumentations.includes('http') && !disabledInstrumentations.includes('http');
}
