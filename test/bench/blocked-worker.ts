/**
 * A scrape while one worker does nothing: its event loop is held up by a wait, not by work, so that no scrape is slower
 * only because a core is taken.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Download } from './download.ts';
import { owned } from './owned.ts';
import type { Report } from './report.ts';
import { medianAndLongest } from './scrape.ts';
import { type ScrapedCluster, startScrapedCluster } from './scraped-cluster.ts';
import { median } from './statistics.ts';
import { nameOf, type Variant, variants } from './variants.ts';

const BLOCKED_MS = process.env['BENCH_ROUNDS'] === undefined ? 8000 : 6000;
const WORKERS = 4;
const LABEL_SETS = 100;
const SCRAPES_BEFORE = Number(process.env['BENCH_ROUNDS'] ?? 21);
const WARM_UP_SCRAPES = 10;
const PAUSE_MS = 100;
// Undisturbed scrapes differ by as much from one time to another, on a machine that has other things to do.
const MAX_RATIO = 1.5;

interface Figures {
  readonly variant: Variant;
  readonly before: readonly Download[];
  readonly during: readonly Download[];
}

/** A row per variant, then the targets. */
export async function blockedWorker(report: Report): Promise<void> {
  report.say(
    `${WORKERS} workers with ${LABEL_SETS} label sets each; the loop of one is held up for ${BLOCKED_MS / 1000} s, in which the next ` +
      `scrape comes ${PAUSE_MS} ms after the end of the one before. Milliseconds: the median, the longest.`,
  );
  const all: Figures[] = [];
  for (const variant of variants()) all.push(await measure(variant));
  report.table(['', 'before', 'while blocked', 'scrapes', 'failed', 'the first was answered'], all.map(rowOf));
  for (const { variant, before, during } of all.filter(({ variant }) => !variant.peer)) {
    const [free, blocked] = [before, during].map((scrapes) => median(scrapes.map(({ milliseconds }) => milliseconds)));
    const on = `Node ${variant.nodeMajor}`;
    const unit = `of ${during.length}`;
    report.target({ what: `scrapes that failed, ${on}`, limit: 0, is: during.filter(isFailed).length, unit });
    report.target({ what: `while blocked / before, ${on}`, limit: MAX_RATIO, is: blocked! / free!, unit: 'of it' });
  }
}

async function measure(variant: Variant): Promise<Figures> {
  return await owned(async (owner) => {
    const cluster = await startScrapedCluster(owner, variant, { workers: WORKERS, labelSets: LABEL_SETS });
    const before = await scrapes(cluster, (done) => done < WARM_UP_SCRAPES + SCRAPES_BEFORE);
    let blocked = true;
    const [worker] = cluster.workers();
    const over = worker!.ask(`block ${BLOCKED_MS}`).then(() => {
      blocked = false;
    });
    // The order has arrived by then.
    await delay(PAUSE_MS);
    const during = await scrapes(cluster, () => blocked);
    await over;
    return { variant, before: before.slice(WARM_UP_SCRAPES), during };
  });
}

async function scrapes(cluster: ScrapedCluster, goOn: (done: number) => boolean): Promise<Download[]> {
  const done: Download[] = [];
  while (goOn(done.length)) {
    done.push(await cluster.scrape());
    await delay(PAUSE_MS);
  }
  return done;
}

function rowOf({ variant, before, during }: Figures): string[] {
  const [first] = during;
  const answer = isFailed(first!) ? ` "${first!.text()}"` : '';
  return [
    nameOf(variant),
    medianAndLongest(before.map(({ milliseconds }) => milliseconds)),
    medianAndLongest(during.map(({ milliseconds }) => milliseconds)),
    during.length.toString(),
    during.filter(isFailed).length.toString(),
    `${first!.status}${answer} after ${first!.milliseconds.toFixed(0)}`,
  ];
}

function isFailed({ status }: Download): boolean {
  return status !== 200;
}
