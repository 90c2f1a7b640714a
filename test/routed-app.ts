/** Sends an app each request of a table, and holds what is counted against it: every series, and no other. */
import assert from 'node:assert/strict';
import type { OutgoingHttpHeaders } from 'node:http';
import { type Sample, select } from './exposition.ts';
import { type Owner, type Running, type StartOptions, startApp, until } from './processes.ts';
import { COUNT, get, settled } from './request-count.ts';
import { connect, request } from './requests.ts';

/** A request, how it ends, and as what it is to be counted. */
export interface Routed {
  readonly path: string;
  /** GET unless told. */
  readonly method?: string;
  readonly headers?: OutgoingHttpHeaders;
  /** `aborted`: the app says `hangs`, and the client leaves. */
  readonly status: number | 'aborted';
  readonly route: string;
  /** `error_type`; that of the status unless told. */
  readonly error?: string;
}

/**
 * Sends them one after another, and compares the sums over the group and the worker's own.
 *
 * @param app - a fixture, or an absolute path; it says `hangs` when a handler waits for ever
 * @returns the app, still running
 */
export async function countsRoutes(
  owner: Owner,
  app: string,
  options: StartOptions,
  table: readonly Routed[],
): Promise<Running> {
  const env = { GUNICORN_OTEL_LABELS: 'detailed', ...options.env };
  const running = await startApp(owner, app, { ...options, env });
  const url = `http://127.0.0.1:${running.port}`;
  for (const { path, method = 'GET', headers, status } of table) {
    if (status !== 'aborted') {
      const answer = await request(url + path, { method, ...(headers && { headers }) });
      assert.equal(answer.status, status, `${method} ${path}: ${answer.body}`);
      continue;
    }
    const hanging = () => running.output.stdout.match(/^hangs$/gm)?.length ?? 0;
    const before = hanging();
    const { socket } = await connect(running.port, get(path));
    await until(() => hanging() > before, `${path} hangs`);
    socket.destroy();
  }
  const samples = await settled(running, table.length);
  const told = table.map(({ method = 'GET', route, status, error }) => {
    const failure = status === 'aborted' ? 'aborted' : status >= 500 ? String(status) : '';
    return { method, route, status: status === 'aborted' ? '' : String(status), error: error ?? failure };
  });
  assert.deepEqual(
    counts(samples, COUNT, ['http_request_method', 'http_route', 'http_response_status_code', 'error_type']),
    tally(told.map(({ method, route, status, error }) => [method, route, status, error])),
  );
  assert.deepEqual(
    counts(samples, 'gunicorn_worker_requests_total', ['method', 'endpoint']),
    tally(told.map(({ method, route }) => [method, route])),
  );
  assert.deepEqual(
    counts(samples, 'gunicorn_worker_failed_requests_total', ['method', 'endpoint', 'error_type']),
    tally(told.flatMap(({ method, route, error }) => (error === '' ? [] : [[method, route, error]]))),
  );
  return running;
}

function counts(samples: Sample[], name: string, labels: string[]): Record<string, number> {
  const counted = select(samples, name).filter(({ value }) => value > 0);
  return sorted(counted.map((sample) => [labels.map((label) => sample.labels[label] ?? '').join(' '), sample.value]));
}

function tally(rows: string[][]): Record<string, number> {
  const times = new Map<string, number>();
  for (const row of rows) times.set(row.join(' '), (times.get(row.join(' ')) ?? 0) + 1);
  return sorted([...times]);
}

function sorted(entries: [string, number][]): Record<string, number> {
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}
