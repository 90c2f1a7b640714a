/** The columns of the tables, as data: what each shows, how it is sorted, and which goes first where there is little room. */
import type { Load, RouteStatus, Status, StatusEvent, WorkerStatus } from '../status-document.ts';
import { ageText, bytesText, countText, durationText, momentText, percentText, rateText } from './format.ts';
import type { Tone } from './line.ts';

export interface Column<Row> {
  /** Title of the column, and what `--sort` names it by. */
  readonly name: string;
  readonly meaning: string;
  /** 1: the last one to go; no two of a table have the same. */
  readonly priority: number;
  /** Columns of the terminal that it takes at least. The one that may be cut takes no more when there is no room. */
  readonly width: number;
  readonly mayBeCut?: true;
  /** What rows are sorted by; null is always last. Texts begin with the least, numbers with the most. */
  value(row: Row): string | number | null;
  /** Of numbers, which stand on the right; a text is its own cell, on the left. */
  format?(value: number | null): string;
  tone?(row: Row): Tone | undefined;
}

/** A worker, and for how long it has been in its state. */
export interface WorkerRow extends WorkerStatus {
  readonly inStateSeconds: number;
}

/** An event, and how long ago it was. */
export interface EventRow extends StatusEvent {
  readonly agoSeconds: number;
}

// A worker that is not just running is marked in front of its row, too.
const STATE_TONES: ReadonlyMap<string, Tone> = new Map(
  Object.entries({ quitting: 'warn', aborting: 'bad', unresponsive: 'bad' } as const),
);
// Twice as long as a worker may take that is not blocked.
const OLD_SECONDS = 4;

/** What stands in a row's cell. */
export function cellOf<Row>({ value, format }: Column<Row>, row: Row): string {
  const seen = value(row);
  return format ? format(typeof seen === 'number' ? seen : null) : String(seen ?? '');
}

/** Numbers stand on the right, one below the other. */
export function alignOf<Row>({ format }: Column<Row>): 'left' | 'right' {
  return format ? 'right' : 'left';
}

/** Of the table of workers. */
export const WORKER_COLUMNS: readonly Column<WorkerRow>[] = [
  { name: 'worker', meaning: 'worker_id', priority: 1, width: 21, mayBeCut: true, value: ({ id }) => id },
  { name: 'pid', meaning: 'of its process', priority: 12, width: 7, value: ({ pid }) => pid, format: countText },
  {
    name: 'role',
    meaning: 'single, primary, worker, child, thread',
    priority: 16,
    width: 7,
    value: (row) => row.role,
  },
  {
    name: 'state',
    meaning: 'running, quitting, aborting, unresponsive',
    priority: 2,
    width: 12,
    value: ({ state }) => state,
    tone: ({ state }) => STATE_TONES.get(state),
  },
  {
    name: 'since',
    meaning: 'for how long in that state',
    priority: 15,
    width: 6,
    value: (row) => row.inStateSeconds,
    format: ageText,
  },
  {
    name: 'up',
    meaning: 'since it has started',
    priority: 8,
    width: 6,
    value: (row) => row.uptimeSeconds,
    format: ageText,
  },
  {
    name: 'cpu',
    meaning: 'percent of one core',
    priority: 6,
    width: 5,
    value: (row) => row.cpuPercent,
    format: percentText,
  },
  {
    name: 'mem',
    meaning: 'resident memory',
    priority: 7,
    width: 5,
    value: (row) => row.memoryBytes,
    format: bytesText,
  },
  ...loadColumns({ rate: 3, errors: 4, p50: 11, p95: 5, p99: 10, requests: 13, failed: 14 }),
  {
    name: 'age',
    meaning: 'since it has last published',
    priority: 9,
    width: 4,
    value: (row) => row.snapshotAgeSeconds,
    format: ageText,
    tone: ({ snapshotAgeSeconds }) => (snapshotAgeSeconds > OLD_SECONDS ? 'warn' : undefined),
  },
];

/** Of the table of routes. */
export const ROUTE_COLUMNS: readonly Column<RouteStatus>[] = [
  { name: 'method', meaning: 'of the request', priority: 2, width: 7, value: ({ method }) => method },
  { name: 'route', meaning: 'http_route', priority: 1, width: 20, mayBeCut: true, value: ({ route }) => route },
  ...loadColumns({ rate: 3, errors: 4, p50: 7, p95: 5, p99: 6, requests: 8, failed: 9 }),
];

/** Of the list of events. */
export const EVENT_COLUMNS: readonly Column<EventRow>[] = [
  {
    name: 'ago',
    meaning: 'how long it is ago',
    priority: 4,
    width: 6,
    value: (row) => row.agoSeconds,
    format: ageText,
  },
  { name: 'at (UTC)', meaning: 'when it was', priority: 5, width: 19, value: ({ atMs }) => atMs, format: momentText },
  { name: 'event', meaning: 'exit, restart, signal', priority: 1, width: 8, value: ({ kind }) => kind },
  { name: 'why', meaning: 'cause of an exit, name of a signal', priority: 2, width: 6, value: ({ what }) => what },
  { name: 'worker', meaning: 'worker_id', priority: 3, width: 19, mayBeCut: true, value: (row) => row.workerId },
];

/** The rows of the workers, as the document orders them. */
export function workerRows({ workers, atMs }: Status): WorkerRow[] {
  return workers.map((worker) => ({
    ...worker,
    inStateSeconds: Math.max(0, atMs / 1000 - worker.stateSinceSeconds),
  }));
}

/** The rows of the events, newest first. */
export function eventRows({ events, atMs }: Status): EventRow[] {
  return events.map((event) => ({ ...event, agoSeconds: Math.max(0, (atMs - event.atMs) / 1000) }));
}

function loadColumns(priorities: Record<'rate' | 'errors' | 'p50' | 'p95' | 'p99' | 'requests' | 'failed', number>) {
  const columns: Column<Load>[] = [
    {
      name: 'req/s',
      meaning: 'requests a second, over the last seconds',
      priority: priorities.rate,
      width: 6,
      value: (row) => row.requestsPerSecond,
      format: rateText,
    },
    {
      name: 'err/s',
      meaning: 'failed requests a second',
      priority: priorities.errors,
      width: 5,
      value: (row) => row.failedRequestsPerSecond,
      format: rateText,
      tone: ({ failedRequestsPerSecond }) => (failedRequestsPerSecond ? 'bad' : undefined),
    },
    ...(['p50', 'p95', 'p99'] as const).map((name) => ({
      name,
      meaning: `duration that ${name.slice(1)} % of the requests stay below`,
      priority: priorities[name],
      width: 6,
      value: (row: Load) => row.durationSeconds[name],
      format: durationText,
    })),
    {
      name: 'requests',
      meaning: 'since it began',
      priority: priorities.requests,
      width: 8,
      value: (row) => row.requests,
      format: countText,
    },
    {
      name: 'failed',
      meaning: 'of those',
      priority: priorities.failed,
      width: 6,
      value: (row) => row.failedRequests,
      format: countText,
    },
  ];
  return columns;
}
