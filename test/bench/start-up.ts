/**
 * What being preloaded costs a process at its start: a script that measures nothing, from spawn to its end, and a server,
 * from spawn until it listens, which is how others are started, too. Rounds are interleaved, and what is added is told by round.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import type { Readable } from 'node:stream';
import { fixture } from '../processes.ts';
import { programOf, READY, scratchOfVariants, titleOf, variantsOf } from './hello-servers.ts';
import { nodeMajors } from './node-majors.ts';
import type { Report } from './report.ts';
import type { Scratch } from './scratch.ts';
import { median, spread, turns } from './statistics.ts';

const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 41);
const WARM_UP_ROUNDS = 2;
const REGISTER = '@x/gunicorn-otel/register';

const BARE = 'without us';
const PRELOADS: Readonly<Record<string, readonly string[]>> = {
  [BARE]: [],
  '--import of an empty file': ['--import', fixture('empty-preload.mjs')],
  '--import ours': ['--import', REGISTER],
  '--require ours': ['--require', REGISTER],
};
const OURS = Object.keys(PRELOADS).slice(2);

const PROGRAMS = {
  script: {
    limitMs: 15,
    because:
      "An empty --import takes its part of it, Node's loader of ES modules; the rest are our first five files, and `node:cluster` and `node:worker_threads` with what is behind them.",
  },
  server: {
    limitMs: 60,
    because: 'The rest of the package is loaded and the exporter thread started before it listens.',
  },
};
type Program = keyof typeof PROGRAMS;
const COLUMNS = Object.keys(PROGRAMS) as Program[];

/** One row's program, and how long each round took until it was there. */
interface Start {
  readonly row: string;
  readonly program: Program;
  readonly args: readonly string[];
  readonly times: number[];
}

/** A table and two targets per version of Node. @throws when a program fails */
export async function startUp(report: Report): Promise<void> {
  report.say(
    `Milliseconds of ${ROUNDS} rounds, median (quartiles): a script (\`-e 0\`) from spawn to exit, an http server from spawn until it listens; with another package it loads that and has an endpoint for its metrics, as ours has.`,
  );
  for (const folder of nodeMajors().map(scratchOfVariants)) tell(report, folder, await measure(folder));
}

function startsIn(folder: Scratch): readonly Start[] {
  const [bare, ...others] = variantsOf('http', folder);
  const server = programOf(bare!, folder);
  return [
    ...Object.entries(PRELOADS).flatMap(([row, preload]): Start[] => [
      { row, program: 'script', args: [...preload, '-e', '0'], times: [] },
      { row, program: 'server', args: [...preload, ...server], times: [] },
    ]),
    ...others
      .filter(({ isPeer }) => isPeer)
      .map(
        (peer): Start => ({ row: titleOf(peer, folder), program: 'server', args: programOf(peer, folder), times: [] }),
      ),
  ];
}

async function measure(folder: Scratch): Promise<readonly Start[]> {
  const starts = startsIn(folder);
  const directory = mkdtempSync(`${tmpdir()}/gunicorn-otel-bench-`);
  try {
    for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round += 1) {
      for (const start of turns(starts, round)) {
        const ms = await time(folder, start, directory);
        if (round >= 0) start.times.push(ms);
      }
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  return starts;
}

function tell(report: Report, { nodeVersion }: Scratch, starts: readonly Start[]): void {
  const timesOf = (row: string, program: Program) =>
    starts.find((start) => start.row === row && start.program === program)?.times;
  const added = (row: string, program: Program) => {
    const bare = timesOf(BARE, program)!;
    return timesOf(row, program)!.map((ms, round) => ms - bare[round]!);
  };
  const cells = (row: string, program: Program) => {
    const times = timesOf(row, program);
    return times ? [spread(times, 0), row === BARE ? '' : spread(added(row, program), 1)] : ['', ''];
  };
  report.table(
    [`Node ${nodeVersion}`, ...COLUMNS.flatMap((program) => [program, 'added'])],
    [...new Set(starts.map(({ row }) => row))].map((row) => [
      row,
      ...COLUMNS.flatMap((program) => cells(row, program)),
    ]),
  );
  for (const program of COLUMNS) {
    const { limitMs, because } = PROGRAMS[program];
    const is = Math.max(...OURS.map((row) => median(added(row, program))));
    const what = `added to a ${program}, Node ${nodeVersion}, the slower of --import and --require`;
    report.target({ what, limit: limitMs, is, unit: 'ms', because });
  }
}

// A server says that it listens; a script ends without a word.
async function time({ node, directory: cwd }: Scratch, { args, program }: Start, directory: string): Promise<number> {
  const own = { PROMETHEUS_METRICS_PORT: '0', PROMETHEUS_MULTIPROC_DIR: directory, OTEL_LOG_LEVEL: 'none' };
  const startMs = performance.now();
  const child = spawn(node, args, { cwd, env: { ...process.env, ...own }, stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const code = await Promise.race([says(child.stdout!, READY), exited.then(([status]) => Number(status))]);
  const elapsedMs = performance.now() - startMs;
  child.kill('SIGKILL');
  await exited;
  if (code !== (program === 'script' ? 0 : undefined)) throw new Error(`node ${args.join(' ')} ended with ${code}`);
  return elapsedMs;
}

// Resolves when it has been said; never, if it is not.
function says(stream: Readable, wanted: RegExp): Promise<undefined> {
  let text = '';
  return new Promise((resolve) => {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      if (wanted.test(text)) resolve(undefined);
    });
  });
}
