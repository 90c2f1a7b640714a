/** Real PM2, with a home and a daemon of its own for each test; all that it has started is killed when the test is over. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { atEnd, fixture, freshDirectory, type Owner, ROOT, until } from './processes.ts';

const BIN = join(ROOT, 'node_modules/pm2/bin');
const REGISTER = '@x/gunicorn-otel/register';
// Nothing of PM2 asks the network, and nothing asks a terminal.
const QUIET = { PM2_DISABLE_VERSION_CHECK: 'true', PM2_DISCRETE_MODE: 'true', PM2_NO_INTERACTION: 'true' };
const FOREIGN = /^(NODE_OPTIONS|NODE_TEST_CONTEXT|(PROMETHEUS|GUNICORN|OTEL|REDIS|PM2)_.*)$/;
// Else a PM2 that runs these tests would be taken for the one under test.
const PM2_OWN = ['pm_id', 'pm2_env', 'name'];

/** One entry of `apps` in an ecosystem file; what is not told is PM2's default. */
export interface Pm2App {
  name: string;
  exec_mode: 'cluster' | 'fork';
  instances: number;
  /** A fixture; `ends-as-pm2-asks.mjs` unless told. */
  script?: string;
  node_args?: string;
  env?: Record<string, string>;
}

export interface Pm2Options {
  /** Of the shell that PM2 is started from: its daemon has it, too. */
  env?: Record<string, string>;
  /** PROMETHEUS_MULTIPROC_DIR of every app; a fresh one unless told. */
  directory?: string;
  /** `pm2-runtime`: no daemon, one process that stays. */
  command?: 'pm2' | 'pm2-runtime';
}

export interface Pm2 {
  directory: string;
  /** Runs `pm2 <args>` to its end. @returns its stdout */
  run(...args: string[]): Promise<string>;
  /** What of an app is alive, once it is exactly so many that have listened: pid -> port. */
  ready(name: string, count: number): Promise<Map<number, number>>;
  /** The process that keeps the apps. */
  daemonPid(): number;
  /** Everything that the apps and the daemon have written. */
  log(): string;
  /** The process of `pm2-runtime`, or of `pm2 start`, which has ended. */
  child: ChildProcess;
  /** All living processes of this PM2. */
  processes(): number[];
}

/** `node_args` of an app that preloads this package. */
export function preloadedBy(flag: '--import' | '--require'): string {
  return `${flag} ${REGISTER}`;
}

/** NODE_OPTIONS of a shell that preloads this package into all. */
export function preloadsAll(flag: '--import' | '--require'): { NODE_OPTIONS: string } {
  return { NODE_OPTIONS: `${flag}=${REGISTER}` };
}

/** Writes the ecosystem file, or takes one that is there, and starts all its apps. */
export async function startPm2(owner: Owner, apps: Pm2App[] | string, options: Pm2Options = {}): Promise<Pm2> {
  const directory = options.directory ?? freshDirectory(owner);
  // Short: the paths of its sockets have an upper limit of 107 characters.
  const home = mkdtempSync(join(tmpdir(), 'pm2-'));
  const killAll = () => {
    while (processesOf(home).length > 0) processesOf(home).forEach(kill);
  };
  // A test run that is interrupted must not leave a daemon behind.
  process.on('exit', killAll);
  atEnd(owner, () => {
    process.off('exit', killAll);
    killAll();
    rmSync(home, { recursive: true, force: true });
  });
  const file = typeof apps === 'string' ? apps : join(home, 'apps.json');
  if (typeof apps !== 'string') {
    writeFileSync(file, JSON.stringify({ apps: apps.map((app) => entryOf(app, home, directory)) }));
  }

  const begin = (bin: string, args: string[]) => {
    const child = spawn(process.execPath, [join(BIN, bin), ...args], {
      cwd: typeof apps === 'string' ? dirname(apps) : ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...foreignEnvironment(), ...QUIET, PM2_HOME: home, HOME: home, ...options.env },
    });
    const said = { stdout: '', all: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said.stdout += text;
      said.all += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said.all += text;
    });
    return { child, said };
  };
  const toItsEnd = async ({ child, said }: ReturnType<typeof begin>, what: string) => {
    await until(
      () => child.exitCode !== null || child.signalCode !== null,
      () => `the end of ${what}; it said ${said.all}`,
      60_000,
    );
    assert.equal(child.exitCode, 0, `${what}: ${said.all}`);
    return said.stdout;
  };
  const run: Pm2['run'] = (...args) => toItsEnd(begin('pm2', args), `pm2 ${args.join(' ')}`);
  const log = () => readAll(home);
  const processes = () => processesOf(home);
  const ready: Pm2['ready'] = (name, count) => {
    const look = () => {
      const ports = new Map(
        [...log().matchAll(/^ready on port (\d+) in (\d+)$/gm)].map(
          ([, port, pid]) => [Number(pid), Number(port)] as const,
        ),
      );
      const pids = pidsOf(home, name);
      return { pids, listening: pids.filter((pid) => ports.has(pid)), ports };
    };
    return until(
      () => {
        const { pids, listening, ports } = look();
        const all = pids.length === count && listening.length === count;
        return all && new Map(pids.map((pid) => [pid, ports.get(pid)!]));
      },
      () => `${count} of ${name} that listen; there are ${JSON.stringify(look())}\n${log()}`,
    );
  };
  const started = begin(options.command ?? 'pm2', ['start', file]);
  if (options.command !== 'pm2-runtime') await toItsEnd(started, 'pm2 start');
  const daemonPid = () =>
    options.command === 'pm2-runtime' ? started.child.pid! : Number(readFileSync(join(home, 'pm2.pid'), 'utf8'));
  return { directory, run, ready, daemonPid, log, child: started.child, processes };
}

function entryOf({ script = 'ends-as-pm2-asks.mjs', env, ...app }: Pm2App, home: string, directory: string) {
  return {
    ...app,
    script: fixture(script),
    cwd: ROOT,
    merge_logs: true,
    out_file: join(home, `${app.name}.out`),
    error_file: join(home, `${app.name}.err`),
    vizion: false,
    env: { PROMETHEUS_MULTIPROC_DIR: directory, ...env },
  };
}

function foreignEnvironment(): NodeJS.ProcessEnv {
  const all = Object.entries(process.env);
  return Object.fromEntries(all.filter(([name]) => !FOREIGN.test(name) && !PM2_OWN.includes(name)));
}

// By the files that PM2 keeps of its apps, so that looking costs no process; a file may be older than an end.
function pidsOf(home: string, name: string): number[] {
  const directory = join(home, 'pids');
  if (!existsSync(directory)) return [];
  const alive = new Set(processesOf(home));
  return readdirSync(directory)
    .filter((file) => file.startsWith(`${name}-`))
    .map((file) => Number(readOrNothing(join(directory, file))))
    .filter((pid) => alive.has(pid));
}

function readAll(home: string): string {
  const all = readdirSync(home, { recursive: true, encoding: 'utf8' });
  const files = all.filter((file) => /\.(out|err|log)$/.test(file));
  return files.map((file) => readOrNothing(join(home, file))).join('');
}

// Everything that PM2 starts has inherited its home; zombies have no environment any more.
function processesOf(home: string): number[] {
  return readdirSync('/proc')
    .filter(
      (pid) => /^\d+$/.test(pid) && readOrNothing(`/proc/${pid}/environ`).split('\0').includes(`PM2_HOME=${home}`),
    )
    .map(Number)
    .sort((a, b) => a - b);
}

function readOrNothing(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
