/**
 * One cell of the matrix: a folder whose root is the unpacked tarball, with what npm resolves for a version of Node and a
 * line of OpenTelemetry, and this tree's compiled tests beside it.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { npm } from '../npm.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
// With the modules that tests import one by one; what their processes run is the tarball's.
const TESTS = ['dist/test', 'dist/src', 'test', 'examples', 'README.md', 'tsconfig.json'];
const DEPENDENCIES = ['dependencies', 'devDependencies'] as const;

export interface Cell {
  /** A version of Node as npm's package `node` has it: `26`, `20.19.0`. */
  readonly node: string;
  /** Major version of the SDK. */
  readonly otel: 2 | 3;
}

export interface Installed {
  readonly directory: string;
  /** The environment of its tests: its Node comes first in PATH. */
  readonly env: NodeJS.ProcessEnv;
  /** What npm has resolved, to be printed. */
  readonly versions: string;
}

type Manifest = Record<(typeof DEPENDENCIES)[number], Record<string, string>>;

/** @throws when npm cannot install it */
export function installCell(tarball: string, { node, otel }: Cell): Installed {
  const directory = mkdtempSync(join(tmpdir(), `gunicorn-otel-matrix-node${node}-otel${otel}-`));
  const tools = join(directory, '.node');
  mkdirSync(tools);
  writeFileSync(join(tools, 'package.json'), '{ "private": true }');
  npm(tools, process.execPath, ['install', `node@${node}`]);
  const command = join(tools, 'node_modules', 'node', 'bin', 'node');

  execFileSync('tar', ['-xzf', tarball, '-C', directory, '--strip-components=1']);
  const path = join(directory, 'package.json');
  const manifest = JSON.parse(readFileSync(path, 'utf8')) as Manifest;
  for (const kind of DEPENDENCIES) {
    for (const [name, range] of Object.entries(manifest[kind])) manifest[kind][name] = ofLine(range, otel);
  }
  writeFileSync(path, JSON.stringify(manifest, null, 2));
  // By the Node of the cell, scripts off: there are no sources to build.
  npm(directory, command, ['install', '--ignore-scripts']);
  for (const each of TESTS) {
    if (existsSync(join(ROOT, each))) cpSync(join(ROOT, each), join(directory, each), { recursive: true });
  }
  return {
    directory,
    env: { ...process.env, PATH: `${dirname(command)}:${process.env['PATH']}` },
    versions: ['@opentelemetry/api', '@opentelemetry/sdk-metrics', '@opentelemetry/exporter-prometheus']
      .map((name) => `${name} ${versionOf(directory, name)}`)
      .join(', '),
  };
}

// Ranges of OpenTelemetry's packages are "those of the 2.x line || those of the 3.x line".
function ofLine(range: string, otel: 2 | 3): string {
  const alternatives = range.split(' || ');
  return alternatives.length === 2 ? alternatives[otel - 2]! : range;
}

function versionOf(directory: string, name: string): string {
  const manifest = readFileSync(join(directory, 'node_modules', name, 'package.json'), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}
