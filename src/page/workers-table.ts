/** One row per living worker: how it is, what it takes, what it does. */
import type { WorkerStatus } from '../status-document.ts';
import { byId } from './element.ts';
import { type Format, visible } from './format.ts';
import type { Trail, Trend } from './history.ts';
import { type Mark, SYMBOLS, type Verdict } from './judge.ts';
import { type Column, SortedTable } from './sorted-table.ts';
import type { Line } from './sparkline.ts';

export interface WorkerRow {
  readonly worker: WorkerStatus;
  readonly trail: Trail | undefined;
  /** How much time the trends show. */
  readonly spanMs: number;
  readonly marks: readonly Mark[];
}

const WORST_FIRST = Object.keys(SYMBOLS) as Verdict[];
const LATE_SECONDS = 2;

/** @returns the table of index.html, with its columns */
export function workersTable(format: Format): SortedTable<WorkerRow> {
  const { bytes, count, duration, percent, rate, span } = format;
  const quantile = (which: 'p50' | 'p95' | 'p99'): Column<WorkerRow> => ({
    title: which,
    about: `${which.slice(1)} of 100 requests took less than this, over the window`,
    value: ({ worker }) => worker.durationSeconds[which],
    text: ({ worker }) => duration(worker.durationSeconds[which]),
    ...(which === 'p95' && { tone: ({ marks }) => (has(marks, 'slow') ? 'warn' : '') }),
  });
  const columns: Column<WorkerRow>[] = [
    {
      title: 'worker',
      about: 'its worker_id in the metrics',
      value: ({ worker }) => worker.id,
      text: ({ worker }) => visible(worker.id),
      isName: true,
    },
    {
      title: 'mark',
      about: 'stuck, slow or leaking',
      value: ({ marks }) => (marks.length === 0 ? null : -WORST_FIRST.indexOf(marks[0]!.verdict)),
      text: ({ marks }) => marks.map(({ verdict }) => `${SYMBOLS[verdict]}\u00a0${verdict}`).join(' '),
      tone: ({ marks }) => (marks.length === 0 ? '' : marks[0]!.verdict === 'stuck' ? 'bad' : 'warn'),
    },
    {
      title: 'pid',
      about: 'its process',
      value: ({ worker }) => worker.pid,
      // No separators: one copies it.
      text: ({ worker }) => String(worker.pid),
    },
    {
      title: 'state',
      about: 'running, quitting, aborting, unresponsive',
      value: ({ worker }) => worker.state,
      text: ({ worker }) => visible(worker.role === 'worker' ? worker.state : `${worker.state} · ${worker.role}`),
      isName: true,
      tone: ({ worker }) => (worker.state === 'running' ? '' : worker.state === 'unresponsive' ? 'bad' : 'warn'),
    },
    {
      title: 'uptime',
      about: 'since it has started',
      value: ({ worker }) => worker.uptimeSeconds,
      text: ({ worker }) => span(worker.uptimeSeconds),
    },
    {
      title: 'requests/s',
      about: 'completed per second, over the window',
      value: ({ worker }) => worker.requestsPerSecond,
      text: ({ worker }) => rate(worker.requestsPerSecond),
      trend: (row) => line(row, 'rate', 'requests per second', rate, true),
    },
    {
      title: 'CPU',
      about: 'of one core, over the last sampling interval',
      value: ({ worker }) => worker.cpuPercent,
      text: ({ worker }) => percent(worker.cpuPercent),
      trend: (row) => line(row, 'cpu', 'CPU', percent, true),
    },
    {
      title: 'memory',
      about: 'resident set of its process',
      value: ({ worker }) => worker.memoryBytes,
      text: ({ worker }) => bytes(worker.memoryBytes),
      tone: ({ marks }) => (has(marks, 'leaking') ? 'warn' : ''),
      trend: (row) => line(row, 'memory', 'memory', bytes, false),
    },
    quantile('p50'),
    quantile('p95'),
    quantile('p99'),
    {
      title: 'errors/s',
      about: 'failed requests per second, over the window',
      value: ({ worker }) => worker.failedRequestsPerSecond,
      text: ({ worker }) => rate(worker.failedRequestsPerSecond),
      tone: ({ worker }) => ((worker.failedRequestsPerSecond ?? 0) > 0 ? 'bad' : ''),
    },
    {
      title: 'errors',
      about: 'failed requests since the worker began',
      value: ({ worker }) => worker.failedRequests,
      text: ({ worker }) => count(worker.failedRequests),
    },
    {
      title: 'age',
      about: 'of its snapshot: since it has last published anything; below two seconds in a worker that is not blocked',
      value: ({ worker }) => worker.snapshotAgeSeconds,
      text: ({ worker }) => `${rate(worker.snapshotAgeSeconds)} s`,
      tone: ({ worker, marks }) =>
        has(marks, 'stuck') ? 'bad' : worker.snapshotAgeSeconds >= LATE_SECONDS ? 'warn' : '',
    },
  ];
  const table = byId<HTMLTableElement>('workers');
  return new SortedTable({ table, columns, key: ({ worker }) => worker.id, sortedBy: 'worker', rowHeader: 0 });
}

function has(marks: readonly Mark[], verdict: Verdict): boolean {
  return marks.some((mark) => mark.verdict === verdict);
}

function line(
  { trail, spanMs }: WorkerRow,
  trend: Trend,
  name: string,
  write: (value: number) => string,
  fromZero: boolean,
): Line | undefined {
  return trail && { atMs: trail.atMs, values: trail.values[trend], spanMs, name, write, fromZero };
}
