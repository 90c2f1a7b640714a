/**
 * `npm run test:matrix`: the system tests over versions of Node and both lines of OpenTelemetry, each from the packed
 * tarball, and apps of others. `npm run test:matrix -- 20.19.0/2 26/3` runs these cells only, `--core` the files that differ
 * most.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { packTarball } from '../npm.ts';
import { type Cell, type Installed, installCell } from './cell.ts';

/** Not versions: what others have made, in a folder of its own, on the Node that runs this. */
const OTHERS: Readonly<Record<string, string>> = {
  next: 'Next.js',
  others: "OpenTelemetry's auto-instrumentations and Sentry",
};
/** The oldest Node of `engines`, and the newest of each line that lives. */
const CELLS = ['20.19.0/2', '22/2', '22/3', '24/2', '24/3', '26/3', ...Object.keys(OTHERS)];
const SYSTEM = /^(?:(?:system|framework|example)-.*|server-gzip)\.test\.js$/;
// What is the tarball's own test, and what tells more of the machine than of Node.
const APART = /^system-(?:tarball|soak|disk-full|recycled-pid)/;
const CORE =
  /^(?:framework-\w+|server-gzip|system-(?:ways|cluster-life|killed-worker|threads|children|app-metrics|app-ends|own-sdk|own-readers|beside-node-sdk|prom-client|node-runs|public-api|request-kinds|request-failures|connection-errors|errors-of-others|signals|transparency|http2|upgrades|http-source|runtime-metrics|exporter-thread|status|secured-serve|codings))\.test\.js$/;
// As in package.json. What does not end by itself fails by its name.
const TEST = ['--test', '--test-timeout=600000', '--test-reporter=spec'];
const MOST_AGAIN = 3;

const { values, positionals } = parseArgs({ options: { core: { type: 'boolean' } }, allowPositionals: true });
const tarball = packTarball();
const results = (positionals.length > 0 ? positionals : CELLS).map(run);
console.log(`\n${results.map(({ text }) => text).join('\n')}`);
process.exitCode = results.every(({ passed }) => passed) ? 0 : 1;

function run(name: string): { passed: boolean; text: string } {
  const title = OTHERS[name];
  if (title !== undefined) {
    const file = fileURLToPath(new URL(`${name}.test.js`, import.meta.url));
    const { status } = spawnSync(process.execPath, ['--test', file], { stdio: ['ignore', 'inherit', 'inherit'] });
    return { passed: status === 0, text: `${title}: ${status === 0 ? 'passed' : 'failed'}` };
  }
  const [node = '', otel] = name.split('/');
  const installed = installCell(tarball, { node, otel: Number(otel) as Cell['otel'] });
  console.log(`\n# Node ${name}: ${installed.versions}`);
  try {
    return test(name, installed);
  } finally {
    rmSync(installed.directory, { recursive: true, force: true });
  }
}

function test(name: string, { directory, env, versions }: Installed): { passed: boolean; text: string } {
  const tests = join(directory, 'dist', 'test');
  const files = readdirSync(tests).filter((file) => (values.core ? CORE : SYSTEM).test(file) && !APART.test(file));
  const run = (concurrency: number, which: readonly string[]) =>
    spawnSync('node', [...TEST, `--test-concurrency=${concurrency}`, ...which], {
      cwd: directory,
      env,
      encoding: 'utf8',
      maxBuffer: 1e9,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  const { status, stdout } = run(
    2,
    files.map((file) => join('dist', 'test', file)),
  );
  const count = (what: string) => new RegExp(`^ℹ ${what} (\\d+)$`, 'm').exec(stdout)?.[1] ?? '?';
  const counts = `${count('pass')} passed, ${count('fail')} failed, ${count('skipped')} skipped`;
  const text = `Node ${name} (${versions}): ${files.length} files, ${counts}`;
  if (status === 0) return { passed: true, text };
  console.log(stdout.slice(Math.max(0, stdout.indexOf('✖ failing tests:'))));
  // As in .ci/run: what has failed is run again, alone; failing twice, or in many places, is failing.
  const failed = [...new Set([...stdout.matchAll(/^test at (dist\/test\/[^:]+):/gm)].map(([, file]) => file!))];
  const passed = failed.length > 0 && failed.length <= MOST_AGAIN && run(1, failed).status === 0;
  return { passed, text: passed ? `${text}; passed only when run again: ${failed}` : text };
}
