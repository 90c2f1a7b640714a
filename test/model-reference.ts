/**
 * What a scrape of a group must show, worked out from docs/architecture.md and docs/metrics.md alone: a list of facts per
 * process, of which some are published, added up anew for each scrape. Nothing in here knows how the package does it.
 */
import { DURATION_BOUNDS, type Instrument, type Labels, type Request, SIZE_BOUNDS } from './model-shop.ts';

/** Something that a process has measured. */
export type Fact =
  | { readonly what: 'recorded'; readonly on: Instrument; readonly labels: Labels; readonly value: number }
  | { readonly what: 'begun'; readonly method: string }
  | { readonly what: 'ended'; readonly request: Request };

/** A process or thread as the model has it. */
export interface Modelled {
  readonly workerId: string;
  /** Its id comes back with a successor. */
  readonly lasting: boolean;
  /** In order; `published` of them are known to others. */
  readonly facts: (Fact & { readonly order: number })[];
  published: number;
  /** Counts all publications of a history: who wrote last. */
  publishedOrder: number;
  alive: boolean;
  /** When the exporter of the time has first seen it dead. */
  noticedAtMs?: number | undefined;
  /** In the totals: no more shown by itself. */
  folded: boolean;
}

/** What the settings of the same names say. */
export interface ReferenceOptions {
  readonly labels: 'standard' | 'detailed';
  readonly retentionMs: number;
  readonly maxExited: number;
}

type Sum = (labels: Labels, value: number) => void;

/** Who is to be shown: call it with each scrape, before `samplesOf`. */
export function notice(members: readonly Modelled[], nowMs: number, options: ReferenceOptions): void {
  for (const member of members) if (!member.alive) member.noticedAtMs ??= nowMs;
  const exited = members.filter(({ alive, folded }) => !alive && !folded);
  exited.sort((a, b) => b.noticedAtMs! - a.noticedAtMs! || b.publishedOrder - a.publishedOrder);
  exited.forEach((member, i) => {
    if (i >= options.maxExited || nowMs - member.noticedAtMs! >= options.retentionMs) member.folded = true;
  });
}

/** Every sample of the families that the model knows, by seriesOf. */
export function samplesOf(members: readonly Modelled[], { labels }: ReferenceOptions): Map<string, number> {
  const samples = new Map<string, number>();
  const living = members.filter(({ alive }) => alive);
  const retained = members.filter(({ folded }) => !folded);
  addInstruments(samples, members, living, retained);
  addGroupRequests(samples, members, living);
  for (const { workerId } of living) samples.set(seriesOf('gunicorn_worker_state', { worker_id: workerId }), 1);
  for (const member of members.filter(({ folded, lasting }) => !folded || lasting)) {
    addWorkerRequests(samples, member, labels === 'detailed');
  }
  return samples;
}

/** One text for a sample's name and labels. */
export function seriesOf(name: string, labels: Labels): string {
  return `${name}${JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)))}`;
}

function addInstruments(
  samples: Map<string, number>,
  members: readonly Modelled[],
  living: readonly Modelled[],
  retained: readonly Modelled[],
): void {
  for (const { on, labels, value } of recordings(members)) {
    if (on.kind === 'counter') adder(samples, on.family)(labels, value);
    if (on.kind === 'histogram') observe(samples, on.family, on.bounds!, labels, value);
  }
  for (const { on, labels, value } of recordings(living)) {
    if (on.kind === 'updowncounter') adder(samples, on.family)(labels, value);
  }
  for (const { on, labels, last } of gauges(retained)) {
    const live = on.mode!.startsWith('live');
    const shown = last.filter(({ alive }) => alive || !live);
    if (shown.length > 0) COMBINE[on.mode!.replace('live', '')]!(samples, on.family, labels, shown);
  }
}

interface Last {
  readonly workerId: string;
  readonly alive: boolean;
  readonly value: number;
  readonly order: number;
}

type Combine = (samples: Map<string, number>, family: string, labels: Labels, last: readonly Last[]) => void;

const COMBINE: Readonly<Record<string, Combine>> = {
  all: (samples, family, labels, last) => {
    // An id that comes back may stand for a dead one and its successor: what was set last holds.
    for (const { workerId, value } of [...last].sort((a, b) => a.order - b.order)) {
      samples.set(seriesOf(family, { ...labels, worker_id: workerId }), value);
    }
  },
  min: one((last) => Math.min(...last.map(({ value }) => value))),
  max: one((last) => Math.max(...last.map(({ value }) => value))),
  sum: one((last) => last.reduce((sum, { value }) => sum + value, 0)),
  mostrecent: one((last) => last.reduce((a, b) => (b.order > a.order ? b : a)).value),
};

function one(combine: (last: readonly Last[]) => number): Combine {
  return (samples, family, labels, last) => samples.set(seriesOf(family, labels), combine(last));
}

function* recordings(members: readonly Modelled[]) {
  for (const fact of published(members)) if (fact.what === 'recorded') yield fact;
}

// The last that each of them has set, by gauge and labels.
function gauges(members: readonly Modelled[]): { on: Instrument; labels: Labels; last: Last[] }[] {
  const found = new Map<string, { on: Instrument; labels: Labels; last: Last[] }>();
  for (const member of members) {
    const own = new Map<string, Fact & { what: 'recorded'; order: number }>();
    for (const fact of recordings([member])) {
      if (fact.on.kind === 'gauge') own.set(seriesOf(fact.on.family, fact.labels), { ...fact });
    }
    for (const [series, { on, labels, value, order }] of own) {
      const entry = found.get(series) ?? { on, labels, last: [] };
      entry.last.push({ workerId: member.workerId, alive: member.alive, value, order });
      found.set(series, entry);
    }
  }
  return [...found.values()];
}

function addGroupRequests(
  samples: Map<string, number>,
  members: readonly Modelled[],
  living: readonly Modelled[],
): void {
  for (const { request } of requests(members)) {
    const error = errorOf(request);
    const labels = {
      http_request_method: request.method,
      http_route: request.path,
      http_response_status_code: String(request.status),
      ...(error !== '' && { error_type: error }),
    };
    observeRequest(samples, ['http_server', 'http_server_request_body', 'http_server_response_body'], labels, request);
  }
  for (const fact of published(living)) {
    if (fact.what === 'recorded') continue;
    const method = fact.what === 'begun' ? fact.method : fact.request.method;
    adder(samples, 'http_server_active_requests')({ http_request_method: method }, fact.what === 'begun' ? 1 : -1);
  }
}

function addWorkerRequests(samples: Map<string, number>, member: Modelled, detailed: boolean): void {
  const { workerId } = member;
  const families = ['gunicorn_worker', 'gunicorn_worker_request', 'gunicorn_worker_response'] as const;
  if (!detailed) {
    adder(samples, 'gunicorn_worker_requests_total')({ worker_id: workerId }, 0);
    observeRequest(samples, families, { worker_id: workerId }, undefined);
  }
  for (const { request } of requests([member])) {
    const where = { method: request.method, endpoint: request.path };
    const labels = { worker_id: workerId, ...(detailed && where) };
    adder(samples, 'gunicorn_worker_requests_total')(labels, 1);
    observeRequest(samples, families, labels, request);
    const error = errorOf(request);
    if (error === '') continue;
    for (const family of ['gunicorn_worker_failed_requests_total', 'gunicorn_worker_error_handling_total']) {
      adder(samples, family)({ worker_id: workerId, ...where, error_type: error }, 1);
    }
  }
}

function observeRequest(
  samples: Map<string, number>,
  [duration, requestSize, responseSize]: readonly string[],
  labels: Labels,
  request: Request | undefined,
): void {
  observe(samples, `${duration}_request_duration_seconds`, DURATION_BOUNDS, labels, request?.seconds);
  observe(samples, `${requestSize}_size_bytes`, SIZE_BOUNDS, labels, request?.requestBytes);
  observe(samples, `${responseSize}_size_bytes`, SIZE_BOUNDS, labels, request?.responseBytes);
}

function* requests(members: readonly Modelled[]) {
  for (const fact of published(members)) if (fact.what === 'ended') yield fact;
}

function* published(members: readonly Modelled[]) {
  for (const { facts, published } of members) yield* facts.slice(0, published);
}

function errorOf({ status, error }: Request): string {
  return error || (status >= 500 ? String(status) : '');
}

// With no value: the series are there, at 0.
function observe(
  samples: Map<string, number>,
  family: string,
  bounds: readonly number[],
  labels: Labels,
  value: number | undefined,
): void {
  for (const bound of [...bounds, Number.POSITIVE_INFINITY]) {
    const le = bound === Number.POSITIVE_INFINITY ? '+Inf' : String(bound);
    adder(samples, `${family}_bucket`)({ ...labels, le }, value !== undefined && value <= bound ? 1 : 0);
  }
  adder(samples, `${family}_count`)(labels, value === undefined ? 0 : 1);
  adder(samples, `${family}_sum`)(labels, value ?? 0);
}

function adder(samples: Map<string, number>, name: string): Sum {
  return (labels, value) => {
    const series = seriesOf(name, labels);
    samples.set(series, (samples.get(series) ?? 0) + value);
  };
}
