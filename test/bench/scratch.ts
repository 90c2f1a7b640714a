/**
 * A folder outside the project with what is to be compared: this package as its tarball, and its peers, as npm resolves
 * them for a version of Node. Made once per version and tarball, kept in the temporary directory for a day.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { npm, packTarball } from '../npm.ts';

const PREFIX = 'gunicorn-otel-scratch-node';
const KEPT_MS = 24 * 3_600_000;

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
  const directory = join(tmpdir(), `${PREFIX}${nodeMajor}-${key}`);
  if (!existsSync(directory)) make(directory, tarball, nodeMajor, packages);
  const node = nodeOf(nodeMajor, directory);
  const manifest = (name: string) => join(directory, 'node_modules', name, 'package.json');
  return {
    directory,
    node,
    nodeVersion: execFileSync(node, ['-p', 'process.versions.node'], { encoding: 'utf8' }).trim(),
    has: (name) => existsSync(manifest(name)),
    versionOf: (name) => (JSON.parse(readFileSync(manifest(name), 'utf8')) as { version: string }).version,
  };
}

// Made beside its place and put there whole: one that was interrupted, or has begun at the same time, is not taken for it.
function make(directory: string, tarball: string, nodeMajor: number, packages: readonly string[]): void {
  forgetOld();
  const unfinished = mkdtempSync(`${directory}.`);
  try {
    writeFileSync(join(unfinished, 'package.json'), '{ "name": "scratch", "private": true, "type": "module" }\n');
    copyFileSync(tarball, join(unfinished, basename(tarball)));
    const node = nodeOf(nodeMajor, unfinished);
    if (node !== process.execPath) npm(unfinished, process.execPath, ['install', `node@${nodeMajor}`]);
    // By the Node that will run them: npm takes the newest versions that support it.
    npm(unfinished, node, ['install', `./${basename(tarball)}`, '@opentelemetry/api', ...packages]);
    if (!existsSync(directory)) renameSync(unfinished, directory);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}

function nodeOf(nodeMajor: number, directory: string): string {
  const own = nodeMajor === Number(process.versions.node.split('.')[0]);
  return own ? process.execPath : join(directory, 'node_modules', 'node', 'bin', 'node');
}

// Each is some 150 MB, and every change of this package makes another.
function forgetOld(): void {
  for (const name of readdirSync(tmpdir())) {
    if (!name.startsWith(PREFIX)) continue;
    const path = join(tmpdir(), name);
    const madeMs = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Number.POSITIVE_INFINITY;
    if (Date.now() - madeMs > KEPT_MS) rmSync(path, { recursive: true, force: true });
  }
}

let packed: string | undefined;

function pack(): string {
  packed ??= packTarball();
  return packed;
}
