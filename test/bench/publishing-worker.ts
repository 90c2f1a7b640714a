/**
 * A process with so many series of one kind, all of which change every ten milliseconds, published by the writer of every
 * worker; started by publishing.ts with the kind, their number and for how long. Says what the writer took.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { readSettings } from '../../src/config.ts';
import { startAppMetrics } from '../../src/record/app-metrics.ts';
import { Failures } from '../../src/record/failures.ts';
import { RequestTable } from '../../src/record/request-table.ts';
import { SnapshotFile } from '../../src/snapshot/file.ts';
import { ownMark } from '../../src/snapshot/process-mark.ts';
import { SeriesTable } from '../../src/snapshot/series-table.ts';
import { SLOT_HEADER_BYTES } from '../../src/snapshot/slot.ts';
import { SnapshotWriter } from '../../src/snapshot/writer.ts';

/** What is published: cells of the request table, or histograms that the app records by OpenTelemetry. */
export type Kind = 'requests' | 'histograms';

/** Of one call, on the wall and on the CPU, in milliseconds. */
export interface Call {
  readonly wallMs: number;
  readonly cpuMs: number;
}

/** What publishing has taken. */
export interface PublishingFigures {
  readonly elapsedMs: number;
  readonly fileBytes: number;
  /** How often all of the table was published. */
  readonly writes: number;
  /** Each time that the loop was held up for it: a large table is written in pieces, some in a turn. */
  readonly pauses: readonly Call[];
  /** Each piece of collecting the app's instruments, without what is written behind it; none for requests. */
  readonly collections: readonly Call[];
}

const FLUSH_MS = 10;
// The writer learns what a write takes, and has some in hand before it spaces them.
const WARM_UP_MS = 4000;
const COLLECT_EVERY_MS = 1000;
const BETWEEN_PIECES_MS = 1;

const [kind = 'requests', count = '10', forMs = '1000'] = process.argv.slice(2) as [Kind, string, string];
const series = Number(count);
const { settings } = readSettings({}, { maxSeries: series, maxEndpoints: series });
const directory = mkdtempSync(join(tmpdir(), 'gunicorn-otel-bench-'));
const table = new SeriesTable(SLOT_HEADER_BYTES);
const pauses: Call[] = [];
let writes = 0;
// The file's methods call each other.
let isInside = false;
let turn: { -readonly [K in keyof Call]: number } | undefined;
const collections: Call[] = [];
for (const how of ['write', 'writePiece', 'catchUp'] as const) {
  const original = SnapshotFile.prototype[how];
  SnapshotFile.prototype[how] = ofTurn(original) as () => true;
}
const writer = new SnapshotWriter({
  path: join(directory, 'worker.snapshot'),
  identity: {
    ...ownMark(),
    role: 'worker',
    workerId: 'worker_1_1700000000',
    threadId: 0,
    startSeconds: 1_700_000_000,
    version: '0',
  },
  table,
  flushIntervalMs: FLUSH_MS,
  onStateChange(error) {
    if (error) throw error;
  },
});
const change = kind === 'requests' ? changeRequests() : changeHistograms();
const changing = setInterval(change, FLUSH_MS);
await delay(WARM_UP_MS);
pauses.length = 0;
writes = 0;
collections.length = 0;
const startMs = performance.now();
await delay(Number(forMs));
const elapsedMs = performance.now() - startMs;
clearInterval(changing);
writer.close();
rmSync(directory, { recursive: true });
const figures: PublishingFigures = { elapsedMs, fileBytes: table.used * 8, writes, pauses, collections };
console.log(JSON.stringify(figures));
process.exit();

function changeRequests(): () => void {
  const requests = new RequestTable({ ...settings, table });
  const paths = Array.from({ length: series }, (_, i) => `/things/of-kind-${i}/list`);
  return () => {
    for (const path of paths) {
      requests.begin('GET');
      requests.end('GET', path, 200, '', 0.01, 100, 1000, path);
    }
    writer.changed(performance.now());
  };
}

// Collected here as often as the package does it at this cost, apart from the write, to be timed by itself.
function changeHistograms(): () => void {
  const app = startAppMetrics({ ...settings, table, writer, failures: new Failures(table) });
  app.stop();
  const histogram = app.provider.getMeter('app').createHistogram('app.work.duration');
  const attributes = Array.from({ length: series }, (_, i) => ({ 'thing.kind': i, 'thing.place': 'here' }));
  let startMs = 0;
  let collectAtMs = 0;
  const collect = () => {
    const before = pauses.length;
    let isThrough = false;
    const piece = timed(() => {
      isThrough = app.collectSome();
    });
    const behind = pauses.slice(before);
    const sum = (key: keyof Call) => behind.reduce((total, call) => total + call[key], 0);
    collections.push({ wallMs: piece.wallMs - sum('wallMs'), cpuMs: piece.cpuMs - sum('cpuMs') });
    if (!isThrough) setTimeout(collect, BETWEEN_PIECES_MS);
    else collectAtMs = startMs + Math.min(Math.max((performance.now() - startMs) * 100, 100), COLLECT_EVERY_MS);
  };
  return () => {
    if (performance.now() < collectAtMs) return;
    for (const each of attributes) histogram.record(0.01, each);
    startMs = performance.now();
    collectAtMs = Number.POSITIVE_INFINITY;
    collect();
  };
}

// What is written in one turn holds up the loop at once.
function ofTurn(write: (this: SnapshotFile) => boolean) {
  return function (this: SnapshotFile): boolean {
    if (isInside) return write.call(this);
    isInside = true;
    let isDone = true;
    try {
      const { wallMs, cpuMs } = timed(() => {
        isDone = write.call(this);
      });
      if (turn === undefined) {
        turn = { wallMs: 0, cpuMs: 0 };
        pauses.push(turn);
        queueMicrotask(() => {
          turn = undefined;
        });
      }
      turn.wallMs += wallMs;
      turn.cpuMs += cpuMs;
    } finally {
      isInside = false;
    }
    if (isDone) writes += 1;
    return isDone;
  };
}

function timed(work: () => void): Call {
  const cpu = process.cpuUsage();
  const startMs = performance.now();
  work();
  const wallMs = performance.now() - startMs;
  const { user, system } = process.cpuUsage(cpu);
  return { wallMs, cpuMs: (user + system) / 1000 };
}
