/**
 * The environment that is meant for this thread. The app may give a thread another one than its process has, and mean its
 * own code by that; we are preloaded there all the same, and are told what is ours beside it.
 */
import { getEnvironmentData, isMainThread, setEnvironmentData } from 'node:worker_threads';

/** Which group those below this process belong to: the absolute path of its directory. Set by a process that measures. */
export const GROUP_VARIABLE = 'GUNICORN_OTEL_GROUP_DIRECTORY';
/** After whom they name a group where nobody above them measures: the mark of the topmost process that is preloaded. */
export const FAMILY_VARIABLE = 'GUNICORN_OTEL_FAMILY';

const KEY = '@x/gunicorn-otel';
// What names the group and says how to measure. Passwords and keys are for who exposes it, not for a thread that was
// given an environment without them.
const TOLD = /^(?:GUNICORN_|PROMETHEUS_|OTEL_(?!EXPORTER_)|pm_id$|name$)/;

const told = isMainThread ? undefined : (getEnvironmentData(KEY) as { env: NodeJS.ProcessEnv } | undefined);

/** Whether somebody above this thread is preloaded: in the main thread nobody is. */
export const isBelowPreloaded = told !== undefined;
/** Whether the app has given this thread an environment of its own; every copy of a preloaded one names the family. */
export const isReplaced = told !== undefined && process.env[FAMILY_VARIABLE] === undefined;

/** Our variables as this thread has them, or else whoever started it. Not to be changed. */
export function environment(): NodeJS.ProcessEnv {
  return isReplaced ? { ...told?.env, ...process.env } : process.env;
}

/** From now on the threads of this one are told. Idempotent. @throws never */
export function tellThreads(): void {
  // Read when a thread is started: variables are also set after preloads have run.
  setEnvironmentData(KEY, {
    get env() {
      return Object.fromEntries(Object.entries(environment()).filter(([name]) => TOLD.test(name)));
    },
  });
}
