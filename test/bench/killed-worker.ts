/**
 * What a total says after a worker was killed under load, of the requests that were answered: at once, and when another has
 * taken its place.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { parseExposition, sum } from '../exposition.ts';
import { until } from '../processes.ts';
import { COUNT } from '../request-count.ts';
import { type Load, startLoad } from '../steady-load.ts';
import { owned } from './owned.ts';
import type { Report } from './report.ts';
import { mainThreadTimes } from './schedstat.ts';
import { type ScrapedCluster, startScrapedCluster } from './scraped-cluster.ts';
import { median } from './statistics.ts';
import { nameOf, type Variant, variants } from './variants.ts';

const KILLS = Number(process.env['BENCH_ROUNDS'] ?? 10);
const WORKERS = 2;
const CLIENTS = 8;
const ANSWERS_BEFORE_KILL = 400;
// Nothing takes so long to be published, once nobody asks any more.
const SETTLE_MS = 250;
const MAX_LOSS_MS = 10;
const AT_ONCE_MS = 1000;

interface Kill {
  /** Requests that were answered and are not counted, when another worker has taken the killed one's place. */
  readonly lost: number;
  /** The last answers of the killed worker before its death that are as many: how old the oldest of them was. */
  readonly lostMs: number;
  /** By how much the total was lower than just before: in that scrape, or when the new worker was there. */
  readonly fell: number;
  /** Whether a scrape that came between the death and the new worker was answered within a second. */
  readonly answeredAtOnce: boolean;
  readonly answersOfWorker: number;
  /** The part of the time before the kill in which its event loop was ready and had no core. */
  readonly waited: number;
}

interface Figures {
  readonly variant: Variant;
  readonly kills: readonly Kill[];
}

/** A row per variant, then the targets. */
export async function killedWorker(report: Report): Promise<void> {
  report.say(
    `${WORKERS} workers under a steady load of ${CLIENTS} clients, which ends when the one that answered last gets SIGKILL; it is ` +
      `replaced, ${KILLS} times. Median and most per kill: requests that were answered and are missing in the total afterwards; ` +
      'how long before the kill the oldest of so many last answers of the killed worker was read; how many it had answered in ' +
      'all; by how much the total fell, which is a restart to `rate()`: it counts all that is left anew. Answered at once: the ' +
      'scrapes between the death and the new worker that took less than a second.',
  );
  const all: Figures[] = [];
  for (const variant of variants()) all.push(await measure(variant));
  const head = ['', 'requests lost', 'of the last ms', 'of answers', 'total fell by', 'answered at once'];
  report.table(head, all.map(rowOf));
  for (const { variant, kills } of all.filter(({ variant }) => !variant.peer)) {
    const on = `Node ${variant.nodeMajor}`;
    report.target({
      what: `the total falls, ${on}`,
      limit: 0,
      is: Math.max(...kills.map(({ fell }) => fell)),
      unit: 'requests',
    });
    const worst = kills.reduce((a, b) => (b.lostMs > a.lostMs ? b : a));
    report.target({
      what: `the most that a kill loses, ${on}`,
      limit: MAX_LOSS_MS,
      is: worst.lostMs,
      unit: 'ms of requests',
      because: `Before that kill the worker was ready and had no core ${(worst.waited * 100).toFixed(0)} % of the time.`,
    });
  }
}

async function measure(variant: Variant): Promise<Figures> {
  return await owned(async (owner) => {
    const cluster = await startScrapedCluster(owner, variant, { workers: WORKERS, labelSets: 0 });
    const family = variant.peer ? 'http_request_duration_seconds_count' : COUNT;
    const history: Answers = new Map();
    const kills: Kill[] = [];
    let counted = await settledTotal(cluster, family);
    while (kills.length < KILLS) {
      const load = startLoad(owner, () => [cluster.port], CLIENTS);
      const { end, ...kill } = await killOne(cluster, family, load, history, counted);
      kills.push(kill);
      counted = end;
    }
    return { variant, kills };
  });
}

/** When each was read, by pid. */
type Answers = Map<number, number[]>;

async function killOne(
  cluster: ScrapedCluster,
  family: string,
  load: Load,
  history: Answers,
  begin: number,
): Promise<Kill & { end: number }> {
  const waitedBefore = new Map(cluster.workers().map(({ pid }) => [pid, mainThreadTimes(pid).waitedMs]));
  const begunAt = performance.now();
  await until(() => load.answers.length >= ANSWERS_BEFORE_KILL, 'enough answers');
  const before = await totalOf(cluster, family);
  const { pid } = load.answers.at(-1)!;
  const waitedMs = mainThreadTimes(pid).waitedMs - (waitedBefore.get(pid) ?? 0);
  const killedAt = performance.now();
  process.kill(pid, 'SIGKILL');
  // What others count from here on would hide a fall.
  const stopped = load.stop();
  await until(() => cluster.workers().every((each) => each.pid !== pid), 'the death');
  const atOnce = await totalAtOnce(cluster, family);
  await stopped;
  await until(() => cluster.workers().length === WORKERS, 'a worker in its place');
  const end = await settledTotal(cluster, family);

  for (const { pid, readAt } of load.answers) history.set(pid, [...(history.get(pid) ?? []), readAt]);
  const ofWorker = history.get(pid)!;
  const lost = load.answers.length - (end - begin);
  const oldestLost = ofWorker.at(-Math.min(Math.max(lost, 0), ofWorker.length));
  return {
    lost,
    lostMs: lost > 0 ? Math.max(0, killedAt - oldestLost!) : 0,
    fell: before - Math.min(before, atOnce ?? end, end),
    answeredAtOnce: atOnce !== undefined,
    answersOfWorker: ofWorker.length,
    waited: waitedMs / (killedAt - begunAt),
    end,
  };
}

async function totalOf(cluster: ScrapedCluster, family: string): Promise<number> {
  const { status, text } = await cluster.scrape();
  if (status !== 200) throw new Error(`a scrape was answered ${status}: ${text()}`);
  return sum(parseExposition(text()), family);
}

// A peer waits five seconds for a worker that is dead, or has just begun and does not listen yet.
async function totalAtOnce(cluster: ScrapedCluster, family: string): Promise<number | undefined> {
  const total = totalOf(cluster, family).catch(() => undefined);
  return await Promise.race([total, delay(AT_ONCE_MS, undefined)]);
}

async function settledTotal(cluster: ScrapedCluster, family: string): Promise<number> {
  let total = await totalOf(cluster, family);
  for (;;) {
    await delay(SETTLE_MS);
    const next = await totalOf(cluster, family);
    if (next === total) return total;
    total = next;
  }
}

function rowOf({ variant, kills }: Figures): string[] {
  const figures = (['lost', 'lostMs', 'answersOfWorker', 'fell'] as const).map((figure) => {
    const values = kills.map((kill) => kill[figure]);
    return `${median(values).toFixed(0)}, ${Math.max(...values).toFixed(0)}`;
  });
  return [
    nameOf(variant),
    ...figures,
    `${kills.filter(({ answeredAtOnce }) => answeredAtOnce).length} of ${kills.length}`,
  ];
}
