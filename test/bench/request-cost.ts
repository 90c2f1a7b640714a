/**
 * What a request costs the server more when it is counted: by this package, and by others. The servers run side by side
 * and take turns at rounds of a fixed number of requests; CPU time is the operating system's own count for all threads
 * of the process. What is added is the difference to the bare server in the same round. All servers are started anew
 * every other round, and take turns in any order: two processes of one program differ by more than two rounds of one
 * process (Express on Node 20 by 4 µs of 75), and the one that has its first requests before the others keeps costing more.
 */
import type { Owner } from '../processes.ts';
import { closedLoop, requestFor } from './closed-loop.ts';
import {
  assertCounted,
  type Framework,
  type Server,
  STAGES,
  scratchOfVariants,
  serve,
  titleOf,
  type Variant,
  variantsOf,
} from './hello-servers.ts';
import { nodeMajors } from './node-majors.ts';
import { owned } from './owned.ts';
import type { Report } from './report.ts';
import { cpuMs } from './schedstat.ts';
import type { Scratch } from './scratch.ts';
import { median, shuffled, spread } from './statistics.ts';

const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 24);
// Each starts an exporter of its own, and has its code compiled.
const WARM_UP_ROUNDS = 2;
const LIVES = Math.ceil(ROUNDS / 2);
const LIMIT = 1;
const LIMIT_WITH_ROUTES = 2;
const LIMIT_OF_PEERS = 0.7;

const HELLO = { title: '`/hello`', requests: [requestFor('/hello')] };
const USERS = {
  title: '`/users/:id`, 10,000 ids',
  requests: Array.from({ length: 10_000 }, (_, i) => requestFor(`/users/${10_000 + i}`)),
};
type Path = typeof USERS;

/** Each says hello; with enough requests for a fraction of a second. */
const FRAMEWORKS: Readonly<Record<Framework, { title: string; path: Path; requests: number }>> = {
  http: { title: '`node:http`', path: HELLO, requests: 30_720 },
  express: { title: 'Express', path: USERS, requests: 15_360 },
  fastify: { title: 'Fastify', path: USERS, requests: 15_360 },
};

/** Microseconds of CPU per request of one variant, round by round. */
interface Cost {
  readonly variant: Variant;
  readonly rounds: number[];
}

/** What one variant adds to the bare one, round by round. */
interface Added {
  readonly variant: Variant;
  readonly rounds: readonly number[];
}

/** Prints added CPU per request. @throws when a server does not start or does not count, or CPU time cannot be read */
export async function requestCost(report: Report): Promise<void> {
  const { http, express } = FRAMEWORKS;
  report.say(
    `Server CPU per request in µs: ${ROUNDS} rounds by 32 connections, of ${LIVES} processes of each kind; medians, and quartiles in brackets. A round is ${http.requests.toLocaleString('en')} requests, of a framework's server ${express.requests.toLocaleString('en')}; added is the difference to the bare server in the same round.`,
  );
  for (const folder of nodeMajors().map(scratchOfVariants)) {
    const inHttp = tell(report, folder, 'http', await compare(folder, 'http'));
    judgeHttp(report, folder, inHttp);
    judgeExpress(report, folder, tell(report, folder, 'express', await compare(folder, 'express')), inHttp);
    tell(report, folder, 'fastify', await compare(folder, 'fastify'));
  }
}

async function compare(folder: Scratch, framework: Framework): Promise<readonly Cost[]> {
  const variants = [...variantsOf(framework, folder), ...(framework === 'http' ? Object.values(STAGES) : [])];
  const costs = variants.map((variant): Cost => ({ variant, rounds: [] }));
  for (let life = 0; life < LIVES; life += 1) {
    const until = Math.round(((life + 1) * ROUNDS) / LIVES);
    await owned((owner) => live(owner, folder, framework, costs, until));
  }
  return costs;
}

// From the start of a process of each variant to their end, after so many rounds of all lives.
async function live(
  owner: Owner,
  folder: Scratch,
  framework: Framework,
  costs: readonly Cost[],
  until: number,
): Promise<void> {
  const { path, requests } = FRAMEWORKS[framework];
  const servers = new Map<Variant, Server>();
  for (const { variant } of shuffled(costs)) servers.set(variant, await serve(owner, variant, folder));
  const from = costs[0]!.rounds.length;
  for (let round = from - WARM_UP_ROUNDS; round < until; round += 1) {
    for (const { variant, rounds } of shuffled(costs)) {
      const { running, port } = servers.get(variant)!;
      const beforeMs = cpuMs([running.pid]);
      await closedLoop(port, path.requests, requests);
      if (round >= from) rounds.push(((cpuMs([running.pid]) - beforeMs) * 1000) / requests);
    }
  }
  const sent = (until - from + WARM_UP_ROUNDS) * requests;
  for (const server of servers.values()) await assertCounted(server, sent);
}

function tell(report: Report, folder: Scratch, framework: Framework, costs: readonly Cost[]): readonly Added[] {
  const [bare, ...others] = costs as readonly [Cost, ...Cost[]];
  const added = others.map(({ variant, rounds }) => ({
    variant,
    rounds: rounds.map((us, round) => us - bare.rounds[round]!),
  }));
  const { title, path } = FRAMEWORKS[framework];
  report.say(`${title}, ${path.title}, Node ${folder.nodeVersion}`);
  report.table(
    ['', 'CPU', 'added', 'to bare'],
    [
      [bare.variant.name, spread(bare.rounds), '', ''],
      ...others.map(({ variant, rounds }, i) => {
        const ratio = median(rounds) / median(bare.rounds);
        return [titleOf(variant, folder), spread(rounds), spread(added[i]!.rounds), `× ${ratio.toFixed(2)}`];
      }),
    ],
  );
  return added;
}

function judgeHttp(report: Report, folder: Scratch, added: readonly Added[]): void {
  const own = medianOf(added, 'ours');
  const idle = medianOf(added, STAGES.idle.name);
  const node = medianOf(added, STAGES.node.name);
  const stages = `${idle.toFixed(2)} µs are there when it does not count (the exporter's thread, a write a second), ${node.toFixed(2)} µs are Node's for telling it of a request, the rest is its own: two readings of the clock, the connection's record, the cell, the bodies, the writes.`;
  report.target({
    what: `added CPU per request, Node ${folder.nodeVersion}`,
    limit: LIMIT,
    is: own,
    unit: 'µs',
    because: `Of it ${stages}`,
  });
  const peers = added.filter(({ variant }) => variant.isPeer);
  const cheapest = peers.reduce((least, each) => (median(each.rounds) < median(least.rounds) ? each : least));
  const theirs = median(cheapest.rounds);
  report.target({
    what: `the same, to what ${titleOf(cheapest.variant, folder)} adds, the cheapest of the others`,
    limit: LIMIT_OF_PEERS,
    // Next to nothing is no measure of anything: then this run has found nothing.
    is: theirs > 0 ? own / theirs : Number.NaN,
    unit: 'times',
    because:
      'The other is called by the handler, which knows its route, and keeps one histogram where ours keeps three and what is under way.',
  });
}

function judgeExpress(report: Report, folder: Scratch, added: readonly Added[], inHttp: readonly Added[]): void {
  const http = medianOf(inHttp, 'ours').toFixed(2);
  const client = medianOf(added, 'prom-client').toFixed(2);
  report.target({
    what: `added CPU per request with its route, Express, Node ${folder.nodeVersion}`,
    limit: LIMIT_WITH_ROUTES,
    is: medianOf(added, 'ours'),
    unit: 'µs',
    because: `With \`node:http\` it is ${http} µs. What goes by time, a write each 10 ms and the exporter's thread, is shared by fewer requests here. And Express gives each request and response another prototype, for which V8 on Node 20 makes each of them a hidden class of its own (on Node 24 all share one): whatever is read of them is looked up anew, by Express and by whoever counts; ours reads four things (decision 054). prom-client adds ${client} µs here.`,
  });
}

function medianOf(added: readonly Added[], name: string): number {
  return median(added.find(({ variant }) => variant.name === name)?.rounds ?? []);
}
