/** Composition root of a process: whether it measures, which role it has, and which group it belongs to. */
import cluster from 'node:cluster';
import { existsSync } from 'node:fs';
import { setImmediate } from 'node:timers';
import { isMainThread } from 'node:worker_threads';
import { readSettings, type Settings } from './config.ts';
import { loadConfigModule } from './config-module.ts';
import { ExporterThread } from './exporter-thread.ts';
import { groupName } from './group-name.ts';
import { ownManifest } from './manifest.ts';
import { type Member, startMember } from './member.ts';
import { preload } from './preload.ts';
import { environment, GROUP_VARIABLE, isBelowPreloaded, isReplaced } from './process-environment.ts';
import { BIRTH_VARIABLE } from './record/birth.ts';
import { report, setLogLevel } from './report.ts';
import { createGroupDirectory, hasEnded, isLiveGroup, namesakeOf, restoreGroup } from './snapshot/group.ts';
import type { Role } from './snapshot/layout.ts';
import { formatMark, isSameProcess, ownMark } from './snapshot/process-mark.ts';
import { wakeProcess } from './started-threads.ts';

/** What made a process wake up; see preload.ts. */
export type Sign = 'listen' | 'fork' | 'meter' | 'worker' | 'thread' | 'start';

let active: Member | undefined;
let beginning = false;
let disabled = false;
// After a stop() the signs of preload.ts wake nobody any more, only another start() does.
let stopped = false;

/** What `start` gives. */
export interface Started {
  /** Where the endpoint is, once it listens; undefined in a process that does not lead its group, or is disabled. */
  readonly url: Promise<string | undefined>;
  /** Ends measuring in this process; where it leads, the endpoint too, and with the last process the group. Idempotent. @throws never */
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
  const member = activate('start', options);
  return { url: member?.exporter?.url ?? Promise.resolve(undefined), stop: () => member && stop(member) };
}

/**
 * Makes this process a member of a group, which it may be the first of; once, later calls give the same.
 *
 * @returns undefined when OTEL_SDK_DISABLED is true, or a stop() was the last word
 * @throws GUNICORN_OTEL_ERR_DIRECTORY when there is no place for the group's files
 */
export function activate(sign: Sign, options: Partial<Settings> = {}): Member | undefined {
  const first = active === undefined;
  active ??= begin(sign, options);
  // Behind the assignment: what begins now (a hook, an exporter in this very thread) may be a sign itself.
  if (first) active?.begin();
  if (first && !isMainThread) wakeProcess();
  if (sign === 'fork') active?.forking();
  else if (sign === 'thread') return active;
  else if (sign === 'listen' || !cluster.isPrimary || !isMainThread) active?.serves();
  // A process that makes an instrument first may be a primary; by then it will have forked.
  else if (first) setImmediate(() => active?.serves()).unref();
  return active;
}

/** The member that this process is, if it is one. */
export function activeMember(): Member | undefined {
  return active;
}

function begin(sign: Sign, options: Partial<Settings>): Member | undefined {
  if (disabled || (stopped && sign !== 'start')) return undefined;
  stopped = false;
  // Also while the config module is loaded, which may ask for a Meter itself.
  if (beginning) return undefined;
  beginning = true;
  try {
    return join(sign, options);
  } finally {
    beginning = false;
  }
}

function join(sign: Sign, options: Partial<Settings>): Member | undefined {
  const env = environment();
  const config = loadConfigModule(env, process.cwd(), options);
  const { settings, problems } = readSettings(env, options, config);
  setLogLevel(settings.logLevel);
  disabled = settings.sdkDisabled;
  if (disabled) return undefined;

  const inherited = env[GROUP_VARIABLE];
  const joins = inherited !== undefined && (isLiveGroup(inherited) || isMissed(inherited, env));
  const directory = joins ? inherited : openGroup(settings, [...config.problems, ...problems]);
  const { version } = ownManifest();
  return startMember({
    settings,
    directory,
    hooks: config.hooks,
    views: config.views,
    role: roleOf(sign, joins || isOfFamily(directory)),
    head: !joins && isMainThread,
    contends: !(joins && isOfCluster(env)) && !isReplaced,
    patient: isBelowPreloaded,
    version,
    makeExporter: (lead, onLost) => new ExporterThread({ directory, settings, version, lead }, onLost),
  });
}

// Somebody has deleted the directory under those who live in it: it is made again, by whoever comes next. To begin a group
// there would be to take the lead from them.
function isMissed(directory: string, env: NodeJS.ProcessEnv): boolean {
  if (existsSync(directory)) return false;
  return (namesakeOf(directory) !== undefined || isOfCluster(env)) && restoreGroup(directory);
}

function stop(member: Member): void {
  if (active !== member) return;
  active = undefined;
  stopped = true;
  member.stop();
  if (member.head) delete process.env[GROUP_VARIABLE];
}

// Problems are told by the heads alone: their workers read the same environment.
function openGroup(settings: Settings, problems: readonly string[]): string {
  if (!isBelowPreloaded) for (const problem of problems) report('warn', problem);
  let { path, problem } = createGroupDirectory(settings.multiprocDirectory, groupName(settings, environment()));
  // The group of a process above that has ended is over; its directory is for those who are still in it.
  if (hasEnded(path)) {
    const own = `${formatMark(ownMark())}-${settings.metricsPort}`;
    ({ path, problem } = createGroupDirectory(settings.multiprocDirectory, own));
  }
  if (problem && !isBelowPreloaded) {
    report(
      'warn',
      `PROMETHEUS_MULTIPROC_DIR=${settings.multiprocDirectory} cannot be used (${problem}); ${path} is used instead`,
    );
  }
  process.env[GROUP_VARIABLE] = path;
  return path;
}

function isOfFamily(directory: string): boolean {
  const namesake = namesakeOf(directory);
  return namesake !== undefined && !isSameProcess(namesake, ownMark());
}

// What a cluster forks ends with it, threads included, and must not be in the way of the next one's port meanwhile. What
// its processes start in other ways has the variable, too, and may outlive all of them.
function isOfCluster(env: NodeJS.ProcessEnv): boolean {
  return env[BIRTH_VARIABLE] !== undefined && (cluster.isWorker || !isMainThread);
}

function roleOf(sign: Sign, joins: boolean): Role {
  if (!isMainThread) return 'thread';
  if (cluster.isWorker) return 'worker';
  if (sign === 'thread') return 'primary';
  if (joins) return 'child';
  return sign === 'fork' ? 'primary' : 'single';
}
