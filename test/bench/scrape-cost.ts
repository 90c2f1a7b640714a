/**
 * Where the time of a scrape goes: groups of many workers and many series, written by the code that writes them, read by a
 * process of its own per group: stage by stage, and by a real exporter thread that is scraped from here. Nobody records
 * meanwhile; what it is in a cluster at work, `scrape` tells.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { RequestTable } from '../../src/record/request-table.ts';
import { snapshotFile } from '../../src/snapshot/directory.ts';
import { SnapshotFile } from '../../src/snapshot/file.ts';
import { SeriesTable } from '../../src/snapshot/series-table.ts';
import { SLOT_HEADER_BYTES } from '../../src/snapshot/slot.ts';
import { atEnd, freshDirectory, type Owner } from '../processes.ts';
import { type Sleeper, startSleeper } from '../sleepers.ts';
import { download } from './download.ts';
import { owned } from './owned.ts';
import type { Report } from './report.ts';
import type { StageTimes } from './scrape-stages.ts';
import { median } from './statistics.ts';

/** Rounds of each measurement. */
export const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 21);
/** Rounds before them that are the compiler's. */
export const WARM_UP_ROUNDS = 10;
const STAGES = fileURLToPath(new URL('scrape-stages.js', import.meta.url));
const THREAD = fileURLToPath(new URL('scrape-thread.js', import.meta.url));
const MAX_THREAD_MB = 25;
const DURATIONS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30];

interface Case {
  readonly workers: number;
  /** Label sets of one histogram of the app's, the same in every worker. */
  readonly histograms?: number;
  /** Different requests that each worker has served; a few unless told. */
  readonly requests?: number;
  readonly labels?: 'detailed';
  /** Of the thread, after its scrapes. */
  readonly targetMb?: number;
}

const CASES: readonly Case[] = [
  { workers: 1, targetMb: MAX_THREAD_MB },
  { workers: 4, histograms: 100 },
  { workers: 8, histograms: 700 },
  { workers: 8, histograms: 2000 },
  { workers: 16, histograms: 2000 },
  { workers: 100 },
  { workers: 16, requests: 500 },
  { workers: 8, requests: 200, labels: 'detailed' },
];
const STAGE_NAMES: readonly (keyof StageTimes)[] = ['reap', 'read', 'merge', 'view', 'otel', 'text', 'scrape'];

interface ThreadFigures {
  /** Medians as an HTTP client sees them, in milliseconds. */
  readonly plainMs: number;
  readonly gzipMs: number;
  readonly textBytes: number;
  /** Resident memory of its process above what it was without the thread. */
  readonly idleMb: number;
  readonly scrapedMb: number;
}

/** A row of stages per case, what a client sees, and what the thread takes in memory. */
export async function scrapeCost(report: Report): Promise<void> {
  report.say(
    `Milliseconds, medians of ${ROUNDS}. serializer: what OTel takes for the text; http, gzip: as a client sees the whole; ` +
      'MB: resident memory of the exporter thread, before and after the scrapes.',
  );
  const head = [...STAGE_NAMES, 'serializer', 'http', 'gzip', 'kB', 'MB idle', 'MB after'];
  const all: [Case, StageTimes, ThreadFigures][] = [];
  for (const each of CASES) {
    await owned(async (owner) => {
      const group = join(freshDirectory(owner), 'group');
      mkdirSync(group, { mode: 0o700 });
      for (let i = 1; i <= each.workers; i += 1) publish(group, each, i, await startSleeper(owner));
      all.push([each, await measureStages(owner, group, each), await measureThread(owner, group, each)]);
    });
  }
  report.table(['workers × label sets', ...head], all.map(rowOf));
  for (const [{ targetMb }, , { scrapedMb }] of all) {
    if (targetMb === undefined) continue;
    report.target({
      what: 'exporter thread of one worker',
      limit: targetMb,
      is: scrapedMb,
      unit: 'MB',
      because:
        'Its process has done nothing else: what Node takes for the first server of any is in it; `memory` has it without.',
    });
  }
}

/** @returns what is left of them without those of warming up, which come first */
export function settled(values: readonly number[]): readonly number[] {
  return values.slice(WARM_UP_ROUNDS);
}

function publish(group: string, { histograms = 0, requests = 3 }: Case, worker: number, { mark }: Sleeper): void {
  const table = new SeriesTable(SLOT_HEADER_BYTES);
  const recorder = new RequestTable({ table, durationBuckets: DURATIONS, maxEndpoints: requests, maxSeries: 2000 });
  for (let i = 0; i < requests * 4; i += 1) {
    recorder.begin('GET');
    const seconds = ((worker * 7919 + i * 104_729) % 10_007) / 1000;
    recorder.end('GET', `/things/of-kind-${i % requests}/list`, 200, '', seconds, i, 512 * i);
  }
  const metric = table.define({
    name: 'app.work.duration',
    description: 'Time that work took.',
    unit: 's',
    kind: 'histogram',
    scope: 'app',
    bounds: [DURATIONS],
  });
  for (let i = 0; i < histograms; i += 1) {
    const offset = table.add(metric, { method: 'GET', endpoint: `/api/v1/things/${i}/parts`, status: 200 });
    table.values[offset] = worker * i * 0.0137;
    for (let slot = 1; slot < DURATIONS.length + 2; slot += 1) table.values[offset + slot] = (worker * i * slot) % 97;
  }
  const workerId = `worker_${worker}_1700000000`;
  const identity = {
    ...mark,
    role: 'worker',
    workerId,
    threadId: 0,
    startSeconds: 1_700_000_000,
    version: '0',
  } as const;
  const file = new SnapshotFile(join(group, snapshotFile(mark, 0)), identity, table);
  // Both slots are in use in the file of a process that lives.
  file.write();
  file.write();
  file.close();
}

async function measureStages(owner: Owner, group: string, { labels }: Case): Promise<StageTimes> {
  const child = startReader(owner, STAGES, group, labels);
  const [line] = (await once(createInterface({ input: child.stdout! }), 'line')) as [string];
  return JSON.parse(line);
}

async function measureThread(owner: Owner, group: string, { labels }: Case): Promise<ThreadFigures> {
  const child = startReader(owner, THREAD, group, labels);
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const read = async () => (await lines.next()).value as string;
  const addedMb = async () => {
    child.stdin!.write('?');
    return Number(await read());
  };
  const url = await read();
  const idleMb = await addedMb();
  const scrape = async (encoding: 'gzip' | 'identity') => {
    const scraped = await download(url, encoding);
    if (scraped.status !== 200) throw new Error(`the exporter answered ${scraped.status}`);
    return scraped;
  };
  const plain: number[] = [];
  const gzip: number[] = [];
  let textBytes = 0;
  for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round += 1) {
    gzip.push((await scrape('gzip')).milliseconds);
    const { milliseconds, bytes } = await scrape('identity');
    plain.push(milliseconds);
    textBytes = bytes;
  }
  const scrapedMb = await addedMb();
  const exited = once(child, 'exit');
  child.stdin!.end();
  await exited;
  return { plainMs: median(settled(plain)), gzipMs: median(settled(gzip)), textBytes, idleMb, scrapedMb };
}

function startReader(owner: Owner, program: string, group: string, labels = 'standard'): ChildProcess {
  const child = spawn(process.execPath, [program, group, labels], { stdio: ['pipe', 'pipe', 'inherit'] });
  atEnd(owner, () => void child.kill('SIGKILL'));
  return child;
}

function rowOf([{ workers, histograms, requests, labels }, stages, thread]: [
  Case,
  StageTimes,
  ThreadFigures,
]): string[] {
  const what = histograms
    ? histograms.toLocaleString('en')
    : requests
      ? `${requests} requests`
      : 'the standard families';
  const times = [...STAGE_NAMES.map((stage) => stages[stage]), stages.serializer, thread.plainMs, thread.gzipMs];
  const memory = [thread.idleMb, thread.scrapedMb].map((mb) => mb.toFixed(1));
  const title = `${workers} × ${what}${labels ? `, ${labels}` : ''}`;
  return [title, ...times.map((ms) => ms.toFixed(1)), (thread.textBytes / 1000).toFixed(0), ...memory];
}
