/**
 * What a request waits longer for its answer when it is counted, on a server that has half of what it can take: first
 * the bare server is loaded as far as it goes, then each server at half of that rate, in turns. The load comes from a
 * process of its own (load-generator.ts), by a schedule that does not wait for the server.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { atEnd, type Owner } from '../processes.ts';
import { assertCounted, type Server, scratchOfVariants, serve, titleOf, variantsOf } from './hello-servers.ts';
import type { Findings, Task } from './load-generator.ts';
import { nodeMajors } from './node-majors.ts';
import { owned } from './owned.ts';
import type { Report } from './report.ts';
import { cpuMs } from './schedstat.ts';
import type { Scratch } from './scratch.ts';
import { median, spread, turns } from './statistics.ts';

const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 15);
const WARM_UP_ROUNDS = 2;
const ROUND_SECONDS = 2;
const SATURATION_ROUNDS = 7;
const SATURATION_REQUESTS = 50_000;
const LOAD = 0.5;
// Of a core, what a saturated server has at least.
const FULL = 0.9;
const PATH = '/hello';

/** One server, and what its rounds have found; `busy` is its part of a core. */
interface Measured {
  readonly server: Server;
  sent: number;
  readonly p50: number[];
  readonly p99: number[];
  readonly busy: number[];
}

type Generate = (measured: Measured, task: Omit<Task, 'port' | 'path'>) => Promise<Findings & { busy: number }>;

/** Prints p50 and p99. @throws when a server does not start or does not count, or CPU time cannot be read */
export async function latency(report: Report): Promise<void> {
  for (const major of nodeMajors()) await measure(report, scratchOfVariants(major));
}

async function measure(report: Report, folder: Scratch): Promise<void> {
  const variants = variantsOf('http', folder);
  await owned(async (owner) => {
    const servers = await Promise.all(variants.map((variant) => serve(owner, variant, folder)));
    const all = servers.map((server): Measured => ({ server, sent: 0, p50: [], p99: [], busy: [] }));
    const generate = generator(owner);
    const most = await saturation(generate, all[0]!);
    const requestsPerSecond = Math.round(most.requestsPerSecond * LOAD);
    report.say(
      `\`node:http\`, Node ${folder.nodeVersion}: the bare server answers ${thousands(most.requestsPerSecond)} requests a second at most, with ${percent(most.busy)} of a core. Each is sent ${thousands(requestsPerSecond)} a second, in ${ROUNDS} rounds of ${ROUND_SECONDS} s; latency in µs from the time that a request was due, medians of the rounds, and quartiles in brackets; added is the difference to the bare server in the same round.`,
    );
    if (most.busy < FULL)
      report.say('**That is not a whole core**: the load generator was the limit, or the machine had other work.');
    const late = await play(generate, all, requestsPerSecond);
    const bare = all[0]!;
    const more = (own: readonly number[], others: readonly number[]) => own.map((us, round) => us - others[round]!);
    report.table(
      ['', 'p50', 'added', 'p99', 'added', 'busy'],
      all.map(({ server, p50, p99, busy }) => [
        titleOf(server.variant, folder),
        spread(p50, 0),
        server === bare.server ? '' : spread(more(p50, bare.p50), 1),
        spread(p99, 0),
        server === bare.server ? '' : spread(more(p99, bare.p99), 0),
        percent(median(busy)),
      ]),
    );
    report.say(`The load was at most ${spread(late, 0)} µs behind its schedule, 99 times of 100.`);
  });
}

// As fast as the server goes, by the median of some rounds.
async function saturation(generate: Generate, bare: Measured): Promise<{ requestsPerSecond: number; busy: number }> {
  const rates: number[] = [];
  const busy: number[] = [];
  for (let round = -WARM_UP_ROUNDS; round < Math.min(ROUNDS, SATURATION_ROUNDS); round += 1) {
    const findings = await generate(bare, { count: SATURATION_REQUESTS });
    if (round < 0) continue;
    rates.push(findings.requestsPerSecond);
    busy.push(findings.busy);
  }
  return { requestsPerSecond: median(rates), busy: median(busy) };
}

// Returns how far behind its schedule the generator was, round by round.
async function play(generate: Generate, all: readonly Measured[], requestsPerSecond: number): Promise<number[]> {
  const late: number[] = [];
  const count = requestsPerSecond * ROUND_SECONDS;
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round += 1) {
    for (const measured of turns(all, Math.abs(round))) {
      const { p50, p99, lateP99, busy } = await generate(measured, { count, requestsPerSecond });
      if (round < 0) continue;
      measured.p50.push(p50!);
      measured.p99.push(p99!);
      measured.busy.push(busy);
      late.push(lateP99!);
    }
  }
  for (const { server, sent } of all) await assertCounted(server, sent);
  return late;
}

function generator(owner: Owner): Generate {
  const child: ChildProcess = fork(fileURLToPath(new URL('load-generator.js', import.meta.url)));
  const ended = once(child, 'exit');
  atEnd(owner, async () => {
    child.kill();
    await ended;
  });
  // What it says is awaited together with its end, and who loses that race is not heard again.
  const failed = ended.then(([code]) => Promise.reject(new Error(`the load generator has ended with ${code}`)));
  failed.catch(() => {});
  return async (measured, task) => {
    const { running, port } = measured.server;
    measured.sent += task.count;
    const before = cpuMs([running.pid]);
    const from = performance.now();
    child.send({ ...task, port, path: PATH } satisfies Task);
    const [findings] = (await Promise.race([once(child, 'message'), failed])) as [Findings];
    const busy = (cpuMs([running.pid]) - before) / (performance.now() - from);
    return { ...findings, busy };
  };
}

function thousands(value: number): string {
  return Math.round(value).toLocaleString('en');
}

function percent(part: number): string {
  return `${Math.round(part * 100)} %`;
}
