/**
 * What a scrape costs and where its time goes: groups of many workers and many series, written by the code that writes
 * them, read in a process of its own per group. No HTTP and no thread in the stages; both in the last columns.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RequestTable } from '../../src/record/request-table.ts';
import { snapshotFile } from '../../src/snapshot/directory.ts';
import { SnapshotFile } from '../../src/snapshot/file.ts';
import { SLOT_HEADER_BYTES } from '../../src/snapshot/layout.ts';
import { SeriesTable } from '../../src/snapshot/series-table.ts';
import { type Sleeper, startSleeper } from '../sleepers.ts';
import type { StageTimes, ThreadFigures } from './scrape-stages.ts';

const STAGES = fileURLToPath(new URL('scrape-stages.js', import.meta.url));
const MAX_THREAD_MB = 25;
const BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60];

interface Case {
  readonly workers: number;
  /** Label sets of one histogram of the app's, the same in every worker. */
  readonly histograms?: number;
  /** Different requests each worker has served; 0 or undefined: a few. */
  readonly requests?: number;
  readonly labels?: 'detailed';
  readonly targetMs?: number;
}

const CASES: readonly Case[] = [
  { workers: 4, histograms: 100 },
  { workers: 8, histograms: 700 },
  { workers: 8, histograms: 2000, targetMs: 80 },
  { workers: 16, histograms: 2000, targetMs: 120 },
  { workers: 100 },
  { workers: 16, requests: 500 },
  { workers: 8, requests: 200, labels: 'detailed' },
];

/** Prints a row of stages per case, and what the scrape takes as a client and the process's memory see it. */
export async function scrapeCost(): Promise<void> {
  console.log(`scrape-cost: milliseconds, medians of rounds in one process per case, Node ${process.version}`);
  console.log(`  ${'workers × label sets'.padEnd(30)}${HEAD.map((word) => word.padStart(9)).join('')}`);
  for (const each of CASES) {
    const directory = mkdtempSync(join(tmpdir(), 'gunicorn-otel-bench-'));
    const ends: (() => void | Promise<void>)[] = [() => rmSync(directory, { recursive: true, force: true })];
    try {
      const group = join(directory, 'group');
      mkdirSync(group, { mode: 0o700 });
      for (let i = 1; i <= each.workers; i += 1) {
        publish(group, each, i, await startSleeper({ after: (end) => void ends.push(end) }));
      }
      const stages = await measure<StageTimes>('stages', group, each);
      const thread = await measure<ThreadFigures>('thread', group, each);
      print(each, stages, thread);
    } finally {
      for (const end of ends.reverse()) await end();
    }
  }
}

function publish(group: string, { histograms = 0, requests = 3 }: Case, worker: number, { mark }: Sleeper): void {
  const table = new SeriesTable(SLOT_HEADER_BYTES);
  const recorder = new RequestTable({ table, durationBuckets: BOUNDS, maxEndpoints: requests, maxSeries: 2000 });
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
    bounds: [BOUNDS],
  });
  for (let i = 0; i < histograms; i += 1) {
    const offset = table.add(metric, { method: 'GET', endpoint: `/api/v1/things/${i}/parts`, status: 200 });
    for (let slot = 1; slot < BOUNDS.length + 2; slot += 1) table.values[offset + slot] = (worker * i * slot) % 97;
    table.values[offset] = worker * i * 0.0137;
  }
  const workerId = `worker_${worker}_1700000000`;
  const identity = {
    role: 'worker',
    workerId,
    ...mark,
    threadId: 0,
    startSeconds: 1_700_000_000,
    version: '0',
  } as const;
  const file = new SnapshotFile(join(group, snapshotFile(mark, 0)), identity, table);
  file.write();
  file.write();
  file.close();
}

async function measure<T>(mode: string, group: string, { labels }: Case): Promise<T> {
  const child = spawn(process.execPath, [STAGES, mode, group, labels ?? 'standard'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output += text;
  });
  await once(child, 'close');
  return JSON.parse(output);
}

const HEAD = [
  'reap',
  'read',
  'merge',
  'view',
  'as OTel',
  "OTel's",
  'text',
  'scrape',
  'http',
  'gzip',
  'kB',
  '+MB',
  'thread',
];

function print(
  { workers, histograms, requests, labels, targetMs }: Case,
  stages: StageTimes,
  thread: ThreadFigures,
): void {
  const what = histograms ? `${histograms} histograms` : requests ? `${requests} requests` : 'standard';
  const { reap, read, merge, view, otel, serializer, text, scrape, addedMb } = stages;
  const figures = [reap, read, merge, view, otel, serializer, text, scrape, thread.plainMs, thread.gzipMs];
  const row = [
    ...figures.map((ms) => ms.toFixed(1)),
    (thread.textBytes / 1000).toFixed(0),
    addedMb.toFixed(1),
    thread.addedMb.toFixed(1),
  ];
  console.log(
    `  ${`${workers} × ${what}${labels ? `, ${labels}` : ''}`.padEnd(30)}${row.map((cell) => cell.padStart(9)).join('')}`,
  );
  if (targetMs === undefined) return;
  const verdict = (met: boolean) => (met ? 'met' : 'missed');
  console.log(
    `    target: scrape ≤ ${targetMs} ms, ${verdict(thread.gzipMs <= targetMs)}; thread ≤ ${MAX_THREAD_MB} MB, ${verdict(thread.addedMb <= MAX_THREAD_MB)}`,
  );
}
