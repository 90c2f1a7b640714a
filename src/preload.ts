/**
 * What runs in every process that is preloaded, npm and build scripts included: almost nothing. It waits for a sign
 * that there is something to measure - an HTTP server listens, a cluster worker is forked, an instrument is made, also in
 * one of its threads - and only then loads the rest.
 */
import type { Cluster, ClusterSettings } from 'node:cluster';
import { whenServing } from './first-server.ts';
import { environment, family, GROUP_VARIABLE, tellThreads } from './process-environment.ts';

// Imported, each would be made an ES module of first, in every process: docs/decisions/053-asleep.md.
const cluster = process.getBuiltinModule('node:cluster') as unknown as Cluster;
const { channel } = process.getBuiltinModule('node:diagnostics_channel');
const { writeSync } = process.getBuiltinModule('node:fs');
const { createRequire } = process.getBuiltinModule('node:module');
const { isMainThread } = process.getBuiltinModule('node:worker_threads');

type Start = typeof import('./start.ts');
type Signs = typeof import('./signs.ts');
type Threads = typeof import('./started-threads.ts');
type Sign = Parameters<Start['activate']>[0];

/** What is loaded on a sign. */
export interface Later {
  /** What tells signs apart and answers them; on any. */
  readonly signs: Signs;
  /** On the first thread that is started. */
  readonly threads: Threads;
  /** The rest; when there is something to measure. */
  readonly start: Start;
}

const METERS_OFF = "the app's own metrics are off";
// Once per thread, whichever copy of the package comes first and however often it is preloaded.
const PRELOADED = Symbol.for('@x/gunicorn-otel.preloaded');
// As in report.ts, which is not there yet.
const OTEL_API_REGISTRY = Symbol.for('opentelemetry.js.api.1');
// What PM2 forks are the apps of others, each with its own settings: its daemon is nobody's primary.
const PM2_WORKER = /[\\/]pm2[\\/]lib[\\/]ProcessContainer(Bun)?\.js$/;
// Held here: a channel without a strong reference may be collected, subscribers included (Node 20).
const fastifyMade = channel('fastify.initialization');
const threadStart = channel('worker_threads');
const scope = globalThis as { [PRELOADED]?: boolean };

const told = new Set<string>();
let awake = false;
let awaited = false;
const later: Later = {
  get signs() {
    return load('./signs.js') as Signs;
  },
  get threads() {
    return load('./started-threads.js') as Threads;
  },
  get start() {
    return load('./start.js') as Start;
  },
};

/** Whether somebody has: this package was preloaded, or has been started. */
export function isPreloaded(): boolean {
  return scope[PRELOADED] === true;
}

/** Arms the signs. @throws never */
export function preload(): void {
  if (scope[PRELOADED]) return;
  tellThreads();
  if (environment()['OTEL_SDK_DISABLED']?.toLowerCase() === 'true') return;
  scope[PRELOADED] = true;
  family();
  watchMeters();
  // Hooks go into an instance when it is made, before anything listens.
  fastifyMade.subscribe((message) => guarded('routes are not told', () => later.signs.noteFastify(message)));
  threadStart.subscribe((message) => guarded('threads are not seen', () => noteThread(message)));
  if (cluster.isPrimary) watchForks();
  // A worker of an instrumented primary is a member from its first moment on.
  if (cluster.isWorker && process.env[GROUP_VARIABLE]) wake('worker');
  else whenServing(() => wake('listen'));
}

function load(path: string): unknown {
  return createRequire(import.meta.url)(path);
}

function wake(sign: Sign): ReturnType<Start['activate']> {
  awake = true;
  return guarded('metrics are off', () => later.start.activate(sign));
}

// Nothing is thrown into the app, also where the package's files are gone by now.
function guarded<T>(failure: string, work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    tell(`${failure} in process ${process.pid}`, error);
    return undefined;
  }
}

function tell(failure: string, error: unknown): void {
  // Each sign tries anew, and most fail as the one before.
  if (told.has(failure)) return;
  told.add(failure);
  try {
    const { messageOf, report } = later.signs;
    report('error', `${failure}: ${messageOf(error)}`);
  } catch {
    // What is to put it into words cannot be loaded either.
    if (!/^\s*none\s*$/i.test(process.env['OTEL_LOG_LEVEL'] ?? '')) say(`gunicorn-otel: ${failure}\n`);
  }
}

function say(line: string): void {
  try {
    writeSync(2, line);
  } catch {
    // stderr closed or full: the app must not feel it.
  }
}

function noteThread(message: unknown): void {
  if (!later.threads.noteThread(message) || awaited || !isMainThread) return;
  awaited = true;
  later.threads.awaitThreads(() => wake('thread'));
}

// fork() and setupPrimary() both assign `cluster.settings` before anything is spawned: the one moment in which the
// group's directory can be ready for the first worker, without a listener or a wrapper that the app could see.
function watchForks(): void {
  let settings = cluster.settings;
  Object.defineProperty(cluster, 'settings', {
    configurable: true,
    enumerable: true,
    get: () => settings,
    set(value: ClusterSettings) {
      settings = value;
      if (PM2_WORKER.test(value.exec ?? '') || !wake('fork')) return;
      guarded('workers are not preloaded', () => handOver(value));
    },
  });
}

// Also when the app gives its workers an execArgv of its own, in which we are not.
function handOver(settings: ClusterSettings): void {
  if (!process.features.require_module) return;
  const { workerExecArgv, workerNodeOptions } = later.signs;
  const nodeOptions = workerNodeOptions(process.env['NODE_OPTIONS']);
  if (nodeOptions !== process.env['NODE_OPTIONS']) process.env['NODE_OPTIONS'] = nodeOptions;
  settings.execArgv = workerExecArgv(settings.execArgv ?? [], nodeOptions);
}

// There is no proxy for meters in the API: a no-op instrument stays one for ever, so the provider is there from the start.
// What watches the API's registry takes the place of this on the first touch.
function watchMeters(): void {
  const registry = globalThis as { [OTEL_API_REGISTRY]?: unknown };
  const offer = () => {
    delete registry[OTEL_API_REGISTRY];
    guarded(METERS_OFF, offerMeters);
  };
  // Somebody is here before us: whether there is a MeterProvider already is worth a line now.
  if (Object.getOwnPropertyDescriptor(globalThis, OTEL_API_REGISTRY)) return void guarded(METERS_OFF, offerMeters);
  Object.defineProperty(registry, OTEL_API_REGISTRY, {
    configurable: true,
    enumerable: false,
    get() {
      offer();
      return registry[OTEL_API_REGISTRY];
    },
    set(value: unknown) {
      offer();
      registry[OTEL_API_REGISTRY] = value;
    },
  });
}

function offerMeters(): void {
  later.signs.offerMeters(meterProvider, () => awake);
}

function meterProvider() {
  return guarded(METERS_OFF, () => wake('meter')?.meterProvider());
}
