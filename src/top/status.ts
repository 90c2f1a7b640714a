/**
 * Reads a status document that somebody else has sent: of another version, cut short, or made to harm. What is not of its
 * type is not known, names are printable, and everything that shows it can rely on that.
 */
import type { Load, RouteStatus, Status, StatusEvent, WorkerStatus } from '../status-document.ts';
import { printable } from './text.ts';

// Nobody reads a longer one, and measuring it takes time.
const MAX_NAME_LENGTH = 1000;

type Given = Readonly<Record<string, unknown>>;

/** @returns the document, whole; a line when it is none that is understood. @throws never */
export function readStatus(document: unknown): Status | string {
  const given = objectOf(document);
  if (typeof given['version'] !== 'number') return 'what it answers is no status document of gunicorn-otel';
  if (given['version'] !== 1) {
    return `its status document is of version ${given['version']}, and this gunicorn-otel reads version 1: update it`;
  }
  const omitted = objectOf(given['omitted']);
  const exporter = objectOf(given['exporter']);
  return {
    version: 1,
    atMs: amountOf(given['atMs']),
    windowSeconds: numberOf(given['windowSeconds']),
    startMs: amountOf(given['startMs']),
    service: nameOf(given['service']),
    packageVersion: nameOf(given['packageVersion']),
    nodeVersion: nameOf(given['nodeVersion']),
    health: given['health'] === 'ok' ? 'ok' : 'degraded',
    expectedWorkers: amountOf(given['expectedWorkers']),
    activeRequests: amountOf(given['activeRequests']),
    total: loadOf(objectOf(given['total'])),
    workers: listOf(given['workers']).map(workerOf),
    routes: listOf(given['routes']).map(routeOf),
    events: listOf(given['events']).map(eventOf),
    omitted: { workers: amountOf(omitted['workers']), routes: amountOf(omitted['routes']) },
    exporter: {
      scrapes: amountOf(exporter['scrapes']),
      scrapeErrors: amountOf(exporter['scrapeErrors']),
      lastScrapeSeconds: amountOf(exporter['lastScrapeSeconds']),
      series: amountOf(exporter['series']),
      snapshotErrors: amountsOf(exporter['snapshotErrors']),
      overflow: amountsOf(exporter['overflow']),
    },
  };
}

function workerOf(given: Given): WorkerStatus {
  return {
    ...loadOf(given),
    id: nameOf(given['id']),
    pid: amountOf(given['pid']),
    role: nameOf(given['role']),
    state: nameOf(given['state']),
    stateSinceSeconds: amountOf(given['stateSinceSeconds']),
    uptimeSeconds: amountOf(given['uptimeSeconds']),
    cpuPercent: numberOf(given['cpuPercent']),
    memoryBytes: numberOf(given['memoryBytes']),
    snapshotAgeSeconds: amountOf(given['snapshotAgeSeconds']),
  };
}

function routeOf(given: Given): RouteStatus {
  return { ...loadOf(given), method: nameOf(given['method']), route: nameOf(given['route']) };
}

function eventOf(given: Given): StatusEvent {
  return {
    atMs: amountOf(given['atMs']),
    // Newer versions may know more kinds: they are shown by their name.
    kind: nameOf(given['kind']) as StatusEvent['kind'],
    workerId: nameOf(given['workerId']),
    what: nameOf(given['what']),
  };
}

function loadOf(given: Given): Load {
  const duration = objectOf(given['durationSeconds']);
  return {
    requests: amountOf(given['requests']),
    failedRequests: amountOf(given['failedRequests']),
    requestsPerSecond: numberOf(given['requestsPerSecond']),
    failedRequestsPerSecond: numberOf(given['failedRequestsPerSecond']),
    durationSeconds: {
      p50: numberOf(duration['p50']),
      p95: numberOf(duration['p95']),
      p99: numberOf(duration['p99']),
    },
  };
}

function objectOf(value: unknown): Given {
  return typeof value === 'object' && value !== null ? (value as Given) : {};
}

function listOf(value: unknown): Given[] {
  return Array.isArray(value) ? value.map(objectOf) : [];
}

function amountsOf(value: unknown): Record<string, number> {
  return Object.fromEntries(Object.entries(objectOf(value)).map(([name, amount]) => [nameOf(name), amountOf(amount)]));
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
