/**
 * What a scrape costs and where its time goes: groups of many workers and many series, written by the code that writes
 * them, read by a process of its own per group: stage by stage, and by a real exporter thread that is scraped from here.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { RequestTable } from '../../src/record/request-table.ts';
import { snapshotFile } from '../../src/snapshot/directory.ts';
import { SnapshotFile } from '../../src/snapshot/file.ts';
import { SLOT_HEADER_BYTES } from '../../src/snapshot/layout.ts';
import { SeriesTable } from '../../src/snapshot/series-table.ts';
import { type Sleeper, startSleeper } from '../sleepers.ts';
import type { Report } from './report.ts';
import type { StageTimes } from './scrape-stages.ts';

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
  readonly targetMs?: number;
  readonly targetMb?: number;
}

const CASES: readonly Case[] = [
  { workers: 1, targetMb: MAX_THREAD_MB },
  { workers: 4, histograms: 100 },
  { workers: 8, histograms: 700 },
  { workers: 8, histograms: 2000, targetMs: 80 },
  { workers: 16, histograms: 2000, targetMs: 120 },
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

/** Prints a row of stages per case, what a client sees, and what the thread takes in memory. */
export async function scrapeCost(_report: Report): Promise<void> {
  console.log(`scrape-cost: milliseconds, medians of ${ROUNDS}, Node ${process.version}`);
  console.log(
    '  serializer: what OTel takes for the text; http, gzip: as a client sees it; MB: of the exporter thread',
  );
  const head = [...STAGE_NAMES, 'serializer', 'http', 'gzip', 'kB', 'MB idle', 'MB after'];
  console.log(rowOf('workers x label sets', head));
  for (const each of CASES) {
    const directory = mkdtempSync(join(tmpdir(), 'gunicorn-otel-bench-'));
    const ends: (() => void | Promise<void>)[] = [() => rmSync(directory, { recursive: true, force: true })];
    try {
      const group = join(directory, 'group');
      mkdirSync(group, { mode: 0o700 });
      for (let i = 1; i <= each.workers; i += 1) {
        publish(group, each, i, await startSleeper({ after: (end) => void ends.push(end) }));
      }
      print(each, await measureStages(group, each), await measureThread(group, each));
    } finally {
      for (const end of ends.reverse()) await end();
    }
  }
}

/** @param values - in the order of the rounds, those of warming up first */
export function median(values: readonly number[]): number {
  const settled = values.slice(WARM_UP_ROUNDS).sort((a, b) => a - b);
  return settled[settled.length >> 1]!;
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

async function measureStages(group: string, { labels }: Case): Promise<StageTimes> {
  const child = startReader(STAGES, group, labels);
  const [line] = (await once(createInterface({ input: child.stdout! }), 'line')) as [string];
  return JSON.parse(line);
}

async function measureThread(group: string, { labels }: Case): Promise<ThreadFigures> {
  const child = startReader(THREAD, group, labels);
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const read = async () => (await lines.next()).value as string;
  const addedMb = async () => {
    child.stdin!.write('?');
    return Number(await read());
  };
  const url = await read();
  const idleMb = await addedMb();
  const plain: number[] = [];
  const gzip: number[] = [];
  let textBytes = 0;
  for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round += 1) {
    gzip.push((await download(url, 'gzip')).milliseconds);
    const { milliseconds, bytes } = await download(url, 'identity');
    plain.push(milliseconds);
    textBytes = bytes;
  }
  const scrapedMb = await addedMb();
  const exited = once(child, 'exit');
  child.stdin!.end();
  await exited;
  return { plainMs: median(plain), gzipMs: median(gzip), textBytes, idleMb, scrapedMb };
}

function startReader(program: string, group: string, labels = 'standard'): ChildProcess {
  return spawn(process.execPath, [program, group, labels], { stdio: ['pipe', 'pipe', 'inherit'] });
}

function download(url: string, encoding: string): Promise<{ milliseconds: number; bytes: number }> {
  const startMs = performance.now();
  return new Promise((resolve, reject) => {
    const sent = get(url, { headers: { 'accept-encoding': encoding }, agent: false }, (res) => {
      let bytes = 0;
      res.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      res.on('error', reject);
      res.on('end', () => {
        if (res.statusCode === 200) resolve({ milliseconds: performance.now() - startMs, bytes });
        else reject(new Error(`the exporter answered ${res.statusCode}`));
      });
    });
    sent.on('error', reject);
  });
}

function print(each: Case, stages: StageTimes, thread: ThreadFigures): void {
  const { workers, histograms, requests, labels, targetMs, targetMb } = each;
  const what = histograms ? `${histograms} histograms` : requests ? `${requests} requests` : 'standard';
  const times = [...STAGE_NAMES.map((stage) => stages[stage]), stages.serializer, thread.plainMs, thread.gzipMs];
  const figures = [...times.map((ms) => ms.toFixed(1)), (thread.textBytes / 1000).toFixed(0)];
  const memory = [thread.idleMb, thread.scrapedMb].map((mb) => mb.toFixed(1));
  console.log(rowOf(`${workers} x ${what}${labels ? `, ${labels}` : ''}`, [...figures, ...memory]));
  const told = (what: string, is: number, limit: number, unit: string) =>
    console.log(`    target: ${what} <= ${limit} ${unit}, ${is <= limit ? 'met' : 'missed'} (${is.toFixed(1)})`);
  if (targetMs !== undefined) told('gzip', thread.gzipMs, targetMs, 'ms');
  if (targetMb !== undefined) told('thread', thread.scrapedMb, targetMb, 'MB');
}

function rowOf(title: string, cells: readonly string[]): string {
  return `  ${title.padEnd(27)}${cells.map((cell) => cell.padStart(11)).join('')}`;
}
