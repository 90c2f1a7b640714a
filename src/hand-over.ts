/**
 * How a primary's workers are preloaded. Node loses what a primary sends to a worker while the worker still loads an
 * `--import`; it loses nothing while it loads a `--require`. So workers get the package in that form.
 */
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const REGISTER = '@x/gunicorn-otel/register';
// In NODE_OPTIONS a value may stand in double quotes, with backslashes inside.
const IMPORT_OPTION = /(?<!\S)--import(?:=|\s+)("(?:[^"\\]|\\.)*"|\S+)/g;

/**
 * @param nodeOptions - NODE_OPTIONS as it stands, or undefined
 * @returns the same with this package's `--import` replaced
 */
export function workerNodeOptions(nodeOptions: string | undefined): string | undefined {
  return nodeOptions?.replaceAll(IMPORT_OPTION, (option, value: string) => {
    const specifier = value.startsWith('"') ? value.slice(1, -1).replaceAll(/\\(.)/g, '$1') : value;
    return isRegister(specifier) ? `--require ${JSON.stringify(registerCjs())}` : option;
  });
}

/**
 * @param execArgv - what the workers would be started with; the app may have set it, and left us out
 * @param nodeOptions - NODE_OPTIONS they will have
 * @returns the same with this package required once, by one or the other
 */
export function workerExecArgv(execArgv: readonly string[], nodeOptions: string | undefined): string[] {
  const args: string[] = [];
  for (let i = 0; i < execArgv.length; i += 1) {
    const arg = execArgv[i]!;
    if (arg === '--import' && isRegister(execArgv[i + 1] ?? '')) i += 1;
    else if (!(arg.startsWith('--import=') && isRegister(arg.slice('--import='.length)))) args.push(arg);
  }
  const required = args.some(isRegister) || (nodeOptions ?? '').includes(registerCjs()) || requires(nodeOptions);
  return required ? args : [...args, '--require', registerCjs()];
}

function requires(nodeOptions: string | undefined): boolean {
  return /(?:--require|-r)[= ]"?[^\s"]*gunicorn-otel\/register/.test(nodeOptions ?? '');
}

function isRegister(specifier: string): boolean {
  if (specifier === REGISTER) return true;
  if (specifier.startsWith('file:')) return specifier === pathToFileURL(registerJs()).href;
  return [registerJs(), registerCjs()].includes(resolve(specifier));
}

function registerJs(): string {
  return fileURLToPath(new URL('./register.js', import.meta.url));
}

function registerCjs(): string {
  return fileURLToPath(new URL('./register.cjs', import.meta.url));
}
