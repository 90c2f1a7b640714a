/** Holds src/record/request-table.ts: every request is counted once, in cells that clients cannot multiply. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { cellOf } from '../src/aggregate/merge.ts';
import { RequestTable } from '../src/record/request-table.ts';
import { decodeSnapshot, encodeSnapshot } from '../src/snapshot/layout.ts';
import { SeriesTable } from '../src/snapshot/series-table.ts';
import { IDENTITY } from './arbitrary-tables.ts';

const SIZES = [1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304];
const REQUEST = {
  method: 'GET',
  path: '/',
  status: 200,
  errorType: '',
  seconds: 0.5,
  received: 0,
  sent: 100,
  route: undefined as string | undefined,
};

describe('a request', () => {
  it('is counted in the cell of its method, endpoint and status, in three histograms', () => {
    const { serve, cells } = recorder({ durationBuckets: [0.1, 1] });
    serve({ seconds: 0.5, received: 5000, sent: 2 ** 30 });
    assert.deepEqual(cells(), [
      {
        labels: { 'http.request.method': 'GET', 'http.route': '/', 'http.response.status_code': 200 },
        duration: [0.5, 0, 1, 0],
        received: [5000, 0, 0, 1, 0, 0, 0, 0, 0],
        sent: [2 ** 30, 0, 0, 0, 0, 0, 0, 0, 1],
      },
    ]);
  });

  it('falls into the bucket whose bound it equals, and above the last one into the last', () => {
    const { serve, cells } = recorder({ durationBuckets: [1, 2] });
    for (const seconds of [0, 1, 1.5, 2, 2.5]) serve({ seconds });
    for (const sent of SIZES) serve({ seconds: 0, sent });
    const [cell] = cells();
    assert.deepEqual(cell!.duration.slice(1), [2 + SIZES.length, 2, 1]);
    assert.deepEqual(cell!.sent.slice(1), [6, 1, 1, 1, 1, 1, 1, 0]);
  });

  it('with the same method, endpoint and status shares a cell, whatever its query and ids', () => {
    const { serve, cells } = recorder();
    for (const path of ['/users/1', '/users/2?x=1', '/users/2?y=/users/3', 'http://host/users/4?z']) serve({ path });
    assert.deepEqual(
      cells().map(({ labels }) => labels['http.route']),
      ['/users/:id'],
    );
  });

  it('of a method that nobody knows is one of _OTHER', () => {
    const { serve, cells, active } = recorder();
    for (const method of ['BREW', 'get', '', 'constructor', undefined]) serve({ method });
    assert.deepEqual(
      cells().map(({ labels }) => labels['http.request.method']),
      ['_OTHER'],
    );
    assert.deepEqual(active(), { _OTHER: 0 });
  });

  it('that was not found is unmatched, unless its endpoint is known', () => {
    const { serve, cells } = recorder();
    serve({ path: '/nothing', status: 404 });
    serve({ path: '/users/1', status: 200 });
    serve({ path: '/users/2', status: 404 });
    serve({ path: '/users/1', status: 404 });
    const routes = cells().map(({ labels, count }) => [
      labels['http.route'],
      labels['http.response.status_code'],
      count,
    ]);
    assert.deepEqual(routes, [
      ['unmatched', 404, 1],
      ['/users/:id', 200, 1],
      ['/users/:id', 404, 2],
    ]);
  });

  it('that its framework found no route for is unmatched like one that was not found, and takes no place', () => {
    const { serve, cells } = recorder({ maxEndpoints: 1 });
    serve({ path: '/nothing', status: 404 });
    serve({ path: '/nothing', status: 404, route: 'unmatched' });
    serve({ route: '/users/:id' });
    assert.deepEqual(
      cells().map(({ labels, count }) => [labels['http.route'], count]),
      [
        ['unmatched', 2],
        ['/users/:id', 1],
      ],
    );
  });

  it('failed by status has the status as its error, by anything else that, and no status when none was sent', () => {
    const { serve, cells } = recorder();
    serve({ status: 500 });
    serve({ status: 499 });
    serve({ status: 0, errorType: 'aborted' });
    serve({ status: 200, errorType: 'aborted' });
    serve({ status: 200 });
    serve({ status: 500, errorType: 'TypeError' });
    const told = cells().map(({ labels }) => [labels['http.response.status_code'], labels['error.type']]);
    assert.deepEqual(told, [
      [500, '500'],
      [499, undefined],
      [undefined, 'aborted'],
      [200, 'aborted'],
      [200, undefined],
      [500, 'TypeError'],
    ]);
  });

  it('of a route that the app has named is of that, whatever its path and whether it was found', () => {
    const { serve, cells, overflow } = recorder({ maxEndpoints: 2 });
    for (const path of ['/users/ann', '/users/bob?x', '/']) serve({ path, route: '/users/:name' });
    serve({ path: '/users/carl', status: 404, route: '/users/:name' });
    serve({ path: '/users/:name' });
    assert.deepEqual(
      cells().map(({ labels, count }) => [labels['http.route'], labels['http.response.status_code'], count]),
      [
        ['/users/:name', 200, 4],
        ['/users/:name', 404, 1],
      ],
    );
    assert.equal(overflow()['endpoint'], 0);
  });

  it('of a route that nobody should name so, or one too many, is of `other`, which is counted', () => {
    const { serve, cells, overflow } = recorder({ maxEndpoints: 2 });
    for (const route of ['r'.repeat(200), 'other', 'r'.repeat(201), '/b', '/one/too/many', '/and/more'])
      serve({ route });
    assert.deepEqual(
      cells().map(({ labels, count }) => [labels['http.route'], count]),
      [
        ['r'.repeat(200), 1],
        ['other', 4],
        ['/b', 1],
      ],
    );
    assert.equal(overflow()['endpoint'], 4);
  });

  it('is active from its beginning to its end', () => {
    const { table, active } = recorder();
    table.begin('GET');
    table.begin('GET');
    table.begin('POST');
    assert.deepEqual(active(), { GET: 2, POST: 1 });
    table.end('GET', '/', 200, '', 1, 0, 0);
    assert.deepEqual(active(), { GET: 1, POST: 1 });
  });

  it('is active also when its method is the one for which the table has to grow', () => {
    const values = new SeriesTable();
    const { table, active } = recorder({ table: values });
    const filler = values.define({ name: 'filler', description: '', unit: '', kind: 'counter', scope: 'app' });
    while (values.used < values.values.length) values.add(filler, {});
    table.begin('GET');
    assert.deepEqual(active(), { GET: 1 });
    table.end('GET', '/', 200, '', 1, 0, 0);
    assert.deepEqual(active(), { GET: 0 });
  });
});

describe('the cells of requests', () => {
  const requests = fc.array(
    fc.record({
      method: fc.constantFrom('GET', 'POST', 'BREW', undefined),
      path: fc.oneof(fc.webPath(), fc.constantFrom('/a', '/b', '/c/1', '/c/2', '/d?q'), fc.string()),
      status: fc.constantFrom(0, 200, 301, 404, 500, 999),
      errorType: fc.constantFrom('', '', 'aborted', 'TypeError'),
      seconds: fc.constantFrom(0, 0.25, 0.5, 100),
      received: fc.constantFrom(0, 1024, 1025),
      sent: fc.constantFrom(0, 2 ** 40),
    }),
    { maxLength: 150 },
  );

  it('hold as many requests, seconds and bytes as there were, whatever the caps', () => {
    const caps = fc.record({
      maxEndpoints: fc.integer({ min: 1, max: 5 }),
      maxSeries: fc.integer({ min: 1, max: 20 }),
    });
    fc.assert(
      fc.property(requests, caps, (requests, caps) => {
        const { serve, cells, active } = recorder(caps);
        for (const request of requests) serve(request);
        const total = (what: 'seconds' | 'received' | 'sent') => sum(requests.map((request) => request[what]));
        assert.equal(sum(cells().map(({ count }) => count)), requests.length);
        for (const histogram of ['duration', 'received', 'sent'] as const) {
          assert.equal(sum(cells().flatMap((cell) => cell[histogram].slice(1))), requests.length);
          assert.equal(
            sum(cells().map((cell) => cell[histogram][0]!)),
            total(histogram === 'duration' ? 'seconds' : histogram),
          );
        }
        assert.ok(Object.values(active()).every((count) => count === 0));
        assert.ok(cells().length <= caps.maxSeries + 1, 'the cap and its overflow');
        const routes = new Set(cells().map(({ labels }) => labels['http.route']));
        for (const allowed of ['other', 'unmatched', undefined]) routes.delete(allowed);
        assert.ok(routes.size <= caps.maxEndpoints);
        assert.equal(new Set(cells().map(({ labels }) => JSON.stringify(labels))).size, cells().length);
      }),
    );
  });

  it('beyond the cap of endpoints are the one of `other`, which is counted', () => {
    const { serve, cells, overflow } = recorder({ maxEndpoints: 2 });
    for (const path of ['/a', '/b', '/c', '/d', '/a', '/c']) serve({ path });
    assert.deepEqual(
      cells().map(({ labels, count }) => [labels['http.route'], count]),
      [
        ['/a', 2],
        ['/b', 1],
        ['other', 3],
      ],
    );
    assert.deepEqual(overflow(), { endpoint: 3, error_type: 0, 'http.server.request.duration': 0 });
  });

  it('beyond a hundred error types are of _OTHER, which is counted; the known ones stay what they are', () => {
    const { serve, cells, overflow } = recorder();
    for (let n = 0; n < 130; n += 1) serve({ errorType: `E${n}`, path: n % 2 === 0 ? '/a' : '/b' });
    for (const errorType of ['E0', 'E99', 'E100', '_OTHER']) serve({ errorType, path: '/a' });
    serve({ status: 503, path: '/a' });
    const counts = new Map<unknown, number>();
    for (const { labels, count } of cells()) {
      counts.set(labels['error.type'], (counts.get(labels['error.type']) ?? 0) + count);
    }
    assert.equal(counts.size, 100 + 2);
    assert.deepEqual(
      ['E0', 'E1', 'E99', 'E100', '_OTHER', '503'].map((errorType) => counts.get(errorType)),
      [2, 1, 2, undefined, 32, 1],
    );
    assert.deepEqual(overflow(), { endpoint: 0, error_type: 32, 'http.server.request.duration': 0 });
  });

  it('beyond the cap of series are one that says so, which is counted', () => {
    const { serve, cells, overflow } = recorder({ maxSeries: 2 });
    for (const status of [200, 201, 202, 203, 200, 203]) serve({ status });
    assert.deepEqual(
      cells().map(({ labels, count }) => [labels['http.response.status_code'] ?? labels, count]),
      [
        [200, 2],
        [201, 1],
        [{ 'otel.metric.overflow': true }, 3],
      ],
    );
    assert.deepEqual(overflow(), { endpoint: 0, error_type: 0, 'http.server.request.duration': 3 });
  });

  it('stay within bounds under 10,000 hostile paths and more, in number and in memory', () => {
    const { table, series, cells } = recorder({ maxEndpoints: 100 });
    const answer = (target: string, status: number) => {
      table.begin('GET');
      table.end('GET', target, status, '', 0, 0, 0);
    };
    // Scanners, proxies' clients, and ids of the app's own endpoint: each different from all before.
    const attack = (from: number, to: number) => {
      for (let n = from; n < to; n += 1) {
        answer(`/x${n}x/${'%'.repeat(n % 300)}`, n % 3 === 0 ? 404 : 200);
        answer(`http://${'h'.repeat(2000)}${n}/users/${n}?${n}`, 200);
      }
    };
    attack(0, 5000);
    const before = { used: series.used, lines: series.dictionary.length, heapBytes: heapBytes() };
    attack(5000, 20_000);
    // 200 and, where it was known before, 404 of each endpoint, `other` and `unmatched`.
    assert.ok(cells().length <= 2 * (100 + 2), `${cells().length} cells`);
    assert.ok(series.used - before.used <= 2 * 40, `${series.used - before.used} values for 30,000 more`);
    assert.ok(series.dictionary.length - before.lines <= 2);
    const grown = heapBytes() - before.heapBytes;
    assert.ok(grown < 8e6, `${grown} bytes for 30,000 more`);
  });
});

describe('an error on a connection', () => {
  it('is counted by its type, and takes no cell of requests', () => {
    const { table, cells, connectionErrors } = recorder();
    for (const errorType of ['HPE_INVALID_METHOD', 'ERR_SSL_HTTP_REQUEST', 'HPE_INVALID_METHOD']) {
      table.handled(errorType);
    }
    assert.deepEqual(connectionErrors(), { HPE_INVALID_METHOD: 2, ERR_SSL_HTTP_REQUEST: 1 });
    assert.deepEqual(cells(), []);
  });

  it('beyond a hundred types is one of _OTHER', () => {
    const { table, connectionErrors } = recorder();
    for (let n = 0; n < 110; n += 1) table.handled(`E${n}`);
    assert.equal(Object.keys(connectionErrors()).length, 101);
    assert.deepEqual([connectionErrors()['E99'], connectionErrors()['_OTHER']], [1, 10]);
  });
});

interface Options {
  table?: SeriesTable;
  durationBuckets?: number[];
  maxEndpoints?: number;
  maxSeries?: number;
}

function recorder(options: Options = {}) {
  const series = options.table ?? new SeriesTable();
  const table = new RequestTable({
    durationBuckets: [0.1, 1],
    maxEndpoints: 100,
    maxSeries: 2000,
    ...options,
    table: series,
  });
  const serve = (differing: { [K in keyof typeof REQUEST]?: (typeof REQUEST)[K] | undefined }) => {
    const { method, path, status, errorType, seconds, ...more } = { ...REQUEST, ...differing } as typeof REQUEST;
    table.begin(method);
    table.end(method, path, status, errorType, seconds, more.received, more.sent, more.route);
  };
  // Read the way the exporter reads it.
  const metric = (name: string) => {
    const { metrics, values } = decodeSnapshot(encodeSnapshot(IDENTITY, series, 0));
    const found = metrics.find(({ descriptor }) => descriptor.name === name)!;
    return found.series.map((entry) => ({
      labels: entry.attributes,
      bounds: found.descriptor.bounds,
      values: [...cellOf(found.descriptor, entry, values)!],
    }));
  };
  const cells = () =>
    metric('requests').map(({ labels, bounds, values }) => {
      const [duration, received, sent] = bounds!.map((list) => values.splice(0, list.length + 2));
      const cell = { labels, duration: duration!, received: received!, sent: sent! };
      // Not shown when a whole cell is compared.
      return Object.defineProperty(cell, 'count', { value: sum(duration!.slice(1)) }) as typeof cell & {
        count: number;
      };
    });
  const byLabel = (name: string, label: string): Record<string, number> =>
    Object.fromEntries(metric(name).map(({ labels, values }) => [String(labels[label]), values[0]!]));
  const active = () => byLabel('active_requests', 'http.request.method');
  const connectionErrors = () => byLabel('handled_errors', 'error.type');
  const overflow = () => byLabel('overflow', 'metric');
  return { table, series, serve, cells, active, overflow, connectionErrors };
}

function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return process.memoryUsage().heapUsed;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
