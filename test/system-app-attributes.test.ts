/** Whatever an app gives as attributes, and however its processes disagree: nothing is thrown, all is counted, scrapes stay valid. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { parseExposition, select, sum } from './exposition.ts';
import { startCluster, until } from './processes.ts';
import { request } from './requests.ts';

const WORKERS = 2;
const MAX_TEXT = 256;

test('odd attributes cost no worker its start, no measurement, and no scrape its form', async (t) => {
  const cluster = await startCluster(t, 'records-odd-attributes.mjs', WORKERS);
  const recorded = Number((await cluster.says(/^recorded (\d+)/m))[1]);
  const samples = await until(async () => {
    const { status, body } = await request(await cluster.metricsUrl());
    assert.equal(status, 200, body);
    const samples = parseExposition(body);
    return sum(samples, 'odd_total') === WORKERS * recorded && samples;
  }, `${recorded} measurements of each worker`);
  const series = select(samples, 'odd_total');
  // Both workers give the same, so each series is the sum of both.
  for (const { labels, value } of series) assert.equal(value % WORKERS, 0, JSON.stringify(labels));
  const one = (labels: Record<string, string>) => {
    const [found, ...others] = select(samples, 'odd_total', labels);
    assert.equal(others.length, 0, JSON.stringify(labels));
    assert.ok(found, JSON.stringify(labels));
    return found;
  };
  assert.equal(one({ kind: 'big' }).labels['value'], '1');
  for (const kind of ['cycle', 'symbol', 'function', 'undefined', 'null'])
    assert.equal(one({ kind }).labels['value'], undefined);
  assert.equal(one({ kind: 'date' }).labels['value'], '1970-01-01T00:00:00.000Z');
  assert.equal(one({ kind: 'list' }).labels['value'], '[1,["b"]]');
  assert.equal(one({ kind: 'nan' }).labels['value'], 'NaN');
  const [long, other] = ['one', 'other'].map((kind) => one({ kind }).labels['value']!);
  assert.equal(long!.length, MAX_TEXT);
  assert.notEqual(long, other);
  assert.deepEqual(one({ a_b: 'v;v' }).labels, {
    _: 'v',
    _proto_: 'v',
    _name_: 'v',
    a_b: 'v;v',
    constructor: 'v',
    exported_le: 'v',
    exported_worker_id: 'v',
    otel_scope_name: 'v',
  });
  assert.equal(one({ half: '\ufffd' }).value, 2 * WORKERS);
  assert.equal(Object.keys(series.find(({ labels }) => labels['a0'] !== undefined)!.labels).length, 64);
  // Cyclic by themselves, getters and proxies that throw, no object, none at all.
  const bare = series.find(({ labels }) => Object.keys(labels).length === 0)!;
  assert.equal(bare.value, 5 * WORKERS);
  assert.ok(sum(samples, 'gunicorn_exporter_errors_total', { cause: 'attributes' }) >= 9 * WORKERS);
  const lines = cluster.output.stderr.split('\n').filter((line) => line.includes('attributes of a measurement'));
  assert.equal(lines.length, WORKERS, cluster.output.stderr);
});

test('instruments that two workers make differently are one metric where they can be, else the first', async (t) => {
  const cluster = await startCluster(t, 'disagrees-about-instruments.mjs', 2, { env: { REPLACE: 'no' } });
  // Who is seen first is the first: a scrape that finds both takes them by worker_id.
  const group = join(cluster.directory, readdirSync(cluster.directory)[0]!);
  const hasPublished = (file: string) =>
    file.endsWith('.snapshot') && readFileSync(join(group, file)).includes('"part"');
  await until(() => readdirSync(group).filter(hasPublished).length === 2, 'both have published');
  const whole = async () => {
    const samples = await cluster.scrape();
    return sum(samples, 'wait_seconds_count') === 8 && sum(samples, 'orders_total') === 2 && samples;
  };
  const check = (samples: Awaited<ReturnType<typeof cluster.scrape>>, level: number[]) => {
    for (const [le, count] of [
      ['2', 4],
      ['5', 6],
      ['+Inf', 8],
    ] as const) {
      assert.equal(sum(samples, 'wait_seconds_bucket', { le }), count, le);
    }
    assert.equal(sum(samples, 'wait_seconds_sum'), 25);
    assert.deepEqual(
      select(samples, 'level').map(({ value }) => value),
      level,
    );
    // Neither the unit in braces, nor the kind of the second.
    assert.equal(sum(samples, 'sent_bytes_total'), 5);
    assert.equal(sum(samples, 'seen_total'), 5);
    assert.equal(sum(samples, 'seen_sum'), 77, 'a name of its own, as a counter ends in _total');
  };
  const samples = await until(whole, 'all that both have recorded');
  check(samples, [5]);
  const conflicts = select(samples, 'gunicorn_exporter_conflicts').map(({ labels }) => labels['metric']);
  assert.deepEqual(conflicts.sort(), ['level', 'part', 'sent_bytes_total']);

  process.kill(cluster.workers().get('1')!, 'SIGKILL');
  const without = await until(async () => {
    const scraped = await whole();
    return scraped && select(scraped, 'gunicorn_worker_uptime_seconds').length === 1 && scraped;
  }, 'the first is dead');
  assert.equal(sum(without, 'orders_total'), 2);
});
