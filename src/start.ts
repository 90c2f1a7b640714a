/** Composition root of a process: whether it measures, which role it has, and which group it belongs to. */
import cluster from 'node:cluster';
import { readFileSync } from 'node:fs';
import { setImmediate } from 'node:timers';
import { isMainThread } from 'node:worker_threads';
import { readSettings, type Settings } from './config.ts';
import { loadConfigModule } from './config-module.ts';
import { ExporterThread } from './exporter-thread.ts';
import { GROUP_VARIABLE } from './group-variable.ts';
import { type Member, startMember } from './member.ts';
import { preload } from './preload.ts';
import { report, setLogLevel } from './report.ts';
import { createGroupDirectory, isLiveGroup } from './snapshot/directory.ts';
import type { Role } from './snapshot/layout.ts';

/** What made a process wake up; see preload.ts. */
export type Sign = 'listen' | 'fork' | 'meter' | 'worker' | 'start';

/** Of this package, from its package.json. */
export const VERSION = (
  JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
).version;

let active: Member | undefined;
let beginning = false;
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
  const member = activate('start', options);
  return { url: member?.exporter?.url ?? Promise.resolve(undefined), stop: () => member && stop(member) };
}

/**
 * Makes this process a member of a group, or the owner of a new one; once, later calls give the same.
 *
 * @returns undefined when OTEL_SDK_DISABLED is true, or a stop() was the last word
 * @throws GUNICORN_OTEL_ERR_DIRECTORY when there is no place for the group's files
 */
export function activate(sign: Sign, options: Partial<Settings> = {}): Member | undefined {
  const first = active === undefined;
  active ??= begin(sign, options);
  // Behind the assignment: what begins now (a hook, an exporter in this very thread) may be a sign itself.
  if (first) active?.begin();
  if (sign === 'fork') active?.forking();
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
  const config = loadConfigModule(process.env, process.cwd(), options);
  const { settings, problems } = readSettings(process.env, options, config);
  setLogLevel(settings.logLevel);
  disabled = settings.sdkDisabled;
  if (disabled) return undefined;

  const inherited = process.env[GROUP_VARIABLE];
  const joins = inherited !== undefined && isLiveGroup(inherited);
  const directory = joins ? inherited : foundGroup(settings, [...config.problems, ...problems]);
  const startMs = Date.now();
  return startMember({
    settings,
    directory,
    hooks: config.hooks,
    views: config.views,
    role: roleOf(sign, joins),
    version: VERSION,
    makeExporter: joins ? undefined : () => new ExporterThread({ directory, settings, version: VERSION, startMs }),
  });
}

function stop(member: Member): void {
  if (active !== member) return;
  active = undefined;
  stopped = true;
  member.stop();
  if (member.exporter) delete process.env[GROUP_VARIABLE];
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
