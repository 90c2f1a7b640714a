/**
 * The defaults of the lifecycle hooks, to be called inside hooks of one's own. Under the preload all of it has happened
 * by itself and they do nothing more; a program that is not preloaded begins and ends measuring by them.
 */
import { messageOf } from './errors.ts';
import type { ServerInfo, WorkerInfo } from './lifecycle.ts';
import { isPreloaded } from './preload.ts';
import { report } from './report.ts';
import { activeMember, start } from './start.ts';

export type { ExitedWorkerInfo, Hooks, ServerInfo, WorkerInfo } from './lifecycle.ts';

// Before anybody here has started anything, which arms the same signs.
const wasPreloaded = isPreloaded();
let started: ReturnType<typeof start> | undefined;

/** The primary is about to start: makes the group's directory. Once; later calls do nothing. @throws never */
export function defaultOnStarting(_server?: ServerInfo): void {
  begin();
}

/** The primary is ready: opens the endpoint, where that has not happened. @throws never */
export function defaultWhenReady(_server?: ServerInfo): void {
  begin();
}

/** A worker has started: makes it a member of its primary's group. Once; later calls do nothing. @throws never */
export function defaultWorkerInt(_worker?: WorkerInfo): void {
  begin();
}

/**
 * The process ends: publishes a last time; the primary closes the endpoint and deletes the group's directory. For what was
 * begun by these defaults; what was begun by the preload ends with its process.
 */
export function defaultOnExit(_server?: ServerInfo): void {
  const own = started;
  started = undefined;
  own?.stop();
}

/**
 * The primary is ready: forwards the group to Redis from now on, as REDIS_ENABLED=true does, by the REDIS_* settings.
 * Does nothing in a process that does not own its group. @throws never
 */
export function redisWhenReady(_server?: ServerInfo): void {
  begin();
  activeMember()?.exporter?.forward();
}

// What cannot begin says so; the program runs on without it.
function begin(): void {
  try {
    if (activeMember() || started) return;
    // What the preload would have begun with the first sign ends with its process, too.
    if (wasPreloaded) start();
    else started = start();
  } catch (error) {
    report('error', `metrics are off in process ${process.pid}: ${messageOf(error)}`);
  }
}
