/**
 * What a scrape costs real clusters, ours beside the peers': workers that record all the time, so that every series has
 * changed since the scrape before; one cluster at a time, since one that is idle would not be. How long event loops are held
 * up is seen by a timer inside them; what such a timer sees in as long a time without a scrape is the machine's own. Where the
 * host of a virtual machine takes a core for a while, every loop on it stands still: such scrapes are told apart, and others
 * are made for them (docs/decisions/062).
 */
import { setTimeout as delay } from 'node:timers/promises';
import { parseExposition, select, sum } from '../exposition.ts';
import { COUNT } from '../request-count.ts';
import { requests } from '../requests.ts';
import type { Download } from './download.ts';
import { owned } from './owned.ts';
import type { Report } from './report.ts';
import { type Member, type ScrapedCluster, startScrapedCluster } from './scraped-cluster.ts';
import { cpuDuring, leftAlone, longest, type Stall, type Watch, watchDuring } from './stalls.ts';
import { median } from './statistics.ts';
import { nameOf, type Variant, variants } from './variants.ts';

const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 40);
const WARM_UP_SCRAPES = 5;
// A peer takes seconds for a scrape of the largest: from here on it has as many rounds as it has had.
const MAX_MEASURING_OF_PEER_MS = 10_000;
const MIN_ROUNDS = Math.min(5, ROUNDS);
// As many as are wanted may not be left alone by the host for a while: 2.5 minutes, of as many rounds as there are by default.
const MAX_MEASURING_MS = ROUNDS * 3750;
// Every label set is recorded into within this time.
const SETTLE_MS = 600;
// Each wakes a thousand times a second to look at its loop.
const MAX_WATCHED_WORKERS = 4;
const MAX_STALL_MS = 5;

const LEGEND = `Workers × label sets of one histogram of the app's, each recorded into twice a second. Milliseconds; where there are two
figures, the median and the longest of ${ROUNDS} scrapes, of a peer's as many as there is time for. Stalls are of scrapes in
which the host of this machine took no core, and more are made until there are as many; of fewer than five, of all.

- latency: for a client that accepts gzip, which ours gives and the peers' documentation does not; kB: the text before that
- CPU: of all processes of the cluster, above what they take without a scrape
- stall: the longest time that the primary's event loop was held up in a scrape, and those of workers (${MAX_WATCHED_WORKERS} are watched)
- idle: the longest of all of these in as long a time without a scrape, which is the machine's doing
- above ${MAX_STALL_MS}: scrapes in which any of these loops was held up for more than ${MAX_STALL_MS} ms, of how many, and the same without a scrape
- host: scrapes in which the host took a core, and the longest stall in them
- loop: the CPU time of the busiest of these loops in a scrape, whatever it did; a stall that is longer was a wait for a core`;
const COLUMNS = [
  'latency',
  'failed',
  'kB',
  'CPU',
  'stall, primary',
  'stall, workers',
  'idle',
  `above ${MAX_STALL_MS}`,
  'host',
  'loop',
];

interface Case {
  readonly workers: number;
  /** 0: the standard families of each, after some requests. */
  readonly labelSets: number;
  readonly targetMs?: number;
}

const CASES: readonly Case[] = [
  { workers: 4, labelSets: 100 },
  { workers: 8, labelSets: 700 },
  { workers: 8, labelSets: 2000, targetMs: 80 },
  { workers: 16, labelSets: 2000, targetMs: 120 },
  { workers: 100, labelSets: 0 },
];

interface Round {
  readonly milliseconds: number;
  readonly failed: boolean;
  /** Of all processes above what they take without a scrape. */
  readonly cpuMs: number;
  readonly scrape: Watch;
  readonly idle: Watch;
}

interface Figures {
  readonly case: Case;
  readonly variant: Variant;
  readonly rounds: readonly Round[];
  /** Not known where it could not be had. */
  readonly textBytes?: number;
}

/** A table per case, then the targets. */
export async function scrape(report: Report): Promise<void> {
  const compared = variants();
  report.say(LEGEND);
  const all: Figures[] = [];
  for (const each of CASES) {
    const figures: Figures[] = [];
    for (const variant of compared) figures.push(await measure(each, variant));
    report.table([titleOf(each), ...COLUMNS], figures.map(rowOf));
    all.push(...figures);
  }
  tellTargets(
    report,
    all.filter(({ variant }) => !variant.peer),
  );
}

async function measure(each: Case, variant: Variant): Promise<Figures> {
  return await owned(async (owner) => {
    const cluster = await startScrapedCluster(owner, variant, each);
    const watched = [cluster.primary, ...cluster.workers().slice(0, MAX_WATCHED_WORKERS)];
    await Promise.all(watched.map((member) => member.ask('meter')));
    let lastMs = 0;
    for (let i = 0; i < WARM_UP_SCRAPES; i += 1) lastMs = (await cluster.scrape()).milliseconds;
    const rounds: Round[] = [];
    const endMs = performance.now() + (variant.peer ? MAX_MEASURING_OF_PEER_MS : MAX_MEASURING_MS);
    let sent = 0;
    const isWanting = () => rounds.filter(({ scrape }) => !scrape.hostTook).length < ROUNDS;
    while (isWanting() && (rounds.length < MIN_ROUNDS || performance.now() < endMs)) {
      if (each.labelSets === 0) {
        sent += (await requests(`http://127.0.0.1:${cluster.port}/`, each.workers)).length;
      }
      rounds.push(await measureRound(cluster, watched, lastMs));
      lastMs = rounds.at(-1)!.milliseconds;
    }
    const { status, text } = await cluster.scrape('identity');
    // A peer gives up after five seconds, which the largest may take while the machine has other things to do.
    if (status !== 200 && variant.peer) return { case: each, variant, rounds };
    assertMeasured(text(), each, variant, sent);
    return { case: each, variant, rounds, textBytes: Buffer.byteLength(text()) };
  });
}

async function measureRound(cluster: ScrapedCluster, watched: readonly Member[], lastMs: number): Promise<Round> {
  const pids = [cluster.primary, ...cluster.workers()].map(({ pid }) => pid);
  const settled = await cpuDuring(pids, () => delay(SETTLE_MS));
  const idle = await watchDuring(watched, () => delay(lastMs));
  let scraped: Download | undefined;
  let taken = { cpuMs: 0, elapsedMs: 0 };
  const scrape = await watchDuring(watched, async () => {
    taken = await cpuDuring(pids, async () => {
      scraped = await cluster.scrape();
    });
  });
  const idleCpu = (settled.cpuMs / settled.elapsedMs) * taken.elapsedMs;
  const { milliseconds, status } = scraped!;
  return { milliseconds, failed: status !== 200, cpuMs: taken.cpuMs - idleCpu, scrape, idle };
}

// A cluster that measured nothing would be cheap.
function assertMeasured(text: string, { workers, labelSets }: Case, { peer }: Variant, requestsSent: number): void {
  const samples = parseExposition(text);
  // More than once by each worker.
  const sets = select(samples, 'app_work_duration_seconds_count').filter(({ value }) => value > workers);
  if (sets.length !== labelSets) throw new Error(`${labelSets} label sets were recorded, ${sets.length} are counted`);
  const counted = sum(samples, peer ? 'http_request_duration_seconds_count' : COUNT);
  if (counted !== requestsSent) throw new Error(`${requestsSent} requests were sent, ${counted} were counted`);
}

function titleOf({ workers, labelSets }: Case): string {
  return `${workers} × ${labelSets === 0 ? 'the standard families' : labelSets.toLocaleString('en')}`;
}

function rowOf({ variant, rounds, textBytes }: Figures): string[] {
  const { scrapes, idle } = judged(rounds);
  const role = (wanted: Member['role']) =>
    scrapes.map(({ stalls }) => longest(stalls.filter((stall) => stall.of === wanted)).longestMs);
  const failures = rounds.filter(({ failed }) => failed).length;
  return [
    nameOf(variant),
    medianAndLongest(rounds.map(({ milliseconds }) => milliseconds)),
    failures.toString(),
    textBytes === undefined ? '' : (textBytes / 1000).toFixed(0),
    median(rounds.map(({ cpuMs }) => cpuMs)).toFixed(1),
    medianAndLongest(role('primary')),
    medianAndLongest(role('worker')),
    medianAndLongest(idle.map(({ stalls }) => longest(stalls).longestMs)),
    `${aboveLimit(scrapes)}, ${aboveLimit(idle)}`,
    takenByHost(rounds),
    median(rounds.map(({ scrape }) => Math.max(...scrape.stalls.map(({ ranMs }) => ranMs)))).toFixed(1),
  ];
}

function judged(rounds: readonly Round[]): { scrapes: readonly Watch[]; idle: readonly Watch[] } {
  return { scrapes: leftAlone(rounds.map(({ scrape }) => scrape)), idle: leftAlone(rounds.map(({ idle }) => idle)) };
}

// Where the time of a stall went, as far as the scheduler tells of the whole scrape.
function whoseTime({ of, longestMs, ranMs, waitedMs }: Stall): string {
  const loop = of === 'primary' ? "The primary's loop" : "A worker's loop";
  const times = `${loop}: its thread ran ${ranMs.toFixed(1)} ms of that scrape and waited ${waitedMs.toFixed(1)} ms for a core`;
  if (longestMs > 2 * (ranMs + waitedMs)) return `${times}, for most of the stall neither: the machine stood still`;
  return (
    `${times}, which V8's threads have when they look for the exporter's garbage (docs/decisions/056), who scrapes, and the ` +
    'exporter for a millisecond at a time (057)'
  );
}

// Such as "3 of 40".
function aboveLimit(watches: readonly Watch[]): string {
  const above = watches.filter(({ stalls }) => longest(stalls).longestMs > MAX_STALL_MS);
  return `${above.length} of ${watches.length}`;
}

// Such as "12 of 52, 47.0".
function takenByHost(rounds: readonly Round[]): string {
  const taken = rounds.filter(({ scrape }) => scrape.hostTook);
  const stalls = taken.flatMap(({ scrape }) => scrape.stalls);
  return `${taken.length} of ${rounds.length}${stalls.length === 0 ? '' : `, ${longest(stalls).longestMs.toFixed(1)}`}`;
}

/** As cells of these tables have them. */
export function medianAndLongest(values: readonly number[]): string {
  return `${median(values).toFixed(1)}, ${Math.max(...values).toFixed(1)}`;
}

function tellTargets(report: Report, ours: readonly Figures[]): void {
  for (const { case: each, variant, rounds } of ours) {
    const { scrapes, idle } = judged(rounds);
    const worst = longest(scrapes.flatMap(({ stalls }) => stalls));
    const idleMs = longest(idle.flatMap(({ stalls }) => stalls)).longestMs;
    report.target({
      what: `longest stall of any loop in any of ${scrapes.length} scrapes of ${titleOf(each)}, Node ${variant.nodeMajor}`,
      limit: MAX_STALL_MS,
      is: worst.longestMs,
      unit: 'ms',
      because:
        `${whoseTime(worst)}; above ${MAX_STALL_MS} ms were ${aboveLimit(scrapes)} scrapes and, without one, ` +
        `${aboveLimit(idle)}, the longest ${idleMs.toFixed(1)} ms.`,
    });
  }
  for (const { case: each, variant, rounds } of ours) {
    if (each.targetMs === undefined) continue;
    report.target({
      what: `scrape of ${titleOf(each)}, median, Node ${variant.nodeMajor}`,
      limit: each.targetMs,
      is: median(rounds.map(({ milliseconds }) => milliseconds)),
      unit: 'ms',
      because:
        `All processes of the cluster ran ${median(rounds.map(({ cpuMs }) => cpuMs)).toFixed(1)} ms for it; what they did in ` +
        "the exporter's thread, `scrape-cost` tells.",
    });
  }
}
