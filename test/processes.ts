/** Starts user programs as a user would, with the preload or without, and ends every one of them with its test. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseExposition, type Sample } from './exposition.ts';
import { request } from './requests.ts';

const POLL_MS = 20;
const DEADLINE_MS = 30_000;
// Below those that systems give away by themselves (Linux 32768, others 49152), above those of services.
const FIRST_PORT = 20_000;
const LAST_PORT = 32_000;
const REGISTER = '@x/gunicorn-otel/register';
const PRELOADS = {
  none: {},
  '--import': { args: ['--import', REGISTER] },
  '--require': { args: ['--require', REGISTER] },
  'NODE_OPTIONS=--import': { nodeOptions: `--import=${REGISTER}` },
  'NODE_OPTIONS=--require': { nodeOptions: `--require=${REGISTER}` },
};

export type Preload = keyof typeof PRELOADS;

/** Whatever calls back when it is over: a test's context, or `{ after }` of node:test for a whole file. */
export interface Owner {
  after(end: () => unknown): void;
}

export interface StartOptions {
  /** `--import` unless told. */
  preload?: Preload;
  /** The node of this test unless told. With another one only the NODE_OPTIONS preloads make sense. */
  command?: string;
  env?: Record<string, string>;
  /** The root of this repository unless told, where the package resolves by its own name. */
  cwd?: string;
  /** `pipe`: the program is told lines by its stdin. */
  stdin?: 'pipe';
  /** PROMETHEUS_MULTIPROC_DIR; a fresh one unless told. */
  directory?: string;
  /** That of this test unless told. */
  uid?: number;
}

export interface Running {
  child: ChildProcess;
  pid: number;
  directory: string;
  output: { stdout: string; stderr: string };
  /** Waits until the program has ended, by itself or killed, and its output is complete. */
  ended(): Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** The first match in the output, awaited; fails at once when the program ends without it. */
  says(pattern: RegExp, stream?: 'stdout' | 'stderr'): Promise<RegExpMatchArray>;
  /** Where its metrics are, by its own word. */
  metricsUrl(): Promise<string>;
  /** @param url - metricsUrl() unless told */
  scrape(url?: string): Promise<Sample[]>;
}

const ends = new WeakMap<Owner, (() => unknown)[]>();

// A test that is interrupted must not leave its programs behind.
const alive = new Set<ChildProcess>();
process.on('exit', () => alive.forEach(killTree));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export function fixture(name: string): string {
  return join(ROOT, 'test/fixtures', name);
}

/** A port that is free, and that the system gives to nobody who asks for any: another test's server may do so at any time. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(FIRST_PORT, LAST_PORT);
    const server = createServer().listen(port);
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}

/** A directory that is removed with its test. */
export function freshDirectory(owner: Owner): string {
  const path = mkdtempSync(join(tmpdir(), 'gunicorn-otel-test-'));
  // What was killed a moment ago may write once more.
  atEnd(owner, () => rmSync(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }));
  return path;
}

/**
 * The one way to wait in these tests.
 *
 * @returns the first value of the condition that is neither undefined, null, false nor 0
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  what: string | (() => string),
  deadlineMs = DEADLINE_MS,
): Promise<Exclude<T, undefined | null | false | 0>> {
  const deadline = performance.now() + deadlineMs;
  for (;;) {
    const value = await condition();
    if (value) return value as Exclude<T, undefined | null | false | 0>;
    if (performance.now() > deadline) {
      assert.fail(`not within ${deadlineMs} ms: ${typeof what === 'string' ? what : what()}`);
    }
    await delay(POLL_MS);
  }
}

/** Starts `node <preload> <args>` in a process group of its own, which is killed when its test is over. */
export function start(owner: Owner, args: string[], options: StartOptions = {}): Running {
  const directory = options.directory ?? freshDirectory(owner);
  const preload: { args?: string[]; nodeOptions?: string } = PRELOADS[options.preload ?? '--import'];
  const child = spawn(options.command ?? process.execPath, [...(preload.args ?? []), ...args], {
    cwd: options.cwd ?? ROOT,
    detached: true,
    stdio: [options.stdin ?? 'ignore', 'pipe', 'pipe'],
    ...(options.uid !== undefined && { uid: options.uid }),
    env: {
      ...cleanEnvironment(),
      PROMETHEUS_METRICS_PORT: '0',
      PROMETHEUS_MULTIPROC_DIR: directory,
      ...(preload.nodeOptions && { NODE_OPTIONS: preload.nodeOptions }),
      ...options.env,
    },
  });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]!.setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
    });
  }
  let end: { code: number | null; signal: NodeJS.Signals | null } | undefined;
  alive.add(child);
  child.once('close', (code, signal) => {
    end = { code, signal };
    alive.delete(child);
  });
  const shown = (pattern: unknown) => `${pattern}; it said\n${output.stdout}\n${output.stderr}`;
  const ended = () =>
    until(
      () => end,
      () => shown('the end of the program'),
    );
  atEnd(owner, async () => {
    killTree(child);
    await ended();
  });

  const says: Running['says'] = async (pattern, stream = 'stdout') => {
    const match = await until(
      () => output[stream].match(pattern) ?? (end && 'over'),
      () => shown(pattern),
    );
    if (match === 'over') assert.fail(`ended without ${shown(pattern)}`);
    return match;
  };
  const metricsUrl = async () => (await says(/metrics of process \d+ .* at (http\S+)/, 'stderr'))[1] as string;
  const scrape = async (url?: string) => {
    const answer = await request(url ?? (await metricsUrl()));
    assert.equal(answer.status, 200, answer.body);
    return parseExposition(answer.body);
  };
  return { child, pid: child.pid as number, directory, output, ended, says, metricsUrl, scrape };
}

/** Starts a fixture that serves HTTP and says `ready on port N`. */
export async function startApp(owner: Owner, app: string, options?: StartOptions): Promise<Running & { port: number }> {
  const running = start(owner, [app.startsWith('/') ? app : fixture(app)], options);
  return { ...running, port: Number((await running.says(/^ready on port (\d+)/m))[1]) };
}

export interface Cluster extends Running {
  port: number;
  /** Every worker that has listened, by cluster worker id: its pid. The dead stay in it. */
  workers(): Map<string, number>;
}

/** Starts `forks-workers.mjs` with an app, and waits until all its workers listen. */
export async function startCluster(
  owner: Owner,
  app: string,
  count: number,
  { primary = fixture('forks-workers.mjs'), ...options }: StartOptions & { primary?: string } = {},
): Promise<Cluster> {
  const running = start(owner, [primary, app.startsWith('/') ? app : fixture(app), String(count)], options);
  const port = Number((await running.says(/^all ready on port (\d+)/m))[1]);
  const workers = () =>
    new Map([...running.output.stdout.matchAll(/^worker (\d+) (\d+)$/gm)].map(([, id, pid]) => [id!, Number(pid)]));
  return { ...running, port, workers };
}

/** Last begun, first ended: a program is gone before the directory that it would make again. */
export function atEnd(owner: Owner, end: () => unknown): void {
  const known = ends.get(owner);
  if (known) return void known.unshift(end);
  const all = [end];
  ends.set(owner, all);
  owner.after(async () => {
    const failures: unknown[] = [];
    // One that fails leaves the others to end: a program that is left alive keeps its test file, and the whole run, alive.
    for (const each of all) await (async () => each())().catch((error) => failures.push(error));
    if (failures.length > 0) throw failures[0];
  });
}

// What the runner of these tests, or whoever started it, has set must not reach the programs under test.
function cleanEnvironment(): NodeJS.ProcessEnv {
  const foreign = /^(NODE_OPTIONS|NODE_TEST_CONTEXT|(PROMETHEUS|GUNICORN|OTEL|REDIS)_.*)$/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !foreign.test(name)));
}

function killTree(child: ChildProcess): void {
  // Its number may be another's by now.
  if (!alive.has(child)) return;
  try {
    if (child.pid) process.kill(-child.pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
