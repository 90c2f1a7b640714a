/** Statuses made up for the page: of any size, with workers that are slow, stuck or leaking, and names that mean harm. */
import type { Load, RouteStatus, Status, WorkerStatus } from '../src/status-document.ts';

/** Names that clients or apps might choose to be read as something else. */
export const HOSTILE_NAMES = [
  '<img src=x onerror="window.harmed=true">',
  '"><script>window.harmed = true</script>',
  '/\u202efdp.exe/\u200b\u2066hidden',
  `/long/${'x'.repeat(10_000)}`,
  '__proto__',
  'javascript:alert(1)',
];

export interface Made {
  readonly workers?: number;
  readonly routes?: number;
  /** Which look this is: numbers move with it, two seconds each. */
  readonly look?: number;
  readonly startMs?: number;
}

const LOOK_MS = 2000;
const METHODS = ['GET', 'POST', 'PUT', 'DELETE'];

/** @returns a status of so many workers and routes that is the same for the same numbers */
export function cannedStatus({ workers = 4, routes = 6, look = 0, startMs = 1_700_000_000_000 }: Made = {}): Status {
  const atMs = startMs + 3_600_000 + look * LOOK_MS;
  const all = Array.from({ length: workers }, (_, i) => worker(i, look));
  return {
    version: 1,
    atMs,
    windowSeconds: 10,
    startMs,
    service: 'shop',
    packageVersion: '0.1.0',
    nodeVersion: 'v24.0.0',
    health: 'ok',
    expectedWorkers: workers,
    activeRequests: 7 + (look % 5),
    total: load(workers * 40, workers * 0.1, 0.02, look),
    workers: all,
    routes: Array.from({ length: routes }, (_, i) => route(i, routes, look)),
    events: [],
    omitted: { workers: 0, routes: 0 },
    exporter: { scrapes: 3, scrapeErrors: 0, lastScrapeSeconds: 0.004, series: 120, snapshotErrors: {}, overflow: {} },
  };
}

function worker(i: number, look: number): WorkerStatus {
  return {
    ...load(40 + wave(i, look) * 8, i % 5 === 4 ? 0.2 : 0, 0.02, look + i),
    id: `worker_${i + 1}_1700000000`,
    pid: 4100 + i,
    role: 'worker',
    state: 'running',
    stateSinceSeconds: 1_700_000_000,
    uptimeSeconds: 3600 + look * 2,
    cpuPercent: 20 + wave(i + 3, look) * 10,
    memoryBytes: 90e6 + wave(i, look * 3) * 6e6,
    snapshotAgeSeconds: 0.2 + (i % 7) / 10,
  };
}

function route(i: number, count: number, look: number): RouteStatus {
  const method = METHODS[i % METHODS.length]!;
  return {
    ...load((count - i) * 3 + wave(i, look), i % 9 === 8 ? 0.4 : 0, 0.01, look + i),
    method,
    route: `/things/${i}/:id`,
  };
}

function load(requestsPerSecond: number, failedRequestsPerSecond: number, p50: number, look: number): Load {
  const factor = 1 + wave(1, look) / 10;
  return {
    requests: Math.round(requestsPerSecond * (3600 + look * 2)),
    failedRequests: Math.round(failedRequestsPerSecond * 3600),
    requestsPerSecond,
    failedRequestsPerSecond,
    durationSeconds: { p50: p50 * factor, p95: p50 * 3 * factor, p99: p50 * 8 * factor },
  };
}

// Between -1 and 1, and the same for the same numbers.
function wave(seed: number, look: number): number {
  return Math.sin(seed * 12.9898 + look * 0.7) * 0.6 + Math.sin(seed * 4.1 + look * 0.23) * 0.4;
}
