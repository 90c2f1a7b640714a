/** Packages that only some users need: loaded when they are, and one line tells how to get one that is not there. */
import { readFileSync } from 'node:fs';
import { messageOf } from '../errors.ts';
import { report } from '../report.ts';

/**
 * @param name - a key of peerDependencies in package.json, whose range goes into the install command
 * @param load - imports it
 * @param purpose - what does not happen without it, beginning a sentence
 * @returns undefined, and one line, when it is not installed or cannot be loaded
 * @throws never
 */
export async function loadOptional<T>(name: string, load: () => Promise<T>, purpose: string): Promise<T | undefined> {
  try {
    return await load();
  } catch (error) {
    const missing = ['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'].includes((error as NodeJS.ErrnoException).code ?? '');
    const why = missing ? `the package ${name}, which is not installed` : `the package ${name}: ${messageOf(error)}`;
    report('error', `${purpose} needs ${why}; to install it: npm install '${name}@${rangeOf(name)}'`);
    return undefined;
  }
}

function rangeOf(name: string): string {
  const manifest = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
    peerDependencies: Record<string, string>;
  };
  return manifest.peerDependencies[name] ?? 'latest';
}
