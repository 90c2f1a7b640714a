/** Whatever clients send, and whatever an app makes of it: series, memory and scrapes stay within their caps. */
import assert from 'node:assert/strict';
import { METHODS } from 'node:http';
import test, { type TestContext } from 'node:test';
import { parseExposition, type Sample, select, sum } from './exposition.ts';
import { connections, pipeline, word } from './hostile-client.ts';
import { type Cluster, startCluster, until } from './processes.ts';
import { COUNT } from './request-count.ts';
import { request } from './requests.ts';

const APP = 'believes-its-clients.mjs';
const MANY = 10_000;
const FAILED = 'gunicorn_worker_failed_requests_total';
const HANDLED = 'gunicorn_worker_error_handling_total';
const OVERFLOW = 'gunicorn_exporter_overflow_total';
const MAX_ENDPOINTS = 100;
const MAX_ERROR_TYPES = 100;
// Cells of the product of all labels in the last test, and lines of each: three histograms by group, four families by worker.
const MAX_SERIES = 200;
// Of what is kept of each of 20,000 requests there would be more; an interpreter that warms up keeps less.
const MEMORY_BOUND_BYTES = 2 ** 20;
// A hundred endpoints, by group and by worker, of which each has three histograms.
const SCRAPE_BOUND_BYTES = 3 * 2 ** 20;

test('ten thousand different paths are a hundred endpoints and one for the others', async (t) => {
  const cluster = await started(t);
  const { samples } = await flood(cluster, COUNT, (first) =>
    pipeline(cluster.port, MANY, (n) => `GET /${encodeURIComponent(word(first + n))} HTTP/1.1`),
  );
  atMost(samples, COUNT, 'http_route', MAX_ENDPOINTS, 'other');
  atMost(samples, 'gunicorn_worker_requests_total', 'endpoint', MAX_ENDPOINTS, 'other');
  assert.ok(sum(samples, OVERFLOW, { metric: 'endpoint' }) >= sum(samples, COUNT) - MAX_ENDPOINTS);
});

test('ten thousand routes that the app takes from its clients are no more than that', async (t) => {
  const cluster = await started(t);
  const { samples } = await flood(cluster, COUNT, (first) =>
    pipeline(cluster.port, MANY, (n) => `GET /route/${encodeURIComponent(word(first + n))} HTTP/1.1`),
  );
  atMost(samples, COUNT, 'http_route', MAX_ENDPOINTS, 'other');
  atMost(samples, 'gunicorn_worker_requests_total', 'endpoint', MAX_ENDPOINTS, 'other');
  assert.ok(sum(samples, OVERFLOW, { metric: 'endpoint' }) >= sum(samples, COUNT) - MAX_ENDPOINTS);
});

test('ten thousand different errors are a hundred error types and one for the others', async (t) => {
  const cluster = await started(t);
  const { samples } = await flood(cluster, FAILED, (first) =>
    pipeline(cluster.port, MANY, (n) => `GET /error/${encodeURIComponent(word(first + n))} HTTP/1.1`),
  );
  for (const name of [COUNT, FAILED, HANDLED]) atMost(samples, name, 'error_type', MAX_ERROR_TYPES, '_OTHER');
  assert.equal(sum(samples, HANDLED), sum(samples, FAILED));
});

test('ten thousand methods that nobody knows are one error, counted each time', async (t) => {
  const cluster = await started(t);
  const { samples } = await flood(cluster, HANDLED, (first) =>
    connections(cluster.port, MANY / 2, (n) => `X${word(first + n).toUpperCase()} / HTTP/1.1\r\nHost: test\r\n\r\n`),
  );
  const unknown = { method: 'UNKNOWN', endpoint: 'UNKNOWN', error_type: 'HPE_INVALID_METHOD' };
  assert.equal(sum(samples, HANDLED, unknown), sum(samples, HANDLED));
  assert.equal(select(samples, HANDLED).length, 1);
  assert.equal(sum(samples, COUNT), 0);
});

test('ten thousand header values, and every method that Node knows, make no series of their own', async (t) => {
  const cluster = await started(t);
  const known = METHODS.filter((method) => !['CONNECT', 'HEAD'].includes(method));
  const { samples } = await flood(cluster, COUNT, (first) =>
    pipeline(cluster.port, MANY, (n) => {
      const value = encodeURIComponent(word(first + n));
      return `${known[n % known.length]} / HTTP/1.1\r\nX-${value.replace(/\W/g, '')}: ${value}\r\nCookie: ${value}=1\r\nContent-Length: 0`;
    }),
  );
  const methods = new Set(select(samples, COUNT).map(({ labels }) => labels['http_request_method']));
  assert.ok(methods.has('_OTHER') && methods.size <= 11, [...methods].join());
  assert.equal(select(samples, COUNT).length, methods.size);
});

test('every combination of all of it is a capped number of series, in a scrape of a bounded size', async (t) => {
  const cluster = await started(t, { GUNICORN_OTEL_MAX_SERIES: String(MAX_SERIES) });
  const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'PURGE'];
  const { samples } = await flood(cluster, COUNT, (first) =>
    pipeline(cluster.port, MANY, (n) => {
      const error = n % 3 ? encodeURIComponent(word(first + n)) : '';
      const path = `/all/${encodeURIComponent(word(first + (n % 97)))}/${error}/${200 + (n % 400)}`;
      return `${methods[n % methods.length]} ${path} HTTP/1.1\r\nContent-Length: 0`;
    }),
  );
  for (const name of [COUNT, 'gunicorn_worker_requests_total', FAILED, HANDLED]) {
    assert.ok(select(samples, name).length <= MAX_SERIES + 1, `${name}: ${select(samples, name).length} series`);
  }
  assert.ok(sum(samples, COUNT, { otel_metric_overflow: 'true' }) > 0);
  assert.ok(sum(samples, OVERFLOW, { metric: 'http.server.request.duration' }) > 0);
  assert.equal(sum(samples, 'gunicorn_worker_requests_total'), sum(samples, COUNT));
});

// One worker, apart from the exporter, so that its memory is what it keeps of its clients.
function started(t: TestContext, env: Record<string, string> = {}): Promise<Cluster> {
  return startCluster(t, APP, 1, { env: { GUNICORN_OTEL_LABELS: 'detailed', ...env } });
}

// Lets the client do it three times, each time with other words; memory and size are after the third what they were
// after the first, and nothing that happened is left out of the totals.
async function flood(cluster: Cluster, name: string, attack: (first: number) => Promise<void>) {
  let total = 0;
  const round = async (index: number) => {
    await attack(index * MANY);
    const text = await until(async () => {
      const { body } = await request(await cluster.metricsUrl());
      const counted = sum(parseExposition(body), name);
      const settled = counted > total && counted % (MANY / 2) === 0;
      if (settled) total = counted;
      return settled && body;
    }, `all of round ${index} in ${name}`);
    return { samples: parseExposition(text), sizeBytes: text.length, memoryBytes: await heldBytes(cluster) };
  };
  const first = await round(0);
  await round(1);
  const third = await round(2);
  assert.ok(third.sizeBytes < SCRAPE_BOUND_BYTES, `a scrape of ${third.sizeBytes} bytes`);
  assert.ok(third.sizeBytes < 1.1 * first.sizeBytes, `${third.sizeBytes} bytes after ${first.sizeBytes}`);
  assert.equal(third.samples.length, first.samples.length, 'as many series as before');
  const grown = third.memoryBytes - first.memoryBytes;
  assert.ok(grown < MEMORY_BOUND_BYTES, `the worker's memory has grown by ${grown} bytes`);
  return third;
}

// What the worker holds when all garbage is gone.
async function heldBytes(cluster: Cluster): Promise<number> {
  const held = () => [...cluster.output.stdout.matchAll(/^holds (\d+) bytes$/gm)].map(([, bytes]) => Number(bytes));
  const asked = held().length;
  for (const pid of cluster.workers().values()) process.kill(pid, 'SIGUSR2');
  await until(() => held().length > asked, 'what the worker holds');
  return held().at(-1)!;
}

// At most so many values of a label besides the one for the rest, which is among them.
function atMost(samples: Sample[], name: string, label: string, cap: number, rest: string): void {
  const values = new Set(select(samples, name).map(({ labels }) => labels[label] ?? ''));
  assert.ok(values.delete(rest), `${rest} is among the ${values.size} of ${label} in ${name}`);
  values.delete('unmatched');
  assert.ok(values.size > 0 && values.size <= cap, `${values.size} values of ${label} in ${name}`);
}
