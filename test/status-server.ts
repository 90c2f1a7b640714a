/** A status document as the tests of `gunicorn-otel top` want it, and an endpoint that answers it. */
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Load, RouteStatus, Status, WorkerStatus } from '../src/status-document.ts';
import { atEnd, type Owner } from './processes.ts';

// 2026-01-31 12:00:00 UTC.
const AT_MS = 1_769_860_800_000;

export function aLoad(load: Partial<Load> = {}): Load {
  return {
    requests: 1200,
    failedRequests: 3,
    requestsPerSecond: 24.5,
    failedRequestsPerSecond: 0.5,
    durationSeconds: { p50: 0.0042, p95: 0.08, p99: 1.25 },
    ...load,
  };
}

export function aWorker(n: number, worker: Partial<WorkerStatus> = {}): WorkerStatus {
  return {
    ...aLoad(),
    id: `worker_${n}_1769857200`,
    pid: 4000 + n,
    role: 'worker',
    state: 'running',
    stateSinceSeconds: AT_MS / 1000 - 3600,
    uptimeSeconds: 3600,
    cpuPercent: 12.4,
    memoryBytes: 60_000_000 + n,
    snapshotAgeSeconds: 0.4,
    ...worker,
  };
}

export function aRoute(route: string, load: Partial<RouteStatus> = {}): RouteStatus {
  return { ...aLoad(), method: 'GET', route, ...load };
}

export function aStatus(status: Partial<Status> = {}): Status {
  return {
    version: 1,
    atMs: AT_MS,
    windowSeconds: 5,
    startMs: AT_MS - 3_600_000,
    service: 'shop',
    packageVersion: '0.1.0',
    nodeVersion: 'v20.0.0',
    health: 'ok',
    expectedWorkers: 4,
    activeRequests: 3,
    total: aLoad({ requests: 4800, requestsPerSecond: 98 }),
    workers: [1, 2, 3, 4].map((n) => aWorker(n)),
    routes: ['/', '/orders/:id', '/cart'].map((route) => aRoute(route)),
    events: [
      { atMs: AT_MS - 3000, kind: 'restart', workerId: 'worker_5_1769857000', what: 'kill' },
      { atMs: AT_MS - 90_000, kind: 'signal', workerId: '', what: 'HUP' },
    ],
    omitted: { workers: 0, routes: 0 },
    exporter: { scrapes: 9, scrapeErrors: 0, lastScrapeSeconds: 0.01, series: 80, snapshotErrors: {}, overflow: {} },
    ...status,
  };
}

export interface StatusServer {
  readonly url: string;
  /** What each request had as its path and as its Authorization. */
  readonly asked: { path: string; authorization: string | undefined }[];
  /** Ends it; whoever asks is refused. */
  close(): void;
}

export interface StatusServerOptions {
  /** What it answers; text is sent as it is. */
  readonly answer?: () => unknown;
  /** Only this Authorization is answered. */
  readonly authorization?: string;
  readonly tls?: https.ServerOptions;
  readonly port?: number;
}

/** An endpoint with nothing but /status.json. */
export async function startStatusServer(
  owner: Owner,
  { answer = () => aStatus(), authorization, tls, port = 0 }: StatusServerOptions = {},
): Promise<StatusServer> {
  const asked: StatusServer['asked'] = [];
  const handle = (req: http.IncomingMessage, res: http.ServerResponse) => {
    asked.push({ path: req.url!, authorization: req.headers.authorization });
    const isLetIn = authorization === undefined || req.headers.authorization === authorization;
    const known = req.url?.endsWith('/status.json');
    res.statusCode = isLetIn ? (known ? 200 : 404) : 401;
    const body = answer();
    res.end(res.statusCode === 200 ? (typeof body === 'string' ? body : JSON.stringify(body)) : '');
  };
  const server = tls ? https.createServer(tls, handle) : http.createServer(handle);
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  atEnd(owner, close);
  const url = `${tls ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, asked, close };
}
