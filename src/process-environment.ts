/**
 * What this process tells those below it, and was told by those above: which of them belong together, though nobody above
 * them measures, and the environment that is meant for this thread. The app may give a thread another one than its process
 * has, and mean its own code by that; we are preloaded there all the same, and are told what is ours beside it.
 */
import type { Cluster } from 'node:cluster';
import { formatMark, markOf, ownMark } from './snapshot/process-mark.ts';

// Imported, each would be made an ES module of first, in every process: docs/decisions/053-asleep.md.
const cluster = process.getBuiltinModule('node:cluster') as unknown as Cluster;
const { getEnvironmentData, isMainThread, setEnvironmentData } = process.getBuiltinModule('node:worker_threads');

/** Which group those below this process belong to: the absolute path of its directory. Set by a process that measures. */
export const GROUP_VARIABLE = 'GUNICORN_OTEL_GROUP_DIRECTORY';
/** After whom they name a group where nobody above them measures: the mark of the topmost process that is preloaded. */
export const FAMILY_VARIABLE = 'GUNICORN_OTEL_FAMILY';

const MARK = /^\d+-\d+-\d+$/;
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

/** The family of this process and of those that it will start; founded where there is none. @throws never */
export function family(): string {
  const inherited = environment()[FAMILY_VARIABLE];
  if (inherited && MARK.test(inherited)) return inherited;
  // Workers whose primary is not preloaded are siblings all the same.
  const parent = cluster.isWorker ? markOf(process.ppid) : undefined;
  const founded = formatMark(parent ?? ownMark());
  process.env[FAMILY_VARIABLE] = founded;
  return founded;
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
