/**
 * `gunicorn-otel serve`: the exporter of a group as a process of its own, a sidecar. It takes the lead from the members,
 * which take it back when this process ends. With `--redis` that of all groups that forward to one Redis.
 */
import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { setInterval } from 'node:timers';
import { DiagLogLevel, diag } from '@opentelemetry/api';
import { readSettings, type Settings } from './config.ts';
import { loadConfigModule } from './config-module.ts';
import { GunicornOtelError, messageOf } from './errors.ts';
import { type Exporter, startExporter } from './export/exporter.ts';
import { startFleet } from './export/fleet.ts';
import { groupName } from './group-name.ts';
import { ownManifest } from './manifest.ts';
import { noneIn } from './no-group.ts';
import { diagLogger, report, setLogLevel } from './report.ts';
import { createGroupDirectory, isDeserted, liveGroups } from './snapshot/group.ts';
import { type Holder, type Lead, LeaderWatch, readLeader, releaseLead, takeLead } from './snapshot/leader.ts';
import { ownMark } from './snapshot/process-mark.ts';
import { removeGroup } from './snapshot/removal.ts';

const LOOK_MS = 1000;

let told = '';

export interface ServeOptions {
  /** Before PROMETHEUS_MULTIPROC_DIR. */
  readonly dir?: string;
  /** Before GUNICORN_OTEL_GROUP; without either, the one group that somebody lives in. */
  readonly group?: string;
}

/**
 * Serves until it is stopped; a group that is not there yet is waited for.
 *
 * @throws GUNICORN_OTEL_ERR_DIRECTORY when a group is named and its directory cannot be made
 */
export function serve(env: NodeJS.ProcessEnv, cwd: string, { dir, group }: ServeOptions): { stop(): Promise<void> } {
  const settings = prepare(env, cwd, { ...(dir && { multiprocDirectory: dir }), ...(group && { group }) });
  // Without `getconf` (distroless images) pidusage's defaults are right.
  process.env['PIDUSAGE_SILENT'] = '1';
  const find = settings.group ? named(settings) : () => onlyLiveGroup(settings.multiprocDirectory);
  const sidecar = new Sidecar(settings, find);
  sidecar.look();
  const looks = setInterval(() => sidecar.look(), LOOK_MS);
  return {
    async stop() {
      clearInterval(looks);
      await sidecar.leave();
    },
  };
}

/**
 * Serves what is in Redis of all groups until it is stopped; Redis is waited for.
 *
 * @param sum - counters, histograms and amounts are added up over the instances of a service
 */
export function serveFleet(env: NodeJS.ProcessEnv, cwd: string, sum: boolean): { stop(): Promise<void> } {
  return startFleet({ settings: prepare(env, cwd, {}), sum });
}

function prepare(env: NodeJS.ProcessEnv, cwd: string, options: Partial<Settings>): Settings {
  const config = loadConfigModule(env, cwd);
  const { settings, problems } = readSettings(env, options, config);
  setLogLevel(settings.logLevel);
  for (const problem of [...config.problems, ...problems]) report('warn', problem);
  // What OTel's packages have to say goes the way our own lines go.
  diag.setLogger(diagLogger(), { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
  return settings;
}

/** What it serves at the moment, if anything. */
class Sidecar {
  readonly #settings: Settings;
  readonly #find: () => string | undefined;
  readonly #holder: Holder = { ...ownMark(), threadId: 0, dedicated: true };
  #watch: { directory: string; leader: LeaderWatch } | undefined;
  #serving: { directory: string; lead: Lead; exporter: Exporter } | undefined;

  /** @param find - the directory of the group that is to be served now */
  constructor(settings: Settings, find: () => string | undefined) {
    this.#settings = settings;
    this.#find = find;
  }

  /** Looks whether it serves what it should. */
  look(): void {
    const directory = this.#find();
    if (!directory || directory === this.#serving?.directory) return;
    if (this.#serving && !isDeserted(this.#serving.directory)) return;
    void this.leave();
    const after = this.#vacancy(directory);
    const lead = after === undefined ? undefined : this.#take(directory, after);
    if (!lead) return;
    told = '';
    report('info', `process ${process.pid} serves the metrics of ${directory}`);
    const exporter = startExporter(
      { directory, settings: this.#settings, version: ownManifest().version, lead, resumed: lead.number > 1 },
      undefined,
      () => this.#lost(),
    );
    this.#serving = { directory, lead, exporter };
  }

  /** Lets go of what it serves; a group that nobody is left in is deleted. @returns when the last pushes are over */
  async leave(): Promise<void> {
    if (!this.#serving) return;
    const { directory, lead, exporter } = this.#serving;
    this.#serving = undefined;
    const stopped = exporter.stop();
    releaseLead(directory, lead);
    removeGroup(directory, (at) => isDeserted(at));
    await stopped;
  }

  // Unlike a member it leads nobody without a lock: they would lead on beside it.
  #take(directory: string, after: number): Lead | undefined {
    try {
      return takeLead(directory, this.#holder, after, Date.now());
    } catch (error) {
      tell(
        'warn',
        `no lock can be made in ${directory} (${messageOf(error)}): it is served by its members until one can`,
      );
      return undefined;
    }
  }

  // Of a member it takes the lead whether that lives or not; of another process like itself only when that is gone.
  #vacancy(directory: string): number | undefined {
    if (this.#watch?.directory !== directory) this.#watch = { directory, leader: new LeaderWatch(directory) };
    const leader = readLeader(directory);
    return leader?.holder?.dedicated ? this.#watch.leader.vacancy() : (leader?.number ?? 0);
  }

  #lost(): void {
    void this.#serving?.exporter.stop();
    this.#serving = undefined;
  }
}

function named(settings: Settings): () => string {
  const { multiprocDirectory: base, group } = settings;
  const wasThere = existsSync(base);
  const { path, problem } = createGroupDirectory(base, groupName(settings, {}));
  if (problem) {
    // There may be members who could not use it, either.
    removeGroup(path, (at) => isDeserted(at));
    throw new GunicornOtelError(
      'GUNICORN_OTEL_ERR_DIRECTORY',
      `PROMETHEUS_MULTIPROC_DIR=${base} cannot be used (${problem}): nobody would look elsewhere`,
    );
  }
  if (isDeserted(path)) {
    const where = wasThere ? base : `${base}, which was not there and has been made`;
    report('info', `nobody is in the group ${group} of ${where}: somebody is waited for${othersIn(base)}`);
  }
  return () => path;
}

// One of them may be meant.
function othersIn(base: string): string {
  const others = liveGroups(base).map((path) => basename(path));
  return others.length === 0 ? '' : `; there is somebody in ${others.join(', ')}`;
}

function onlyLiveGroup(base: string): string | undefined {
  const groups = liveGroups(base);
  if (groups.length === 1) return groups[0];
  const line =
    groups.length === 0
      ? `${noneIn(base)}: one is waited for`
      : `${groups.length} groups live in ${base} (${groups.join(', ')}): set GUNICORN_OTEL_GROUP in their processes and here, or --group`;
  tell('info', line);
  return undefined;
}

// What each look would say again.
function tell(level: 'info' | 'warn', line: string): void {
  if (line !== told) report(level, line);
  told = line;
}
