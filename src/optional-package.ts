/** Packages that only some users need: loaded when they are, and one line tells how to get one that is not there. */
import { createRequire } from 'node:module';
import { messageOf } from './errors.ts';
import { ownManifest } from './manifest.ts';
import { report } from './report.ts';

/**
 * @param name - as `installCommand` takes it
 * @param load - imports it
 * @param purpose - what does not happen without it, beginning a sentence
 * @returns undefined, and one line, when it is not installed or cannot be loaded
 * @throws never
 */
export async function loadOptional<T>(name: string, load: () => Promise<T>, purpose: string): Promise<T | undefined> {
  try {
    return await load();
  } catch (error) {
    tell(name, purpose, error);
    return undefined;
  }
}

/** The same at once, for what has to be there before the app goes on. @throws never */
export function requireOptional<T>(name: string, purpose: string): T | undefined {
  try {
    return createRequire(import.meta.url)(name) as T;
  } catch (error) {
    tell(name, purpose, error);
    return undefined;
  }
}

/**
 * @param name - a key of devDependencies in package.json, whose range goes into it: it is tested with that. That of
 *   peerDependencies is `*`, or an app that has another version of its own could not install us
 * @throws never
 */
export function installCommand(name: string): string {
  return `npm install '${name}@${rangeOf(name) ?? 'latest'}'`;
}

// Whoever packs an app may leave out of package.json what no package needs that is installed, or the file itself.
function rangeOf(name: string): string | undefined {
  try {
    return ownManifest().devDependencies?.[name];
  } catch {
    return undefined;
  }
}

function tell(name: string, purpose: string, error: unknown): void {
  const missing = ['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'].includes((error as NodeJS.ErrnoException).code ?? '');
  const why = missing ? `the package ${name}, which is not installed` : `the package ${name}: ${messageOf(error)}`;
  report('error', `${purpose} needs ${why}; to install it: ${installCommand(name)}`);
}
