/** Holds src/export/status.ts and its parts: the document says what a scrape of the same moment says, bounded and as data. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { diag } from '@opentelemetry/api';
import type { Scene } from '../src/aggregate/producer.ts';
import { StatusTeller } from '../src/export/status.ts';
import type { Status } from '../src/status-document.ts';
import { parseExposition, select, sum } from './exposition.ts';
import {
  EXPORTER,
  type MemberOfScene,
  measure,
  NOW_MONOTONIC_MS,
  NOW_MS,
  type Request,
  sceneOf,
  serve,
  textOf,
  VIEW_OPTIONS,
} from './scenes.ts';

const FAST: Request = { path: '/fast', seconds: 0.05 };
const SLOW: Request = { path: '/slow', seconds: 0.5 };
const FAILED: Request = { path: '/fails', status: 500, errorType: '500', seconds: 2 };

describe('a status', () => {
  it('says of workers, routes and all of them what a scrape of the same moment says', async () => {
    const scene = sceneOf([
      { table: serve([FAST, FAST, FAILED]) },
      { table: serve([SLOW, { ...FAILED, method: 'POST', errorType: 'timeout' }]), agoMs: 7000 },
      { table: serve([FAST, FAILED, FAILED]), alive: false },
      { table: serve([]) },
    ]);
    const samples = parseExposition(await textOf(scene));
    const { total, workers, routes, ...status } = await newTeller([scene]).look();
    assert.equal(workers.length, 3);
    for (const worker of workers) {
      const own = { worker_id: worker.id };
      assert.equal(worker.requests, sum(samples, 'gunicorn_worker_requests_total', own));
      assert.equal(worker.failedRequests, sum(samples, 'gunicorn_worker_failed_requests_total', own));
      assert.equal(worker.memoryBytes, sum(samples, 'gunicorn_worker_memory_bytes', own));
      assert.equal(worker.cpuPercent, sum(samples, 'gunicorn_worker_cpu_percent', own));
      assert.equal(worker.uptimeSeconds, sum(samples, 'gunicorn_worker_uptime_seconds', own));
      assert.equal(worker.snapshotAgeSeconds, sum(samples, 'gunicorn_exporter_snapshot_age_seconds', own));
      const [state] = select(samples, 'gunicorn_worker_state', own);
      const { state: name, timestamp } = state!.labels;
      assert.deepEqual([worker.state, String(worker.stateSinceSeconds)], [name, timestamp]);
    }
    assert.deepEqual(
      workers.map(({ state }) => state),
      ['running', 'unresponsive', 'running'],
    );
    assert.equal(total.requests, sum(samples, 'http_server_request_duration_seconds_count'));
    assert.deepEqual([total.requests, total.failedRequests], [8, 4], 'the dead included');
    assert.deepEqual(
      routes.map(({ method, route, requests, failedRequests }) => [method, route, requests, failedRequests]),
      [
        ['GET', '/fails', 3, 3],
        ['GET', '/fast', 3, 0],
        ['GET', '/slow', 1, 0],
        ['POST', '/fails', 1, 1],
      ],
    );
    assert.equal(status.atMs, NOW_MS);
    assert.equal(status.windowSeconds, null);
    assert.equal(status.service, 'shop');
    assert.deepEqual([status.packageVersion, status.nodeVersion], ['1.2.3', process.version]);
    assert.deepEqual([status.health, status.expectedWorkers], ['degraded', 4]);
    assert.equal(status.activeRequests, sum(samples, 'http_server_active_requests'));
    assert.equal(status.exporter.scrapes, EXPORTER.scrapes);
    assert.equal(status.exporter.series, EXPORTER.series);
  });

  it('is the same with labels that are detailed: it has its own', async () => {
    const scene = async () => sceneOf([{ table: serve([FAST, SLOW, { ...FAILED, method: 'POST' }]) }]);
    const options = { scene, exporter: () => EXPORTER, keep() {}, service: 'shop' };
    const detailed = new StatusTeller({ ...options, views: { ...VIEW_OPTIONS, labels: 'detailed' } });
    const standard = new StatusTeller({ ...options, views: VIEW_OPTIONS });
    assert.deepEqual(await detailed.look(), await standard.look());
  });

  it('has no rates at the first look and those of its window at the next, counters that fall being none', async () => {
    const before = Array.from({ length: 9 }, () => FAST);
    const scenes = [
      sceneOf([{ table: serve([...before, SLOW]) }, { table: serve([SLOW, SLOW, FAILED]) }]),
      at(4000, [{ table: serve([...before, SLOW, SLOW, SLOW, FAILED, FAILED, FAILED]) }, { table: serve([FAST]) }]),
    ];
    const teller = newTeller(scenes);
    const first = await teller.look();
    assert.deepEqual([first.windowSeconds, first.total.requestsPerSecond], [null, null]);
    assert.ok(first.total.durationSeconds.p95! > 0.1);
    const { windowSeconds, workers, routes, total } = await teller.look();
    assert.equal(windowSeconds, 4);
    const [grown, replaced] = workers;
    assert.deepEqual([grown!.requestsPerSecond, grown!.failedRequestsPerSecond], [1.25, 0.75]);
    // Of two slow requests and three of more than a second, for which there is no bucket.
    assert.deepEqual(grown!.durationSeconds, { p50: 1, p95: 1, p99: 1 });
    assert.deepEqual([replaced!.requests, replaced!.requestsPerSecond], [1, null]);
    assert.equal(routes[0]!.route, '/fails', 'most requests in the window first');
    assert.ok(total.requestsPerSecond! >= 0);
  });

  it('counts for a worker that has begun in the window all that it has done, and for a route all that it has seen', async () => {
    const startSeconds = (NOW_MS + 2000) / 1000;
    const teller = newTeller([
      sceneOf([{ table: serve([FAST]) }]),
      at(4000, [{ table: serve([FAST]) }, { table: serve([SLOW, SLOW]), startSeconds }, { table: serve([]) }]),
    ]);
    await teller.look();
    const { workers, routes } = await teller.look();
    assert.deepEqual(
      workers.map(({ requestsPerSecond }) => requestsPerSecond),
      [0, 0.5, null],
    );
    assert.deepEqual(
      routes.map(({ route, requestsPerSecond }) => [route, requestsPerSecond]),
      [
        ['/slow', 0.5],
        ['/fast', 0],
      ],
    );
  });

  it('has a rate at the second look though nothing had been asked for at the first', async () => {
    const teller = newTeller([sceneOf([]), at(2000, [{ table: serve([FAST, FAILED, FAILED, FAILED]) }])]);
    assert.equal((await teller.look()).total.requests, 0);
    const { total } = await teller.look();
    assert.deepEqual([total.requestsPerSecond, total.failedRequestsPerSecond], [2, 1.5]);
  });

  it('of an id that comes back has no rate by what its predecessor has done', async () => {
    const lasting = { workerId: 'worker_1', lasting: true } as const;
    const [before, after] = [sceneOf([]), at(4000, [{ table: serve([FAST, FAST]), startSeconds: NOW_MS / 1000 + 2 }])];
    const member = after.workers[0]!;
    const snapshot = { ...member.snapshot, identity: { ...member.snapshot.identity, ...lasting } };
    const teller = newTeller([before, { ...after, workers: [{ ...member, snapshot }] }]);
    await teller.look();
    const { workers } = await teller.look();
    assert.deepEqual([workers[0]!.requests, workers[0]!.requestsPerSecond], [2, null]);
  });

  it('shows 500 workers and 500 routes at the most, and says how many it leaves out', async () => {
    const paths = Array.from({ length: 620 }, (_, n) => ({
      path: `/route-${String.fromCharCode(97 + (n % 26))}${n}x`,
    }));
    const busiest = Array.from({ length: 9 }, () => paths.at(-1)!);
    const table = serve([...paths, ...busiest], { maxEndpoints: 1000 });
    const idle = Array.from({ length: 529 }, () => ({ table: serve([]) }));
    const scene = sceneOf([{ table }, ...idle]);
    const teller = newTeller([scene, { ...scene, nowMonotonicMs: NOW_MONOTONIC_MS + 2000 }]);
    const status = await teller.look();
    assert.deepEqual([status.workers.length, status.routes.length], [500, 500]);
    assert.deepEqual(status.omitted, { workers: 30, routes: 120 });
    assert.equal(status.routes[0]!.requests, 10);
    assert.equal(status.total.requests, 629);
    // Those that were left out may have been busy before: nobody knows.
    const { routes } = await teller.look();
    assert.equal(routes.filter(({ requestsPerSecond }) => requestsPerSecond === 0).length, 500);
  });

  it('takes what a cap has taken together as one route, so that the routes are all there is', async () => {
    const scene = sceneOf([{ table: serve([FAST, SLOW, SLOW, FAILED], { maxEndpoints: 1 }) }]);
    const { routes, total } = await newTeller([scene]).look();
    assert.deepEqual(new Set(routes.map(({ route }) => route)), new Set(['/fast', 'other']));
    assert.equal(
      routes.reduce((all, { requests }) => all + requests, 0),
      total.requests,
    );
    const overflow = measure(serve([FAST]), { name: 'jobs', cell: [1] });
    const capped = serve([FAST, SLOW, SLOW], { maxEndpoints: 100, maxSeries: 1 });
    const more = await newTeller([sceneOf([{ table: overflow }, { table: capped }])]).look();
    assert.deepEqual(more.routes.map(({ method, route, requests }) => [method, route, requests]).sort(), [
      ['GET', '/fast', 2],
      ['_OTHER', 'other', 2],
    ]);
  });

  it('gives names as they are, whatever is in them: they are data', async () => {
    const names = ['/<script>alert(1)</script>', '/"\\\u2028\u0000', '/__proto__', '/ünï-😀'];
    const scene = sceneOf([{ table: serve(names.map((path) => ({ path }))), workerId: '<img src=x>' }], {
      snapshotErrors: new Map([['__proto__', 3]]),
    });
    const { body, status, type } = await newTeller([scene]).answer();
    assert.deepEqual([status, type], [200, 'application/json; charset=utf-8']);
    const parsed = JSON.parse(String(body)) as Status;
    assert.equal(parsed.workers[0]!.id, '<img src=x>');
    assert.deepEqual(parsed.routes.map(({ route }) => route).sort(), [...names].sort());
    assert.deepEqual(Object.entries(parsed.exporter.snapshotErrors), [['__proto__', 3]]);
  });
});

describe('looking', () => {
  it('is shared by all who look at the same time, and fails as a whole, in one line said once', async (t) => {
    const lines: string[] = [];
    const say = (line: string) => void lines.push(line);
    diag.setLogger({ error: say, warn: say, info: say, debug: say, verbose: say }, { suppressOverrideMessage: true });
    t.after(() => diag.disable());
    let looks = 0;
    let broken = false;
    const teller = tellerOf(async () => {
      looks += 1;
      if (broken) throw new Error('no handle left');
      return sceneOf([]);
    });
    const answers = await Promise.all([teller.answer(), teller.answer(), teller.answer()]);
    assert.deepEqual([looks, answers.map(({ status }) => status)], [1, [200, 200, 200]]);
    broken = true;
    for (let n = 0; n < 3; n += 1) {
      const { status, type, body } = await teller.answer();
      assert.deepEqual([status, type, body], [500, 'text/plain; charset=utf-8', `${FAILURE}\n`]);
    }
    broken = false;
    assert.equal((await teller.answer()).status, 200);
    assert.deepEqual(lines, [`gunicorn-otel: ${FAILURE}`]);
  });

  it('writes down what the exporter has counted, as a scrape does', async () => {
    let kept = 0;
    await tellerOf(
      async () => sceneOf([]),
      () => {
        kept += 1;
      },
    ).look();
    assert.equal(kept, 1);
  });
});

const FAILURE = '/status.json could not be made: no handle left';

// One look for each scene; the last one for all that follow.
function newTeller(scenes: readonly Scene[]): StatusTeller {
  const left = [...scenes];
  return tellerOf(async () => (left.length > 1 ? left.shift()! : left[0]!));
}

function tellerOf(scene: () => Promise<Scene>, keep = () => {}): StatusTeller {
  return new StatusTeller({ scene, exporter: () => EXPORTER, keep, views: VIEW_OPTIONS, service: 'shop' });
}

// A scene of a later moment, everybody having published in it.
function at(laterMs: number, members: readonly MemberOfScene[]): Scene {
  const fresh = members.map((member) => ({ ...member, agoMs: -laterMs }));
  return sceneOf(fresh, { nowMs: NOW_MS + laterMs, nowMonotonicMs: NOW_MONOTONIC_MS + laterMs });
}
