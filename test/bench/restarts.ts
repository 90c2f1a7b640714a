/**
 * Cost against uptime: a cluster whose workers answer once and are killed, again and again; what its group costs after ten
 * restarts, and after thousands. Two clusters are compared: one where nobody who has exited is shown any more when it is
 * measured, so that alike is held against alike, and one as it is by default, which shows the newest hundred of five minutes.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fixture, type Owner, type Running, start, until } from '../processes.ts';
import { download } from './download.ts';
import { nodeMajors } from './node-majors.ts';
import { owned } from './owned.ts';
import type { Report } from './report.ts';
import { memoryOf } from './resident-memory.ts';
import { type Scratch, scratch } from './scratch.ts';
import { median } from './statistics.ts';

const SCRAPES = 21;
const MAX_RATIO = 1.05;
/** The compiler's, and the pages of the thread's heap. */
const WARM_UP_SCRAPES = Number(process.env['BENCH_ROUNDS'] ?? 200);
const MOST = Number(process.env['BENCH_RESTARTS'] ?? 10_000);
const FEW = 10;
const MARKS = [...new Set([FEW, Math.min(1000, MOST), MOST])];
const DEFAULT_MARKS = MARKS.slice(0, 2);
const SETTLE_MS = 30_000;
const DEADLINE_MS = 3_600_000;

/** A cluster that can be told how many of its workers are to have ended. */
interface Cluster {
  readonly running: Running;
  readonly url: string;
  /** How many of those who have exited may be shown, and so have a file. */
  readonly shown: number;
}

/** Tables and one target. @throws when a cluster does not do as it is told */
export async function restarts(report: Report): Promise<void> {
  const place = scratch(nodeMajors().at(-1)!, []);
  await owned(async (owner) => {
    const startMs = performance.now();
    const old = await startIn(place, owner, '0');
    await tell(report, 'nobody shown who has exited', old, MARKS);
    const seconds = (performance.now() - startMs) / 1000;
    const young = await startIn(place, owner, '0');
    await restartTo(young, FEW);
    await warmUp(young);
    const [oldMs, youngMs] = await sideBySide(old, young);
    await tell(report, 'as it is by default', await startIn(place, owner, undefined), DEFAULT_MARKS);
    await tellBare(report, startBare(place, owner), DEFAULT_MARKS);
    report.say(
      `Node ${place.nodeVersion}. ${MOST.toLocaleString('en')} restarts took ${(seconds / 60).toFixed(1)} minutes, scrapes included. Scrapes: medians of ${SCRAPES}, gzip, a connection each. The memory is the primary's, its exporter thread included, which has answered ${(WARM_UP_SCRAPES + SCRAPES) * MARKS.length} scrapes at the last mark. Side by side, turn by turn: ${oldMs.toFixed(2)} ms after ${MOST.toLocaleString('en')} restarts, ${youngMs.toFixed(2)} ms after ${FEW}.`,
    );
    report.target({
      what: `scrape after ${MOST.toLocaleString('en')} restarts / after ${FEW}, nobody shown who has exited`,
      limit: MAX_RATIO,
      is: oldMs / youngMs,
      unit: '×',
    });
  });
}

async function startIn(place: Scratch, owner: Owner, retention: string | undefined): Promise<Cluster> {
  const running = start(owner, [fixture('recycles-its-workers.mjs')], {
    command: place.node,
    cwd: place.directory,
    stdin: 'pipe',
    env: {
      PROMETHEUS_BIND_ADDRESS: '127.0.0.1',
      ...(retention !== undefined && { GUNICORN_OTEL_EXITED_RETENTION: retention }),
    },
  });
  running.child.stdin!.write('1\n');
  const url = await running.metricsUrl();
  return { running, url, shown: retention === undefined ? 100 : 0 };
}

async function tell(report: Report, title: string, cluster: Cluster, marks: readonly number[]): Promise<void> {
  const rows: string[][] = [];
  for (const mark of marks) {
    await restartTo(cluster, mark);
    await warmUp(cluster);
    const { ms, bytes, series } = await scrape(cluster);
    const { rss, anonymous } = memoryOf(cluster.running.pid);
    const figures = [ms.toFixed(2), (bytes / 1000).toFixed(1), String(series)];
    const files = String(filesOf(cluster).length);
    rows.push([mark.toLocaleString('en'), ...figures, files, rss.toFixed(1), anonymous.toFixed(1)]);
  }
  report.table([`restarts, ${title}`, 'scrape ms', 'text kB', 'series', 'files', 'MB resident', 'anonymous'], rows);
}

// What a primary grows by that forks so often, whoever measures it.
async function tellBare(report: Report, running: Running, marks: readonly number[]): Promise<void> {
  const rows: string[][] = [];
  for (const mark of marks) {
    await endWorkers(running, mark);
    const { rss, anonymous } = memoryOf(running.pid);
    rows.push([mark.toLocaleString('en'), rss.toFixed(1), anonymous.toFixed(1)]);
  }
  report.table(['restarts, without us', 'MB resident', 'anonymous'], rows);
}

function startBare(place: Scratch, owner: Owner): Running {
  const program = [fixture('recycles-its-workers.mjs')];
  return start(owner, program, { command: place.node, cwd: place.directory, stdin: 'pipe', preload: 'none' });
}

async function endWorkers(running: Running, count: number): Promise<void> {
  running.child.stdin!.write(`${count}\n`);
  await until(() => running.output.stdout.includes(`ended ${count}\n`), `${count} restarts`, DEADLINE_MS);
}

// Who has exited is looked for once a second.
async function restartTo(cluster: Cluster, count: number): Promise<void> {
  const { running, shown } = cluster;
  await endWorkers(running, count);
  const kept = () => filesOf(cluster).filter((file) => file.endsWith('.snapshot')).length;
  // Besides those the primary's own.
  await until(
    () => kept() === 1 + Math.min(shown, count),
    () => `files kept: ${kept()}`,
    SETTLE_MS,
  );
}

async function warmUp({ url }: Cluster): Promise<void> {
  for (let i = 0; i < WARM_UP_SCRAPES; i += 1) await download(url);
}

async function scrape({ url }: Cluster): Promise<{ ms: number; bytes: number; series: number }> {
  const times: number[] = [];
  for (let i = 0; i < SCRAPES; i += 1) times.push((await download(url)).milliseconds);
  const text = (await download(url, 'identity')).text();
  return { ms: median(times), bytes: text.length, series: text.match(/^[^#\n]/gm)?.length ?? 0 };
}

async function sideBySide(a: Cluster, b: Cluster): Promise<[number, number]> {
  const times: [number[], number[]] = [[], []];
  for (let round = 0; round < SCRAPES * 5; round += 1) {
    for (const i of round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
      times[i].push((await download([a, b][i]!.url)).milliseconds);
    }
  }
  return [median(times[0]), median(times[1])];
}

function filesOf({ running: { directory } }: Cluster): string[] {
  const [group = ''] = readdirSync(directory);
  return readdirSync(join(directory, group));
}
