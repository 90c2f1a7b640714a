/**
 * Memory: of a cluster of four workers and of its primary with and without us, under the same load and after it, and of
 * the exporter thread. Resident memory is what the targets are about; what of it is anonymous tells it from the pages of
 * Node's binary, which are the machine's and come and go.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Cluster, freshDirectory, type Owner, startCluster, until } from '../processes.ts';
import { closedLoop, requestFor } from './closed-loop.ts';
import { download } from './download.ts';
import { inFolder, scratchOfVariants } from './hello-servers.ts';
import { nodeMajors } from './node-majors.ts';
import { owned } from './owned.ts';
import type { Report } from './report.ts';
import { type Memory, memoryOf } from './resident-memory.ts';
import type { Scratch } from './scratch.ts';
import { median, spread, turns } from './statistics.ts';

const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 5);
const WORKERS = 4;
const REQUESTS = 20_000;
const SCRAPES = [0, 50, 200, 1000];
const TARGET_SCRAPES = 200;
const MAX_WORKER_MB = 8;
const MAX_EXPORTER_MB = 25;
const COMPILED = fileURLToPath(new URL('.', import.meta.url));

// Clients of Prometheus that know clusters; how much each worker is larger with one of them.
const PEERS = ['prom-client', '@prometheus-io/client'];
const BARE = { title: 'without us' };
const OURS = { title: 'with us', preload: '--import' } as const;
/** A cluster: its workers measure by what is preloaded, or by a peer. */
interface Variant {
  readonly title: string;
  readonly preload?: '--import';
  readonly peer?: string;
}
/** Of one process or of each of several, in each round. */
type Samples = { rss: number[]; anonymous: number[] };
const STAGES = ['worker, under load', 'worker, collected', 'primary'] as const;
type Stage = (typeof STAGES)[number];
type Stages = Record<Stage, Samples>;

/** Tables and targets per version of Node. @throws when a cluster does not start */
export async function memory(report: Report): Promise<void> {
  report.say(
    `MB of ${ROUNDS} rounds, median (quartiles). ${WORKERS} workers of an http server, ${REQUESTS.toLocaleString('en')} requests; "collected": after a full collection of garbage a second later. "anonymous" is what is no file's.`,
  );
  for (const folder of nodeMajors().map(scratchOfVariants)) {
    await measureCluster(report, folder);
    await measureExporter(report, folder);
  }
}

async function measureCluster(report: Report, place: Scratch): Promise<void> {
  const peers = PEERS.filter((name) => place.has(name)).map(
    (peer): Variant => ({ title: `${peer} ${place.versionOf(peer)}`, peer }),
  );
  const all = [BARE, OURS, ...peers].map((variant: Variant) => ({ variant, samples: samplesOfStages() }));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const { variant, samples } of turns(all, round)) {
      await owned(async (owner) => runOnce(await startIn(place, owner, variant), samples));
    }
  }
  const [bare, ours, ...others] = all.map(({ samples }) => samples);
  const more = (samples: Stages, stage: Stage, kind: keyof Samples) =>
    median(samples[stage][kind]) - median(bare![stage][kind]);
  const rows = STAGES.map((stage) => [
    stage,
    spread(bare![stage].rss, 1),
    spread(ours![stage].rss, 1),
    more(ours!, stage, 'rss').toFixed(1),
    more(ours!, stage, 'anonymous').toFixed(1),
    // Nobody asks their primary: that its memory does not grow would say nothing.
    ...others.map((samples) => (stage === 'primary' ? '' : more(samples, stage, 'rss').toFixed(1))),
  ]);
  const titles = [BARE.title, OURS.title, 'added', 'anonymous', ...peers.map(({ title }) => `added by ${title}`)];
  report.table([`Node ${place.nodeVersion}, resident`, ...titles], rows);
  const is = Math.max(more(ours!, 'worker, under load', 'rss'), more(ours!, 'worker, collected', 'rss'));
  report.target({
    what: `added to a worker, Node ${place.nodeVersion}`,
    limit: MAX_WORKER_MB,
    is,
    unit: 'MB',
    because:
      'Half of it is room for young objects, which V8 doubles once more for what outlives the loading of modules (docs/decisions/060-joined.md).',
  });
}

async function startIn(place: Scratch, owner: Owner, { preload, peer }: Variant): Promise<Cluster> {
  return startCluster(owner, inFolder(place, 'collects-when-idle.mjs'), WORKERS, {
    command: place.node,
    cwd: place.directory,
    preload: preload ?? 'none',
    env: { PROMETHEUS_BIND_ADDRESS: '127.0.0.1', ...(peer && { BENCH_PEER: peer }) },
  });
}

async function runOnce(cluster: Cluster, into: Stages): Promise<void> {
  const pids = [...cluster.workers().values()];
  await closedLoop(cluster.port, [requestFor('/hello')], REQUESTS);
  for (const pid of pids) note(into['worker, under load'], memoryOf(pid));
  await until(
    () => pids.every((pid) => cluster.output.stdout.includes(`collected ${pid}`)),
    'each worker has collected its garbage',
  );
  for (const pid of pids) note(into['worker, collected'], memoryOf(pid));
  note(into.primary, memoryOf(cluster.pid));
}

async function measureExporter(report: Report, place: Scratch): Promise<void> {
  const program = installed(place, 'exporter-memory.js');
  const thread = SCRAPES.map(none);
  const empty = none();
  await owned(async (owner) => {
    const cluster = await startIn(place, owner, OURS);
    await closedLoop(cluster.port, [requestFor('/hello')], REQUESTS);
    for (let round = 0; round < ROUNDS; round += 1) {
      const group = await copyOfGroup(owner, cluster);
      await measureThread(place, program, group, thread);
      await measureThread(place, program, '', [empty]);
    }
  });
  const rows = [
    ['a thread that does nothing', empty] as const,
    ...thread.map((samples, i) => [`exporter thread, ${SCRAPES[i]} scrapes`, samples] as const),
  ].map(([title, { rss, anonymous }]) => [title, spread(rss, 1), spread(anonymous, 1)]);
  report.table([`Node ${place.nodeVersion}, added to a server`, 'resident', 'anonymous'], rows);
  const bare = median(empty.rss).toFixed(0);
  report.target({
    what: `exporter thread after ${TARGET_SCRAPES} scrapes, Node ${place.nodeVersion}`,
    limit: MAX_EXPORTER_MB,
    is: median(thread[SCRAPES.indexOf(TARGET_SCRAPES)]!.rss),
    unit: 'MB',
    because: `A thread of Node's that does nothing has ${bare} MB of it, the OpenTelemetry SDK some 9; V8 lets 8 MB of old garbage gather before it collects, however small the heap, and has no option for one thread that changes that.`,
  });
}

async function measureThread(place: Scratch, program: string, group: string, into: Samples[]): Promise<void> {
  const child = spawn(place.node, [program, group], { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  try {
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const url = (await lines.next()).value as string;
    for (const [i, samples] of into.entries()) {
      for (let scrape = SCRAPES[i - 1] ?? 0; scrape < SCRAPES[i]!; scrape += 1) {
        if ((await download(url)).status !== 200) throw new Error(`the exporter at ${url} does not answer`);
      }
      child.stdin.write('?');
      note(samples, JSON.parse((await lines.next()).value as string));
    }
    child.stdin.end();
  } finally {
    child.kill();
    await exited;
  }
}

// The group's own files belong to its own exporter.
async function copyOfGroup(owner: Owner, { directory }: Cluster): Promise<string> {
  const [group = ''] = readdirSync(directory);
  const copy = join(freshDirectory(owner), 'group');
  mkdirSync(copy, { mode: 0o700 });
  const files = readdirSync(join(directory, group)).filter((name) => name.endsWith('.snapshot'));
  if (files.length !== WORKERS + 1) throw new Error(`${WORKERS} workers and their primary have ${files.length} files`);
  for (const file of files) cpSync(join(directory, group, file), join(copy, file));
  return copy;
}

// The program, and what it imports as it does here, in the package: so it gets the OpenTelemetry of that place.
function installed({ directory }: Scratch, name: string): string {
  const dist = join(directory, 'node_modules/@x/gunicorn-otel/dist');
  const bench = join(dist, 'test/bench');
  cpSync(join(COMPILED, '../../src'), join(dist, 'src'), { recursive: true });
  mkdirSync(bench, { recursive: true });
  for (const file of [name, 'resident-memory.js']) cpSync(join(COMPILED, file), join(bench, file));
  return join(bench, name);
}

function samplesOfStages(): Stages {
  return Object.fromEntries(STAGES.map((stage) => [stage, none()])) as Stages;
}

function none(): Samples {
  return { rss: [], anonymous: [] };
}

function note({ rss, anonymous }: Samples, of: Memory): void {
  rss.push(of.rss);
  anonymous.push(of.anonymous);
}
