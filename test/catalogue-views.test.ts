/** Holds src/catalogue/views.ts: every documented metric as the catalogue tells it, and one whole scrape, byte for byte. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Point } from '../src/catalogue/families.ts';
import { METRICS } from '../src/catalogue/metrics.ts';
import { project } from '../src/catalogue/views.ts';
import { Exits } from '../src/record/exits.ts';
import { Failures } from '../src/record/failures.ts';
import { Signals } from '../src/record/signals.ts';
import { setLogLevel } from '../src/report.ts';
import { EXIT_CAUSES } from '../src/snapshot/exit-events.ts';
import { SeriesTable } from '../src/snapshot/series-table.ts';
import { parseExposition, type Sample, select, sum } from './exposition.ts';
import { parseOpenMetrics } from './openmetrics.ts';
import {
  EXPORTER,
  type MemberOfScene,
  measure,
  NOW_MONOTONIC_MS,
  NOW_MS,
  openMetricsOf,
  type Request,
  sceneOf,
  serve,
  textOf,
  VIEW_OPTIONS,
} from './scenes.ts';

// Failures are counted for the golden scrape, and say so.
setLogLevel('none');

const GOLDEN = new URL('../../test/golden/scrape.txt', import.meta.url);
const OPENMETRICS_GOLDEN = new URL('../../test/golden/scrape.openmetrics.txt', import.meta.url);
const LABELS = ['standard', 'detailed'] as const;
const HISTOGRAM_SAMPLE = /_(?:bucket|sum|count)$/;

describe('the catalogue', () => {
  for (const labels of LABELS) {
    it(`has each row in a scrape once, in its order, with its type and its ${labels} labels`, async () => {
      const text = await textOf(fullScene(), labels);
      const families = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => ({ name, type }));
      const rows = METRICS.map(({ name, type }) => ({ name, type }));
      assert.deepEqual(
        families.filter(({ name }) => rows.some((row) => row.name === name)),
        rows,
      );
      const samples = parseExposition(text);
      for (const row of METRICS) {
        const own = samplesOf(samples, row.name, row.type);
        assert.ok(own.length > 0, `${row.name} has samples here`);
        const given = new Set(own.flatMap((sample) => Object.keys(sample.labels)).filter((label) => label !== 'le'));
        const documented = [...row.labels, ...(labels === 'detailed' ? (row.detailedLabels ?? []) : [])];
        assert.deepEqual([...given].sort(), [...documented].sort(), row.name);
      }
    });
  }

  it('names its metrics by the rules that Prometheus has for names', () => {
    for (const { name, type, unit, labels, detailedLabels = [], help } of METRICS) {
      assert.match(name, /^[a-z][a-z0-9_]*$/);
      assert.equal(type === 'counter', name.endsWith('_total'), name);
      assert.ok(unit === '' || name.replace(/_total$/, '').endsWith(`_${unit}`), `${name} ends in ${unit}`);
      assert.doesNotMatch(name, HISTOGRAM_SAMPLE);
      assert.match(help, /^[A-Z].*\.$/);
      const all = [...labels, ...detailedLabels];
      assert.equal(new Set(all).size, all.length);
      for (const label of all) assert.match(label, /^[a-z][a-z0-9_]*$/);
    }
    assert.equal(new Set(METRICS.map(({ name }) => name)).size, METRICS.length);
  });
});

describe('a scrape', () => {
  it('of fixed snapshots is the golden one, byte for byte', async () => {
    const text = (await textOf(fullScene())).replaceAll(process.version, 'v0.0.0');
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(GOLDEN, text);
    assert.equal(text, readFileSync(GOLDEN, 'utf8'));
  });

  it('of the same snapshots as OpenMetrics is the golden one, and what its specification allows', async () => {
    const text = (await openMetricsOf(fullScene())).replaceAll(process.version, 'v0.0.0');
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(OPENMETRICS_GOLDEN, text);
    assert.equal(text, readFileSync(OPENMETRICS_GOLDEN, 'utf8'));
    parseOpenMetrics(text);
  });

  it('of a group without members has every family all the same, and no sample of a worker', async () => {
    const text = await textOf(sceneOf([]));
    assert.equal(text.match(/^# TYPE /gm)!.length, METRICS.length + 1);
    assert.ok(parseExposition(text).every(({ labels }) => !('worker_id' in labels)));
  });

  it('begins every counter and histogram of a worker at 0, before its first request', async () => {
    const samples = parseExposition(await textOf(sceneOf([{ table: serve([]), workerId: 'w' }])));
    for (const { name, type, labels, source } of METRICS) {
      // Which errors there may be nobody knows before.
      if (source.from !== 'requests' || !labels.includes('worker_id') || source.only === 'failed') continue;
      const own = samplesOf(samples, name, type);
      assert.ok(own.length > 0 && own.every(({ value }) => value === 0), name);
    }
  });

  it('says when each sample was taken and since when it counts', () => {
    const scene = sceneOf([{ table: serve([{}]) }], { startMs: 1_600_000_000_250, nowMs: NOW_MS + 1 });
    for (const { dataPoints } of project(scene, EXPORTER, { ...VIEW_OPTIONS })) {
      for (const { startTime, endTime } of dataPoints) {
        assert.deepEqual(startTime, [1_600_000_000, 250_000_000]);
        assert.deepEqual(endTime, [NOW_MS / 1000, 1_000_000]);
      }
    }
  });

  it('makes families one by one for who lets them pass, each anew when it has its turn', () => {
    const asked: string[] = [];
    const goOn = (metric: string, points: readonly Point[]) => {
      asked.push(metric);
      return [...points];
    };
    const counters = METRICS.filter(({ type, source }) => type === 'counter' && source.from === 'exporter');
    const metrics = project(sceneOf([]), { ...EXPORTER, goOn }, VIEW_OPTIONS, 'passing');
    for (const round of [1, 2]) {
      const passed: string[] = [];
      assert.deepEqual(asked.splice(0), [], `before round ${round}`);
      for (const { descriptor } of metrics) {
        if (counters.some(({ name }) => name === descriptor.name)) passed.push(descriptor.name);
        assert.deepEqual(asked, passed);
      }
      assert.deepEqual(
        asked.splice(0),
        counters.map(({ name }) => name),
      );
    }
  });

  it('leaves the snapshots that it was made from as they were: the next one shows the same', async () => {
    const scene = fullScene();
    assert.equal(await textOf(scene, 'detailed'), await textOf(scene, 'detailed'));
    assert.equal(await textOf(scene), await textOf(fullScene()));
  });
});

describe('request metrics', () => {
  const requests = fc.array(
    fc.record({
      method: fc.constantFrom('GET', 'POST', 'BREW'),
      path: fc.constantFrom('/', '/users/1', '/users/2', '/"quoted"\\', '/nowhere'),
      status: fc.constantFrom(0, 200, 404, 503),
      errorType: fc.constantFrom('', 'aborted', 'TypeError'),
      seconds: fc.constantFrom(0.0625, 0.5, 4),
      requestBytes: fc.constantFrom(0, 2048),
      responseBytes: fc.constantFrom(0, 1e6),
    }),
    { maxLength: 30 },
  );

  it('of a worker tell the same number everywhere, and the group the sum of its workers', async () => {
    const groups = fc.array(fc.record({ requests, alive: fc.boolean() }), { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(groups, fc.constantFrom(...LABELS), async (group, labels) => {
        const members = group.map(({ requests, alive }, i) => ({ table: serve(requests), alive, workerId: `w${i}` }));
        const samples = parseExposition(await textOf(sceneOf(members), labels));
        for (const [i, { requests }] of group.entries()) {
          const worker_id = `w${i}`;
          assert.equal(sum(samples, 'gunicorn_worker_requests_total', { worker_id }), requests.length);
          const durations = 'gunicorn_worker_request_duration_seconds';
          assert.equal(sum(samples, `${durations}_count`, { worker_id }), requests.length);
          assert.equal(sum(samples, `${durations}_bucket`, { worker_id, le: '+Inf' }), requests.length);
          assert.equal(sum(samples, `${durations}_sum`, { worker_id }), total(requests, 'seconds'));
          const received = 'gunicorn_worker_request_size_bytes_sum';
          assert.equal(sum(samples, received, { worker_id }), total(requests, 'requestBytes'));
          const sent = 'gunicorn_worker_response_size_bytes_sum';
          assert.equal(sum(samples, sent, { worker_id }), total(requests, 'responseBytes'));
        }
        const all = group.flatMap(({ requests }) => requests);
        assert.equal(sum(samples, 'http_server_request_duration_seconds_count'), all.length);
        assert.equal(sum(samples, 'http_server_request_body_size_bytes_sum'), total(all, 'requestBytes'));
        assert.equal(sum(samples, 'http_server_response_body_size_bytes_sum'), total(all, 'responseBytes'));
        const failed = all.filter(({ errorType, status }) => errorType !== '' || status >= 500);
        const shown = select(samples, 'http_server_request_duration_seconds_count');
        const withError = shown.filter(({ labels }) => labels['error_type']);
        assert.equal(
          withError.reduce((sum, { value }) => sum + value, 0),
          failed.length,
        );
      }),
      { numRuns: 60 },
    );
  });

  it('tell method and endpoint of each worker when they are asked to', async () => {
    const table = serve([
      { path: '/users/1' },
      { path: '/users/2' },
      { method: 'POST', path: '/users/3', status: 500 },
    ]);
    const samples = parseExposition(await textOf(sceneOf([{ table, workerId: 'w' }]), 'detailed'));
    assert.deepEqual(
      select(samples, 'gunicorn_worker_requests_total').map(({ labels, value }) => [labels, value]),
      [
        [{ worker_id: 'w', method: 'GET', endpoint: '/users/:id' }, 2],
        [{ worker_id: 'w', method: 'POST', endpoint: '/users/:id' }, 1],
      ],
    );
  });

  it('of processes with different buckets are one series all the same, no bucket too full, +Inf exact', async () => {
    const bounds = fc.uniqueArray(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 5 });
    const seconds = fc.array(fc.integer({ min: 0, max: 25 }), { maxLength: 20 });
    const processes = fc.array(fc.record({ bounds, seconds, alive: fc.boolean() }), { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(processes, async (group) => {
        // Workers that were started with other GUNICORN_OTEL_DURATION_BUCKETS than the ones before them.
        const members = group.map(({ bounds, seconds, alive }) => {
          const durationBuckets = bounds.sort((a, b) => a - b);
          return {
            table: serve(
              seconds.map((seconds) => ({ seconds })),
              { durationBuckets },
            ),
            alive,
          };
        });
        const samples = parseExposition(await textOf(sceneOf(members)));
        const all = group.flatMap(({ seconds }) => seconds);
        const family = 'http_server_request_duration_seconds';
        assert.equal(sum(samples, `${family}_count`), all.length);
        assert.equal(
          sum(samples, `${family}_sum`),
          all.reduce((total, value) => total + value, 0),
        );
        let last = 0;
        for (const { labels, value } of select(samples, `${family}_bucket`)) {
          const bound = Number(labels['le']!.replace('+Inf', 'Infinity'));
          assert.ok(value >= last && value <= all.filter((duration) => duration <= bound).length);
          if (bound === Number.POSITIVE_INFINITY) assert.equal(value, all.length);
          last = value;
        }
      }),
      { numRuns: 50 },
    );
  });
});

describe('what is told of a worker', () => {
  const names = METRICS.filter(({ source }) => source.from === 'worker').map(({ name }) => name);

  it('is told once per living worker, and of no exited one, whose counters stay', async () => {
    const scene = sceneOf([
      { table: serve([{}]), workerId: 'alive' },
      { table: serve([{}, {}]), workerId: 'dead', alive: false },
    ]);
    const samples = parseExposition(await textOf(scene));
    for (const name of names) {
      assert.deepEqual(
        select(samples, name).map(({ labels }) => labels['worker_id']),
        ['alive'],
        name,
      );
    }
    assert.equal(sum(samples, 'gunicorn_worker_requests_total', { worker_id: 'dead' }), 2);
  });

  it('is its memory, its CPU, its age, its state, and how fresh its word is', async () => {
    const scene = sceneOf([{ table: serve([]), workerId: 'w', pid: 7, startSeconds: NOW_MS / 1000 - 60, agoMs: 1500 }]);
    const samples = parseExposition(await textOf(scene));
    assert.deepEqual(
      names.map((name) => select(samples, name).map(({ labels, value }) => [labels, value])),
      [
        [[{ worker_id: 'w' }, 7 * 1024]],
        [[{ worker_id: 'w' }, 12.5]],
        [[{ worker_id: 'w' }, 60]],
        [[{ worker_id: 'w', state: 'running', timestamp: String(NOW_MS / 1000 - 60) }, 1]],
        [[{ worker_id: 'w' }, 1.5]],
      ],
    );
  });

  it('is not made up for a process whose memory cannot be read', async () => {
    const samples = parseExposition(await textOf(sceneOf([{ table: serve([]) }], { resources: new Map() })));
    assert.deepEqual(select(samples, 'gunicorn_worker_memory_bytes'), []);
    assert.equal(select(samples, 'gunicorn_worker_uptime_seconds').length, 1);
  });

  it('is never negative, though clocks are set back', async () => {
    const ahead = { table: serve([]), startSeconds: NOW_MS / 1000 + 5, agoMs: -5000 };
    const samples = parseExposition(await textOf(sceneOf([ahead])));
    for (const name of ['gunicorn_worker_uptime_seconds', 'gunicorn_exporter_snapshot_age_seconds']) {
      assert.equal(sum(samples, name), 0);
    }
  });
});

/** A moment in which every documented metric has a sample: two workers, one exited, one primary, failures and overflow. */
function fullScene() {
  const first = serve([
    { path: '/' },
    { path: '/users/1', seconds: 0.5 },
    { path: '/users/2', seconds: 4, responseBytes: 5000 },
    { method: 'POST', path: '/upload', status: 503, requestBytes: 1e9 },
    { path: '/slow', errorType: 'aborted', status: 0 },
    { path: '/wp-login.php', status: 404 },
  ]);
  measure(first, {
    name: 'jobs.done',
    unit: '{job}',
    description: 'Jobs done.',
    attributes: { queue: 'a"b\\c\n☃' },
    cell: [3],
  });
  measure(first, { name: 'job.duration', unit: 's', kind: 'histogram', bounds: [[0.5, 1]], cell: [2.25, 1, 0, 2] });
  measure(first, { name: 'queue.depth', kind: 'updowncounter', cell: [4] });
  measure(first, { name: 'pool.size', kind: 'gauge', attributes: { 'pool.name': 'db' }, cell: [8, NOW_MS] });
  measure(first, { name: 'jobs.done', unit: 's', cell: [1] });
  measure(first, { name: 'jobs_done', kind: 'counter', cell: [1] });
  const second = serve([{ method: 'BREW', path: '/pot' }, { path: '/pot' }, { path: '/one' }], { maxEndpoints: 1 });
  new Failures(second).count('callback', new Error('x'));
  measure(second, { name: 'jobs.done', unit: '{job}', attributes: { queue: 'a"b\\c\n☃' }, cell: [4] });
  measure(second, { name: 'pool.size', kind: 'gauge', attributes: { 'pool.name': 'db' }, cell: [6, NOW_MS] });
  const exited = measure(serve([{}]), { name: 'queue.depth', kind: 'updowncounter', cell: [100] });
  const members: MemberOfScene[] = [
    { table: first },
    { table: second, agoMs: 250 },
    { table: exited, alive: false },
    { table: primary(), role: 'primary', workerId: 'worker_0_1699999999' },
  ];
  const scene = sceneOf(members, { snapshotErrors: new Map([['torn', 2]]) });
  return { ...scene, workers: scene.workers.filter(({ snapshot }) => snapshot.identity.role !== 'primary') };
}

/** What a primary has seen: two workers end, one of them replaced, and a signal. */
function primary(): SeriesTable {
  const table = new SeriesTable();
  const exits = new Exits(table);
  exits.begin();
  const [quit, , , kill] = EXIT_CAUSES;
  exits.ended({ clusterId: 3, threadId: 0, startSeconds: 1_700_000_000 }, quit!, NOW_MONOTONIC_MS - 60_000);
  exits.succeeded(
    exits.ended({ clusterId: 4, threadId: 0, startSeconds: 1_700_000_050 }, kill!, NOW_MONOTONIC_MS - 1000),
  );
  exits.ended(
    { clusterId: 1, threadId: 0, startSeconds: 1_600_000_000 },
    quit!,
    NOW_MONOTONIC_MS - VIEW_OPTIONS.exitedRetentionMs,
  );
  const signals = new Signals(table);
  signals.begin();
  signals.add('HUP', 'reload');
  return table;
}

function samplesOf(samples: Sample[], family: string, type: string): Sample[] {
  if (type !== 'histogram') return select(samples, family);
  return samples.filter(({ name }) => name.replace(HISTOGRAM_SAMPLE, '') === family && name !== family);
}

function total(requests: readonly Request[], what: 'seconds' | 'requestBytes' | 'responseBytes'): number {
  return requests.reduce((sum, request) => sum + (request[what] ?? 0), 0);
}
