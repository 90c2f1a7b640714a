/** One process or thread of a group, wired: what it records, what it publishes, whom it watches, and how it ends. */
import cluster from 'node:cluster';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { threadId } from 'node:worker_threads';
import type { MeterProvider } from '@opentelemetry/api';
import type { Settings } from './config.ts';
import type { ExporterThread } from './exporter-thread.ts';
import { identify, placeOf } from './identity.ts';
import { Leadership, type LeadershipOptions } from './leadership.ts';
import {
  type ExitedWorkerInfo,
  guardHooks,
  type Hooks,
  requestHooks,
  serverInfo,
  type WorkerInfo,
} from './lifecycle.ts';
import { LostDirectory } from './lost-directory.ts';
import { watchCluster } from './record/cluster.ts';
import { Condition, lookForDisconnect, STATE_SIGNALS } from './record/condition.ts';
import { watchCrashes } from './record/crash.ts';
import { Exits } from './record/exits.ts';
import { Failures } from './record/failures.ts';
import { ABORTED } from './record/http.ts';
import { LateAppMetrics } from './record/late-app-metrics.ts';
import { makeRoom } from './record/listener-room.ts';
import { watchRequests } from './record/request-sources.ts';
import { RequestTable } from './record/request-table.ts';
import { measureRuntime } from './record/runtime-metrics.ts';
import { SIGNAL_ACTIONS, Signals, watchSignals } from './record/signals.ts';
import { watchThreads } from './record/threads.ts';
import { report } from './report.ts';
import { snapshotFile } from './snapshot/directory.ts';
import type { Role } from './snapshot/layout.ts';
import { ownMark } from './snapshot/process-mark.ts';
import { SeriesTable } from './snapshot/series-table.ts';
import { SLOT_HEADER_BYTES } from './snapshot/slot.ts';
import { SnapshotWriter } from './snapshot/writer.ts';

export interface MemberOptions extends Pick<LeadershipOptions, 'directory' | 'contends' | 'patient' | 'makeExporter'> {
  readonly settings: Settings;
  readonly hooks: Hooks;
  /** OTel's ViewOptions for the app's own instruments. */
  readonly views: readonly object[];
  readonly role: Role;
  readonly version: string;
  /** No process above it measures: it is the one that has signals, and the hooks of a server. */
  readonly head: boolean;
}

/** A process that measures. */
export interface Member {
  readonly settings: Settings;
  readonly directory: string;
  readonly workerId: string;
  readonly head: boolean;
  /** The group's exporter, while this process leads. */
  readonly exporter: ExporterThread | undefined;
  readonly requests: RequestTable;
  readonly exits: Exits;
  readonly signals: Signals;
  readonly condition: Condition;
  /** Values of the parts above have changed. */
  changed(): void;
  /** The provider of the app's instruments; the SDK is loaded on the first call. */
  meterProvider(): MeterProvider;
  /** Begins what heads and leaders do. Once, when the rest of the process knows the member. */
  begin(): void;
  /** It is about to fork a cluster worker: from now on, if not before, it is a primary. */
  forking(): void;
  /** It serves, or never will fork: it is a worker. */
  serves(): void;
  /** Publishes a last time and lets go; the leader ends its exporter, the last one out deletes the group. */
  stop(): void;
}

// How often this process or thread has begun before: what it has left by then is not to be overwritten.
let runs = 0;
const ALL_SIGNALS = [...new Set([...Object.keys(SIGNAL_ACTIONS), ...STATE_SIGNALS])];

/** Begins to measure and to publish. @throws never: what cannot be written is told and tried again */
export function startMember(options: MemberOptions): Member {
  const { settings, directory, head } = options;
  const slots = settings.workerIds === 'slot';
  const identity = identify(options.role, directory, options.version, slots);
  const { workerId } = identity;
  const own = { mark: ownMark(), threadId, run: runs };
  runs += 1;
  const table = new SeriesTable(SLOT_HEADER_BYTES);
  const failures = new Failures(table);
  const requests = new RequestTable({ ...settings, table });
  const exits = new Exits(table);
  const signals = new Signals(table);
  const path = join(directory, snapshotFile(own.mark, threadId, own.run));
  const condition = new Condition((state) => writer.identify({ state }));
  const lost = new LostDirectory({
    directory,
    leads: () => leadership.exporter !== undefined,
    onLost: (error) => failures.count('write', error),
  });
  const writer = new SnapshotWriter({
    path,
    identity,
    table,
    flushIntervalMs: settings.flushIntervalMs,
    unresponsiveAfterMs: settings.unresponsiveAfterMs,
    onStateChange,
    onResume: () => condition.resumed(),
    onBeat: () => {
      if (writer.isRefused) lost.restore();
      lookForDisconnect(condition);
      forks?.look();
      threads.look();
    },
  });
  const changed = () => writer.changed(performance.now());
  let { role } = identity;
  let url: string | undefined;

  const hooks = guardHooks(options.hooks, (error) => failures.count('hook', error));
  const server = serverInfo(
    options,
    () => role,
    () => url,
  );
  const worker: WorkerInfo = Object.freeze({ id: cluster.worker?.id ?? 0, pid: process.pid, threadId, workerId });

  const leadership = new Leadership({ ...options, own, onLead });
  if (writer.isRefused) lost.restore(true);
  const app = new LateAppMetrics({ ...settings, views: options.views, table, writer, failures });
  const { meterProvider } = app;
  const http = watchRequests({
    settings,
    requests,
    writer,
    failures,
    ignored: () => leadership.exporter?.ownServer,
    hooks: requestHooks(hooks, worker),
    meterProvider,
  });
  const onExit = (exited: ExitedWorkerInfo) => hooks.childExit?.(server, Object.freeze(exited));
  const threads = watchThreads({
    exits,
    directory,
    mark: own.mark,
    ...placeOf(role, directory),
    changed,
    onExit,
    onError: (error) => failures.count('thread', error),
  });
  const stops = [threads.stop, measureRuntime({ settings, meterProvider, failures })];
  // Signals are the main thread's.
  if (role !== 'thread') stops.push(watchSignals(head ? ALL_SIGNALS : STATE_SIGNALS, onSignal));
  let forks: ReturnType<typeof watchCluster> | undefined;
  let born = false;

  const crashes = watchCrashes((error) => http.thrown(error));
  let ended = false;
  const end = (exitCode?: number) => {
    if (ended) return; // A hook that is called here may end it once more.
    ended = true;
    http.abandon(crashes.errorType() ?? ABORTED);
    app.collectNow();
    threads.look();
    if (role === 'thread' && exitCode !== undefined) writer.finish({ ended: true, exitCode: Number(exitCode) });
    else writer.close({ ended: true });
    if (head) hooks.onExit?.(server);
    leadership.leave(exitCode === undefined);
  };
  stops.push(makeRoom(process, ['exit', 'uncaughtExceptionMonitor']));
  process.on('exit', end);

  return {
    settings,
    directory,
    workerId,
    head,
    get exporter() {
      return leadership.exporter;
    },
    requests,
    exits,
    signals,
    condition,
    changed,
    begin() {
      if (head) {
        exits.begin();
        signals.begin();
        hooks.onStarting?.(server);
      }
      leadership.begin();
    },
    forking() {
      forks ??= watchCluster({ exits, slots, parent: leadership.isFirst ? 0 : process.pid, changed, onExit });
      forks.forking();
      if (role === 'single' || role === 'child') become('primary');
    },
    serves() {
      if (forks || born) return;
      born = true;
      if (role === 'primary') become(head ? 'single' : 'child'); // It only started threads until now.
      hooks.workerInt?.(worker);
    },
    meterProvider,
    stop() {
      crashes.stop();
      process.off('exit', end);
      http.stop();
      for (const stop of stops) stop();
      forks?.stop();
      leadership.stop();
      end();
      app.stop();
    },
  };

  function become(other: Role): void {
    role = other;
    writer.identify({ role });
  }

  function onLead(exporter: ExporterThread): void {
    void exporter.url.then((opened) => {
      url = opened;
      if (url !== undefined) hooks.whenReady?.(server);
    });
  }

  function onSignal(signal: string): void {
    const action = SIGNAL_ACTIONS[signal];
    if (head && action) {
      signals.add(signal, action);
      changed();
    }
    condition.signalled(signal);
    if (head && signal === 'HUP') hooks.onReload?.(server);
  }

  function onStateChange(error: Error | undefined): void {
    if (lost.explains(error)) return;
    if (error) failures.count('write', error);
    else report('info', `${path} is written again`);
  }
}
