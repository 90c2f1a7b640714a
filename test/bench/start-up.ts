/** What being preloaded costs a process at its start: one that measures nothing, and a server until it listens. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Report } from './report.ts';

const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 21);
const REGISTER = fileURLToPath(new URL('../../src/register.js', import.meta.url));
const REGISTER_CJS = fileURLToPath(new URL('../../src/register.cjs', import.meta.url));
const SERVER = fileURLToPath(new URL('../../../test/fixtures/hello-server.mjs', import.meta.url));

/** Prints milliseconds from spawn to exit (`-e 0`), and from spawn to the first line (server). */
export async function startUp(_report: Report): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'gunicorn-otel-bench-'));
  const empty = join(directory, 'empty.mjs');
  writeFileSync(empty, '');
  const cases: Readonly<Record<string, readonly string[]>> = {
    'script, bare': ['-e', '0'],
    'script, --import of an empty file': ['--import', empty, '-e', '0'],
    'script, --import ours': ['--import', REGISTER, '-e', '0'],
    'script, --require ours': ['--require', REGISTER_CJS, '-e', '0'],
    'server, bare': [SERVER],
    'server, --import ours': ['--import', REGISTER, SERVER],
    'server, --require ours': ['--require', REGISTER_CJS, SERVER],
  };
  const times = new Map<string, number[]>(Object.keys(cases).map((name) => [name, []]));
  try {
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const [name, args] of Object.entries(cases)) times.get(name)!.push(await time(args, directory));
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  console.log(`start-up: milliseconds, ${ROUNDS} interleaved rounds, Node ${process.version}`);
  for (const [name, values] of times) {
    values.sort((a, b) => a - b);
    const bare = times.get(name.startsWith('script') ? 'script, bare' : 'server, bare')!;
    const added = values[Math.floor(ROUNDS / 2)]! - bare[Math.floor(ROUNDS / 2)]!;
    const figures = [values[0]!, values[Math.floor(ROUNDS / 2)]!].map((ms) => ms.toFixed(1).padStart(6));
    console.log(
      `  ${name.padEnd(34)} min ${figures[0]}   median ${figures[1]}   added ${added.toFixed(1).padStart(6)}`,
    );
  }
}

async function time(args: readonly string[], directory: string): Promise<number> {
  const env = {
    ...process.env,
    PROMETHEUS_METRICS_PORT: '0',
    PROMETHEUS_MULTIPROC_DIR: directory,
    OTEL_LOG_LEVEL: 'none',
  };
  const startMs = performance.now();
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  await Promise.race([once(child.stdout!, 'data'), exited]);
  const elapsedMs = performance.now() - startMs;
  child.kill('SIGKILL');
  await exited;
  return elapsedMs;
}
