/**
 * The config module of an app: a JavaScript file that exports settings, views of the app's own metrics and hooks.
 * It is loaded synchronously, before anything is measured; what is wrong with it becomes lines, never a throw.
 */
import { statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join, resolve } from 'node:path';
import type { ViewOptions } from '@opentelemetry/sdk-metrics';
import { type ModuleSettings, readSettings, SETTINGS, type Setting, type Settings } from './config.ts';
import { messageOf } from './errors.ts';
import { HOOK_NAMES, type Hooks } from './lifecycle.ts';
import { nearestName } from './nearest-name.ts';

// How a line begins about a module that no variable names.
const TOLD: Readonly<Record<string, string>> = { default: 'config module', option: 'option configFile' };
// What module systems add to exports by themselves.
const NOT_EXPORTED = ['default', '__esModule', 'module.exports'];

export interface ConfigModule extends ModuleSettings {
  /** For the app's own instruments, in order; objects, their members not looked at. */
  readonly views: readonly ViewOptions[];
  readonly hooks: Hooks;
  /** One clear line per thing that is wrong, values of settings apart: readSettings tells of those. */
  readonly problems: readonly string[];
}

const KNOWN_NAMES = [
  ...(Object.entries(SETTINGS) as [keyof Settings, Setting][]).flatMap(namesOf),
  'views',
  ...HOOK_NAMES,
];

/**
 * Loads the module named by GUNICORN_OTEL_CONFIG, or `gunicorn.conf.mjs` in the working directory if it is there.
 * The app runs it as it runs any other module: once per process, and with all it may do.
 *
 * @param cwd - what a relative path is told from
 * @param options - where `configFile` may name the module
 * @throws never
 */
export function loadConfigModule(
  env: NodeJS.ProcessEnv,
  cwd: string,
  options: Pick<Partial<Settings>, 'configFile'> = {},
): ConfigModule {
  const { settings, origins } = readSettings(env, options);
  const file = resolve(cwd, settings.configFile);
  const setBy = TOLD[origins.configFile] ?? origins.configFile;
  const failed = (file: string | undefined, ...problems: string[]): ConfigModule => {
    return { file, settings: {}, views: [], hooks: {}, problems };
  };
  if (!isFile(file)) {
    return origins.configFile === 'default'
      ? failed(undefined)
      : failed(undefined, `${setBy}: ${file} is not there; the app runs without it`);
  }
  try {
    return sorted(file, membersOf(load(file)));
  } catch (error) {
    return failed(file, `${setBy}: ${file} ${reasonOf(error, file)}; the app runs without it`);
  }
}

// In order of precedence within a module: the name in code is the exact one.
function namesOf([key, { variable, otelVariable }]: [keyof Settings, Setting]): string[] {
  return [key, variable, ...(otelVariable ? [otelVariable] : [])];
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    // Not there, or in a directory that this user may not search.
    return false;
  }
}

function load(file: string): unknown {
  // Asked for from a file below node_modules: Node 22.12 warns on stderr of a require() of an ES module from elsewhere.
  // Not needed once Node 22.12 is not supported any more.
  return createRequire(join(file, '../node_modules/@x/gunicorn-otel/config.js'))(file);
}

// Named exports come before members of a default export.
function membersOf(loaded: unknown): Map<string, unknown> {
  if (!isObject(loaded)) return new Map();
  const named = Object.entries(loaded);
  const inDefault = isObject(loaded['default']) ? Object.entries(loaded['default']) : [];
  return new Map([...inDefault, ...named].filter(([name]) => !NOT_EXPORTED.includes(name)));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function sorted(file: string, members: ReadonlyMap<string, unknown>): ConfigModule {
  const settings: Partial<Record<keyof Settings, unknown>> = {};
  const hooks: Record<string, unknown> = {};
  const problems: string[] = [];
  for (const [key, setting] of Object.entries(SETTINGS) as [keyof Settings, Setting][]) {
    const name = namesOf([key, setting]).find((known) => members.get(known) !== undefined);
    if (name === undefined) continue;
    const value = members.get(name);
    // Under the name of a variable a bare number counts as it does there.
    if (key !== 'configFile') settings[key] = name !== key && typeof value === 'number' ? String(value) : value;
    else problems.push(`${file}: ${name} has no effect in the module itself`);
  }
  for (const name of HOOK_NAMES) {
    const hook = members.get(name);
    if (typeof hook === 'function') hooks[name] = hook;
    else if (hook !== undefined) problems.push(`${file}: the hook ${name} is no function; it is not called`);
  }
  const given = members.get('views') ?? [];
  const views = Array.isArray(given) && given.every(isObject) ? (given as readonly ViewOptions[]) : [];
  if (views !== given) problems.push(`${file}: views is no array of objects; none of them is used`);
  for (const name of members.keys()) {
    if (KNOWN_NAMES.includes(name)) continue;
    const meant = nearestName(name, KNOWN_NAMES);
    problems.push(`${file}: ${name} is nothing known${meant ? `; is ${meant} meant?` : ', it has no effect'}`);
  }
  return { file, settings, views, hooks: hooks as Hooks, problems };
}

function reasonOf(error: unknown, file: string): string {
  const { code, stack } = told(error);
  if (code === 'ERR_REQUIRE_ASYNC_MODULE') {
    return 'has a top-level await, or imports one, and is loaded without waiting: move what awaits into a hook';
  }
  if (code === 'ERR_REQUIRE_ESM' && !file.endsWith('.cjs')) {
    return `is an ES module, which Node ${process.versions.node} cannot require: make it .cjs, or use Node 22.12 or later`;
  }
  // Where it was thrown, or what does not parse.
  const [, line] = /^(\d+)/.exec(String(stack).split(`${basename(file)}:`)[1] ?? '') ?? [];
  return `cannot be loaded: ${messageOf(error)}${line ? ` (line ${line})` : ''}`;
}

// What was thrown may be anything, and may throw when it is looked at.
function told(error: unknown): { code?: unknown; stack?: unknown } {
  try {
    const { code, stack } = error as NodeJS.ErrnoException;
    return { code, stack };
  } catch {
    return {};
  }
}
