/**
 * Reads a status document that somebody else has sent: of another version, cut short, or made to harm. What is not of its
 * type is not known, names are printable, and everything that shows it can rely on that.
 */
import type { Load, RouteStatus, Status, StatusEvent, WorkerStatus } from '../status-document.ts';
import { printable } from './text.ts';

// Nobody reads a longer one, and measuring it takes time.
const MAX_NAME_LENGTH = 1000;

/** How each member is read; members that are not there are undefined to it. */
type Shape<T> = { readonly [Name in keyof T]: (value: unknown) => T[Name] };

const LOAD: Shape<Load> = {
  requests: amountOf,
  failedRequests: amountOf,
  requestsPerSecond: numberOf,
  failedRequestsPerSecond: numberOf,
  durationSeconds: objectOf<Load['durationSeconds']>({ p50: numberOf, p95: numberOf, p99: numberOf }),
};

const WORKER: Shape<WorkerStatus> = {
  ...LOAD,
  id: nameOf,
  pid: amountOf,
  role: nameOf,
  state: nameOf,
  stateSinceSeconds: amountOf,
  uptimeSeconds: amountOf,
  cpuPercent: numberOf,
  memoryBytes: numberOf,
  snapshotAgeSeconds: amountOf,
};

const ROUTE: Shape<RouteStatus> = { ...LOAD, method: nameOf, route: nameOf };

const EVENT: Shape<StatusEvent> = {
  atMs: amountOf,
  // Newer versions may know more kinds: they are shown by their name.
  kind: (value) => nameOf(value) as StatusEvent['kind'],
  workerId: nameOf,
  what: nameOf,
};

const STATUS: Shape<Status> = {
  version: () => 1,
  atMs: amountOf,
  windowSeconds: numberOf,
  startMs: amountOf,
  service: nameOf,
  packageVersion: nameOf,
  nodeVersion: nameOf,
  health: (value) => (value === 'ok' ? 'ok' : 'degraded'),
  expectedWorkers: amountOf,
  activeRequests: amountOf,
  total: objectOf(LOAD),
  workers: listOf(WORKER),
  routes: listOf(ROUTE),
  events: listOf(EVENT),
  omitted: objectOf<Status['omitted']>({ workers: amountOf, routes: amountOf }),
  exporter: objectOf<Status['exporter']>({
    scrapes: amountOf,
    scrapeErrors: amountOf,
    lastScrapeSeconds: amountOf,
    series: amountOf,
    snapshotErrors: amountsOf,
    overflow: amountsOf,
  }),
};

/** @returns the document, whole; a line when it is none that is understood. @throws never */
export function readStatus(document: unknown): Status | string {
  const { version } = membersOf(document);
  if (typeof version !== 'number') return 'what it answers is no status document of gunicorn-otel';
  if (version !== 1) {
    return `its status document is of version ${version}, and this gunicorn-otel reads version 1: update it`;
  }
  return objectOf(STATUS)(document);
}

function objectOf<T>(shape: Shape<T>): (value: unknown) => T {
  const readers = Object.entries(shape) as [keyof T & string, (value: unknown) => unknown][];
  return (value) => {
    const members = membersOf(value);
    return Object.fromEntries(readers.map(([name, read]) => [name, read(members[name])])) as T;
  };
}

function listOf<T>(shape: Shape<T>): (value: unknown) => T[] {
  const read = objectOf(shape);
  return (value) => (Array.isArray(value) ? value.map(read) : []);
}

function membersOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}

function amountsOf(value: unknown): Record<string, number> {
  return Object.fromEntries(Object.entries(membersOf(value)).map(([name, amount]) => [nameOf(name), amountOf(amount)]));
}

function amountOf(value: unknown): number {
  return numberOf(value) ?? 0;
}

// Nothing here is ever less than nothing, and nothing more than can be counted, or added up.
function numberOf(value: unknown): number | null {
  return typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER ? value : null;
}

function nameOf(value: unknown): string {
  return typeof value === 'string' ? printable(value.slice(0, MAX_NAME_LENGTH)) : '';
}
