/**
 * What runs in every process that is preloaded, npm and build scripts included: almost nothing. It waits for a sign
 * that there is something to measure - an HTTP server listens, a cluster worker is forked, an instrument is made, also in
 * one of its threads - and only then loads the rest.
 */
import cluster, { type ClusterSettings } from 'node:cluster';
import { createRequire } from 'node:module';
import { setTimeout } from 'node:timers';
import { isMainThread } from 'node:worker_threads';
import { offerMeterProvider } from './api-registry.ts';
import { messageOf } from './errors.ts';
import { family } from './family.ts';
import { watchFastify } from './fastify-requests.ts';
import { whenServing } from './first-server.ts';
import { GROUP_VARIABLE } from './group-variable.ts';
import { workerExecArgv, workerNodeOptions } from './hand-over.ts';
import { lateMeter } from './late-meter.ts';
import { environment, tellThreads } from './process-environment.ts';
import { report } from './report.ts';
import { awaitThreads, noteThreads } from './started-threads.ts';

type Start = typeof import('./start.ts');
type Sign = Parameters<Start['activate']>[0];

const require = createRequire(import.meta.url);
// Once per thread, whichever copy of the package comes first and however often it is preloaded.
const PRELOADED = Symbol.for('@x/gunicorn-otel.preloaded');
// What PM2 forks are the apps of others, each with its own settings: its daemon is nobody's primary.
const PM2_WORKER = /[\\/]pm2[\\/]lib[\\/]ProcessContainer(Bun)?\.js$/;

let awake = false;
let load: () => Start = () => require('./start.js') as Start;

/**
 * Arms the signs.
 *
 * @param start - start.ts, already loaded: only for Node versions that cannot require() an ES module later
 * @throws never
 */
export function preload(start?: Start): void {
  const scope = globalThis as { [PRELOADED]?: boolean };
  if (scope[PRELOADED]) return;
  tellThreads();
  if (environment()['OTEL_SDK_DISABLED']?.toLowerCase() === 'true') return;
  scope[PRELOADED] = true;
  if (start) load = () => start;
  family();
  watchMeters();
  // Hooks go into an instance when it is made, before anything listens.
  watchFastify();
  noteThreads(() => isMainThread && awaitThreads(() => wake('thread')));
  if (cluster.isPrimary) watchForks();
  // A worker of an instrumented primary is a member from its first moment on.
  if (cluster.isWorker && process.env[GROUP_VARIABLE]) wake('worker');
  else whenServing(() => wake('listen'));
}

function wake(sign: Sign): ReturnType<Start['activate']> {
  awake = true;
  try {
    return load().activate(sign);
  } catch (error) {
    report('error', `metrics are off in process ${process.pid}: ${messageOf(error)}`);
    return undefined;
  }
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
      try {
        handOver(value);
      } catch (error) {
        report('error', `workers are not preloaded: ${messageOf(error)}`);
      }
    },
  });
}

// Also when the app gives its workers an execArgv of its own, in which we are not.
function handOver(settings: ClusterSettings): void {
  if (!process.features.require_module) return;
  const nodeOptions = workerNodeOptions(process.env['NODE_OPTIONS']);
  if (nodeOptions !== process.env['NODE_OPTIONS']) process.env['NODE_OPTIONS'] = nodeOptions;
  settings.execArgv = workerExecArgv(settings.execArgv ?? [], nodeOptions);
}

// There is no proxy for meters in the API: a no-op instrument stays one for ever, so the provider is there from the start.
function watchMeters(): void {
  const waiting: (() => void)[] = [];
  const isOurs = offerMeterProvider((api) => ({
    getMeter: (...args) => lateMeter(() => meterProvider()?.getMeter(...args) ?? api.createNoopMeter(), defer),
  }));

  // The SDK of the app makes its instrumentations first, and those their instruments, and only then brings the provider that
  // they are to have. Also, what PM2 runs has its settings only after all preloads.
  function defer(makeReal: () => void): boolean {
    if (awake) return false;
    // Not an immediate: one that is not to keep the process does not end the waiting for events either.
    if (waiting.push(makeReal) === 1) setTimeout(makeAll, 0).unref();
    return true;
  }

  function makeAll(): void {
    const all = waiting.splice(0);
    if (isOurs()) for (const makeReal of all) makeReal();
  }
}

function meterProvider() {
  try {
    return wake('meter')?.meterProvider();
  } catch (error) {
    report('error', `the app's own metrics are off in process ${process.pid}: ${messageOf(error)}`);
    return undefined;
  }
}
