/** Holds src/catalogue/request-points.ts, through whole scrapes: errors of no request beside those of requests, and detailed labels. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { METRICS } from '../src/catalogue/metrics.ts';
import { project } from '../src/catalogue/views.ts';
import { LabelledCounter } from '../src/record/labelled-counter.ts';
import { RequestTable } from '../src/record/request-table.ts';
import { SIGNAL_ACTIONS } from '../src/record/signals.ts';
import { SeriesTable } from '../src/snapshot/series-table.ts';
import { parseExposition, type Sample, select, sum } from './exposition.ts';
import { EXPORTER, type MemberOfScene, render, sceneOf, VIEW_OPTIONS } from './scenes.ts';

const FAILED = 'gunicorn_worker_failed_requests_total';
const HANDLED = 'gunicorn_worker_error_handling_total';
const UNKNOWN = { method: 'UNKNOWN', endpoint: 'UNKNOWN' };

describe('errors of no request', () => {
  it('are handled errors of an unknown method and endpoint, beside those of requests', async () => {
    const table = withConnectionErrors('HPE_INVALID_METHOD', 'HPE_INVALID_METHOD', 'ERR_SSL_HTTP_REQUEST');
    const samples = await scrape([{ table, workerId: 'w' }]);
    const failed = [{ worker_id: 'w', method: 'GET', endpoint: '/', error_type: '503' }, 1];
    assert.deepEqual(shown(samples, FAILED), [failed]);
    assert.deepEqual(shown(samples, HANDLED), [
      failed,
      [{ worker_id: 'w', ...UNKNOWN, error_type: 'HPE_INVALID_METHOD' }, 2],
      [{ worker_id: 'w', ...UNKNOWN, error_type: 'ERR_SSL_HTTP_REQUEST' }, 1],
    ]);
  });

  it('are told of each worker, the dead included, and add up where two have one id', async () => {
    const samples = await scrape([
      { table: withConnectionErrors('HPE_INVALID_METHOD'), workerId: 'worker_1' },
      { table: withConnectionErrors('HPE_INVALID_METHOD'), workerId: 'worker_1', alive: false },
      { table: withConnectionErrors('HPE_INVALID_METHOD'), workerId: 'worker_2', alive: false },
    ]);
    const of = (worker_id: string) => sum(samples, HANDLED, { worker_id, ...UNKNOWN });
    assert.deepEqual([of('worker_1'), of('worker_2')], [2, 1]);
    assert.equal(sum(samples, HANDLED, { worker_id: 'worker_1', error_type: '503' }), 2);
  });

  it('have the method and endpoint that the app gives them, where it does', async () => {
    const table = new SeriesTable();
    const recorder = new RequestTable({ table, durationBuckets: [1], maxEndpoints: 1, maxSeries: 9 });
    recorder.handled('TypeError', 'POST', '/own');
    assert.deepEqual(shown(await scrape([{ table, workerId: 'w' }]), HANDLED), [
      [{ worker_id: 'w', method: 'POST', endpoint: '/own', error_type: 'TypeError' }, 1],
    ]);
  });

  it('are in no other family', async () => {
    const withErrors = await scrape([{ table: withConnectionErrors('HPE_INVALID_METHOD') }]);
    const without = await scrape([{ table: withConnectionErrors() }]);
    const others = (samples: Sample[]) => samples.filter(({ name }) => name !== HANDLED);
    assert.deepEqual(others(withErrors), others(without));
    assert.equal(withErrors.length, without.length + 1);
  });

  it('are none that an app counts under the same name', async () => {
    const table = new SeriesTable();
    const metric = table.define({
      name: 'handled_errors',
      description: '',
      unit: '',
      kind: 'counter',
      scope: 'app',
    });
    table.values[table.add(metric, { 'error.type': 'own' })] = 5;
    const samples = await scrape([{ table }]);
    assert.deepEqual(shown(samples, HANDLED), []);
    assert.equal(sum(samples, 'handled_errors_total'), 5);
  });
});

describe('requests beyond the cap of series', () => {
  it('say so where they would have no label, and are of no method and endpoint of their worker', async () => {
    const table = new SeriesTable();
    const recorder = new RequestTable({ table, durationBuckets: [1], maxEndpoints: 9, maxSeries: 1 });
    for (const path of ['/a', '/b', '/c']) {
      recorder.begin('GET');
      recorder.end('GET', path, 200, '', 0.5, 0, 0);
    }
    const samples = await scrape([{ table, workerId: 'w' }], 'detailed');
    assert.deepEqual(shown(samples, 'http_server_request_duration_seconds_count'), [
      [{ http_request_method: 'GET', http_route: '/a', http_response_status_code: '200' }, 1],
      [{ otel_metric_overflow: 'true' }, 2],
    ]);
    assert.deepEqual(shown(samples, 'gunicorn_worker_requests_total'), [
      [{ worker_id: 'w', method: 'GET', endpoint: '/a' }, 1],
      [{ worker_id: 'w' }, 2],
    ]);
  });
});

describe('detailed labels', () => {
  it('are those that the catalogue has for a row, in addition, and leave its sum as it is', async () => {
    const table = withConnectionErrors('HPE_INVALID_METHOD');
    const signals = new LabelledCounter(table, 'signals', 50);
    for (const [signal, action] of Object.entries(SIGNAL_ACTIONS)) signals.add({ signal, action }, 3);
    const [standard, detailed] = [await scrape([{ table }]), await scrape([{ table }], 'detailed')];
    const names = (samples: Sample[], name: string) =>
      new Set(select(samples, name).flatMap(({ labels }) => Object.keys(labels)));
    let rows = 0;
    for (const { name, type, labels, detailedLabels = [] } of METRICS) {
      const sample = type === 'histogram' ? `${name}_count` : name;
      if (select(standard, sample).length === 0) continue;
      rows += detailedLabels.length > 0 ? 1 : 0;
      assert.equal(sum(detailed, sample), sum(standard, sample), name);
      for (const label of detailedLabels) assert.ok(!names(standard, sample).has(label), `${name} ${label}`);
      for (const label of detailedLabels) assert.ok(names(detailed, sample).has(label), `${name} ${label}`);
      for (const label of names(detailed, sample)) assert.ok([...labels, ...detailedLabels].includes(label), label);
    }
    assert.ok(rows >= 5, `${rows} rows`);
  });

  it('tell the action of each signal', async () => {
    const table = new SeriesTable();
    const signals = new LabelledCounter(table, 'signals', 50);
    for (const [signal, action] of Object.entries(SIGNAL_ACTIONS)) signals.add({ signal, action });
    const samples = await scrape([{ table, role: 'primary' }], 'detailed');
    assert.deepEqual(
      shown(samples, 'gunicorn_master_signals_total'),
      Object.entries(SIGNAL_ACTIONS).map(([signal, action]) => [{ signal, action }, 1]),
    );
  });
});

// One request that failed, and these errors.
function withConnectionErrors(...errorTypes: string[]): SeriesTable {
  const table = new SeriesTable();
  const recorder = new RequestTable({ table, durationBuckets: [0.1, 1], maxEndpoints: 1, maxSeries: 9 });
  recorder.begin('GET');
  recorder.end('GET', '/', 503, '', 0.0625, 0, 512);
  for (const errorType of errorTypes) recorder.handled(errorType);
  return table;
}

async function scrape(
  members: readonly MemberOfScene[],
  labels: 'standard' | 'detailed' = 'standard',
): Promise<Sample[]> {
  return parseExposition(await render(project(sceneOf(members), EXPORTER, { ...VIEW_OPTIONS, labels })));
}

function shown(samples: Sample[], name: string): [Record<string, string>, number][] {
  return select(samples, name).map(({ labels, value }) => [labels, value]);
}
