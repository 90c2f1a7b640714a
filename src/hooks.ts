/** The defaults of the lifecycle hooks, for programs that start measuring themselves instead of being preloaded. */
import { start } from './start.ts';

let started: ReturnType<typeof start> | undefined;

/** The primary is about to start: makes the group's directory and opens the endpoint. Once; later calls do nothing. */
export function defaultOnStarting(): void {
  started ??= start();
}

/** A worker has started: makes it a member of its primary's group. Once; later calls do nothing. */
export function defaultWorkerInt(): void {
  started ??= start();
}

/** The process ends: publishes a last time; the primary closes the endpoint and deletes the group's directory. */
export function defaultOnExit(): void {
  started?.stop();
  started = undefined;
}
