/**
 * What being preloaded costs a process at its start: a script that measures nothing, from spawn to its end, and a server,
 * from spawn until it listens. Rounds are interleaved, and what is added is told by round.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fixture } from '../processes.ts';
import { nodeMajors } from './node-majors.ts';
import type { Report } from './report.ts';
import { type Scratch, scratch } from './scratch.ts';
import { median, spread, turns } from './statistics.ts';

const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 41);
const WARM_UP_ROUNDS = 2;
const REGISTER = '@x/gunicorn-otel/register';

const PRELOADS: Readonly<Record<string, readonly string[]>> = {
  'without us': [],
  '--import of an empty file': ['--import', fixture('empty-preload.mjs')],
  '--import ours': ['--import', REGISTER],
  '--require ours': ['--require', REGISTER],
};
const OURS = Object.keys(PRELOADS).slice(2);

const PROGRAMS: Readonly<Record<string, { args: readonly string[]; limitMs: number; because: string }>> = {
  script: {
    args: ['-e', '0'],
    limitMs: 15,
    because:
      "An empty --import takes its part of it, Node's loader of ES modules; the rest are our first five files, and `node:cluster` and `node:worker_threads` with what is behind them.",
  },
  server: {
    args: [fixture('hello-server.mjs')],
    limitMs: 60,
    because: 'The rest of the package is loaded and the exporter thread started before it listens.',
  },
};

/** A table and two targets per version of Node. @throws when a program fails */
export async function startUp(report: Report): Promise<void> {
  report.say(
    `Milliseconds of ${ROUNDS} rounds, median (quartiles): a script (\`-e 0\`) from spawn to exit, an http server from spawn until it listens.`,
  );
  for (const major of nodeMajors()) await measure(report, scratch(major, []));
}

async function measure(report: Report, place: Scratch): Promise<void> {
  const cases = Object.keys(PROGRAMS).flatMap((program) =>
    Object.keys(PRELOADS).map((preload) => ({ program, preload, times: [] as number[] })),
  );
  const directory = mkdtempSync(`${tmpdir()}/gunicorn-otel-bench-`);
  try {
    for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round += 1) {
      for (const { program, preload, times } of turns(cases, round)) {
        const ms = await time(place, [...PRELOADS[preload]!, ...PROGRAMS[program]!.args], directory);
        if (round >= 0) times.push(ms);
      }
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  const timesOf = (program: string, preload: string) =>
    cases.find((each) => each.program === program && each.preload === preload)!.times;
  const added = (program: string, preload: string) => {
    const bare = timesOf(program, 'without us');
    return timesOf(program, preload).map((ms, round) => ms - bare[round]!);
  };
  const rows = Object.keys(PRELOADS).map((preload) => [
    preload,
    ...Object.keys(PROGRAMS).flatMap((program) => [
      spread(timesOf(program, preload), 0),
      preload === 'without us' ? '' : spread(added(program, preload), 1),
    ]),
  ]);
  report.table([`Node ${place.nodeVersion}`, ...Object.keys(PROGRAMS).flatMap((name) => [name, 'added'])], rows);
  for (const [program, { limitMs, because }] of Object.entries(PROGRAMS)) {
    const is = Math.max(...OURS.map((preload) => median(added(program, preload))));
    const what = `added to a ${program}, Node ${place.nodeVersion}, the slower of --import and --require`;
    report.target({ what, limit: limitMs, is, unit: 'ms', because });
  }
}

// A server says its port when it listens; a script ends without a word.
async function time({ node, directory: cwd }: Scratch, args: readonly string[], directory: string): Promise<number> {
  const own = { PROMETHEUS_METRICS_PORT: '0', PROMETHEUS_MULTIPROC_DIR: directory, OTEL_LOG_LEVEL: 'none' };
  const startMs = performance.now();
  const child = spawn(node, args, { cwd, env: { ...process.env, ...own }, stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const [said] = await Promise.race([once(child.stdout!, 'data'), exited]);
  const elapsedMs = performance.now() - startMs;
  child.kill('SIGKILL');
  await exited;
  if (typeof said === 'number' && said !== 0) throw new Error(`node ${args.join(' ')} ended with ${said}`);
  return elapsedMs;
}
