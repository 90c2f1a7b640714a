/**
 * A folder outside the project with what is to be compared: this package as its tarball, and its peers, as npm resolves
 * them for a version of Node. Made once per version and tarball, kept in the temporary directory.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { npm, packTarball } from '../npm.ts';

export interface Scratch {
  /** Absolute; programs are to be written into it, so that they find its packages. */
  readonly directory: string;
  /** The executable of that Node. */
  readonly node: string;
  /** Such as `20.20.2`. */
  readonly nodeVersion: string;
  /** Whether a package is there; one may not support this Node. */
  has(name: string): boolean;
  /** Of an installed package. */
  versionOf(name: string): string;
}

/**
 * @param nodeMajor - that of the running Node, or another one, which npm's package `node` brings
 * @param packages - as `npm install` takes them
 * @throws when npm cannot install them
 */
export function scratch(nodeMajor: number, packages: readonly string[]): Scratch {
  const tarball = pack();
  const key = createHash('sha256').update(readFileSync(tarball)).update(packages.join()).digest('hex').slice(0, 12);
  const directory = join(tmpdir(), `gunicorn-otel-bench-node${nodeMajor}-${key}`);
  const own = nodeMajor === Number(process.versions.node.split('.')[0]);
  const node = own ? process.execPath : join(directory, 'node_modules', 'node', 'bin', 'node');
  if (!existsSync(join(directory, 'ready'))) {
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, 'package.json'), '{ "name": "scratch", "private": true, "type": "module" }\n');
    if (!own) npm(directory, process.execPath, ['install', `node@${nodeMajor}`]);
    // By the Node that will run them: npm takes the newest versions that support it.
    npm(directory, node, ['install', tarball, '@opentelemetry/api', ...packages]);
    writeFileSync(join(directory, 'ready'), '');
  }
  const manifest = (name: string) => join(directory, 'node_modules', name, 'package.json');
  return {
    directory,
    node,
    nodeVersion: execFileSync(node, ['-p', 'process.versions.node'], { encoding: 'utf8' }).trim(),
    has: (name) => existsSync(manifest(name)),
    versionOf: (name) => (JSON.parse(readFileSync(manifest(name), 'utf8')) as { version: string }).version,
  };
}

let packed: string | undefined;

function pack(): string {
  packed ??= packTarball();
  return packed;
}
