/** A fleet's views: every instance's series under its name, and sums that never fall whatever comes and goes. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Exposition } from '../src/export/exposition.ts';
import { FleetSums } from '../src/export/fleet-sums.ts';
import { instanceFamilies, summedFamilies } from '../src/export/fleet-view.ts';
import type { GroupValue, ValueFamily } from '../src/export/group-value.ts';
import { parseExposition, type Sample, select, sum } from './exposition.ts';

const BOUNDS = [1, 2];

describe('instances', () => {
  it('are told apart by service and instance, their resources too', () => {
    const values = [instance('a', [counter({ x: '1' }, 3)]), instance('b', [counter({ x: '1' }, 4)])];
    const samples = shown(instanceFamilies(values));
    assert.equal(sum(samples, 'jobs_total', { service: 'shop', instance: 'a', x: '1' }), 3);
    assert.equal(sum(samples, 'jobs_total', { instance: 'b' }), 4);
    assert.equal(select(samples, 'target_info', { instance: 'b', service_name: 'shop' }).length, 1);
  });

  it('keep labels of their own that are called alike under another name', () => {
    const samples = shown(instanceFamilies([instance('a', [counter({ instance: 'mine', service: 'too' }, 3)])]));
    assert.deepEqual(select(samples, 'jobs_total')[0]!.labels, {
      service: 'shop',
      instance: 'a',
      exported_instance: 'mine',
      exported_service: 'too',
    });
  });

  it('keep them also where that name is taken', () => {
    const labels = { service: 'mine', exported_service: 'too' };
    const samples = shown(instanceFamilies([instance('a', [counter(labels, 3)])]));
    assert.deepEqual(select(samples, 'jobs_total')[0]!.labels, {
      service: 'shop',
      instance: 'a',
      exported_exported_service: 'mine',
      exported_service: 'too',
    });
  });

  it('have resources whose attributes are labels, whatever they are called', () => {
    const resource = { 'a.b': 1, 'a-b': 2, '0x': 'y' };
    const [target] = shown(instanceFamilies([{ ...instance('a', []), resource }]));
    assert.deepEqual(target!.labels, { service: 'shop', instance: 'a', a_b: '2;1', key_0x: 'y' });
  });

  it('that disagree about the type of a metric do not spoil it: the first says it', () => {
    const gauge: ValueFamily = { name: 'jobs_total', type: 'gauge', help: '', series: [{ labels: {}, value: 9 }] };
    const samples = shown(instanceFamilies([instance('a', [counter({}, 3)]), instance('b', [gauge])]));
    assert.deepEqual(
      select(samples, 'jobs_total').map(({ value }) => value),
      [3],
    );
  });

  it('have the buckets that they were measured with', () => {
    const samples = shown(instanceFamilies([instance('a', [histogram([7, 1, 2, 3])])]));
    const buckets = select(samples, 'took_bucket').map(({ labels, value }) => [labels['le'], value]);
    assert.deepEqual(buckets, [
      ['1', 1],
      ['2', 3],
      ['+Inf', 6],
    ]);
  });
});

describe('sums', () => {
  it('add counters, histograms and amounts over the instances of a service, workers left out', () => {
    const sums = new FleetSums({ maxSeries: 100 });
    const amount: ValueFamily = { ...gauge(5), additive: true };
    const values = [
      instance('a', [counter({ worker_id: 'w1' }, 3), histogram([7, 1, 2, 3]), amount]),
      instance('b', [counter({ worker_id: 'w2' }, 4), histogram([1, 1, 0, 0]), amount]),
      { ...instance('c', [counter({ worker_id: 'w1' }, 50)]), service: 'stock' },
    ];
    for (const value of values) sums.add(value);
    const samples = shown(summedFamilies(values, sums));
    assert.deepEqual(
      select(samples, 'jobs_total').map(({ labels, value }) => [labels, value]),
      [
        [{ service: 'shop' }, 7],
        [{ service: 'stock' }, 50],
      ],
    );
    assert.equal(sum(samples, 'took_sum'), 8);
    assert.equal(sum(samples, 'took_bucket', { le: '2' }), 4);
    assert.equal(sum(samples, 'level', { service: 'shop' }), 10);
  });

  it('leave a gauge that is no amount with its instance, and nothing of one that has gone', () => {
    const sums = new FleetSums({ maxSeries: 100 });
    const [a, b] = [instance('a', [counter({}, 1), gauge(5)]), instance('b', [counter({}, 2), gauge(6)])];
    for (const value of [a, b]) sums.add(value);
    const samples = shown(summedFamilies([b], sums));
    assert.deepEqual(
      select(samples, 'level').map(({ labels, value }) => [labels, value]),
      [[{ service: 'shop', instance: 'b' }, 6]],
    );
    assert.equal(sum(samples, 'jobs_total'), 3);
  });

  it('have at most so many series of a metric, and count what goes beyond', () => {
    const sums = new FleetSums({ maxSeries: 3 });
    for (let i = 0; i < 10; i += 1) sums.add(instance('a', [counter({ x: String(i % 5) }, i)]));
    const samples = shown(summedFamilies([], sums));
    assert.equal(select(samples, 'jobs_total').length, 4);
    assert.equal(sum(samples, 'jobs_total'), 45);
    assert.equal(sum(samples, 'jobs_total', { otel_metric_overflow: 'true' }), 3 + 4 + 8 + 9);
    assert.equal(sums.overflow.get('jobs_total'), 4);
  });

  it('are of ten thousand metrics at most, whatever they are called, and what is left out is counted', () => {
    const sums = new FleetSums({ maxSeries: 10 });
    for (let i = 0; i < 10_100; i += 1) sums.add(instance('a', [{ ...counter({}, 1), name: `jobs${i}_total` }]));
    assert.equal(sums.families.size, 10_000);
    assert.equal(sums.overflow.size, 11);
    assert.equal(
      [...sums.overflow.values()].reduce((a, b) => a + b),
      100,
    );
    assert.equal(sums.overflow.get('other'), 90);
  });

  it('of instances with other buckets are told in the buckets of the first', () => {
    const sums = new FleetSums({ maxSeries: 10 });
    sums.add(instance('a', [histogram([7, 1, 2, 3])]));
    sums.add(instance('b', [{ ...histogram([1, 1, 1, 1, 1]), bounds: [0.5, 1, 4] }]));
    const samples = shown(summedFamilies([], sums));
    assert.equal(sum(samples, 'took_count'), 10);
    assert.equal(sum(samples, 'took_bucket', { le: '1' }), 1 + 2);
  });

  it('of a histogram that nobody has recorded into yet are told in the buckets that it has later', () => {
    const sums = new FleetSums({ maxSeries: 10 });
    const { bounds: _, ...none } = { ...histogram([]), series: [] };
    sums.add(instance('a', [none]));
    sums.add(instance('a', [histogram([7, 1, 2, 3])]));
    assert.equal(sum(shown(summedFamilies([], sums)), 'took_bucket', { le: '2' }), 3);
  });

  it('do not count again what Redis has lost and gets again, nor what it had not yet', () => {
    const sums = new FleetSums({ maxSeries: 10 });
    const jobs = (writtenAtMs: number, ...counts: number[]) => {
      const series = counts.map((value, i) => ({ labels: { worker_id: `w${i}` }, value }));
      sums.add({ ...instance('a', [{ ...counter({}, 0), series }]), writtenAtMs });
      return sum(shown(summedFamilies([], sums)), 'jobs_total');
    };
    assert.equal(jobs(1000, 90), 90);
    assert.equal(jobs(2000, 95, 5), 100);
    assert.equal(jobs(1000, 90), 100, 'of before, as it is in a copy of the database');
    assert.equal(jobs(3000, 96, 6), 102);
    assert.equal(jobs(2500, 97, 7), 104, 'by a clock that was set back');
    assert.equal(jobs(2600, 98, 8), 106);
    assert.equal(jobs(3100, 1, 8), 107, 'begun anew');
  });

  it('stay numbers when a value is infinite', () => {
    const sums = new FleetSums({ maxSeries: 10 });
    for (let i = 0; i < 3; i += 1) sums.add(instance('a', [histogram([Number.POSITIVE_INFINITY, 0, 0, 1])]));
    assert.equal(sum(shown(summedFamilies([], sums)), 'took_sum'), Number.POSITIVE_INFINITY);
  });

  it('are all that was ever counted, and never fall, whatever comes, goes, comes back or begins anew', () => {
    const step = fc.record({
      id: fc.constantFrom('a', 'b', 'c'),
      worker: fc.constantFrom('w1', 'w2', 'w3'),
      count: fc.nat(5),
      what: fc.constantFrom('count', 'count', 'count', 'forget the worker', 'restart', 'leave', 'again'),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const sums = new FleetSums({ maxSeries: 100 });
        const living = new Map<string, Map<string, number>>();
        const lives = new Map<string, number>();
        let all = 0;
        let before = 0;
        for (const { id, worker, count, what } of steps) {
          if (what === 'restart') {
            lives.set(id, (lives.get(id) ?? 0) + 1);
            living.delete(id);
          }
          const workers = living.get(id) ?? new Map<string, number>();
          living.set(id, workers);
          if (what === 'forget the worker') workers.delete(worker);
          if (what === 'count') {
            workers.set(worker, (workers.get(worker) ?? 0) + count);
            all += count;
          }
          if (what === 'leave') continue;
          const series = [...workers].map(([worker_id, value]) => ({ labels: { worker_id }, value }));
          sums.add(instance(`${id}${lives.get(id) ?? 0}`, [{ ...counter({}, 0), series }]));
          const now = sum(shown(summedFamilies([], sums)), 'jobs_total');
          assert.equal(now, all);
          assert.ok(now >= before);
          before = now;
        }
      }),
    );
  });
});

function instance(id: string, families: ValueFamily[]): GroupValue {
  const resource = { 'service.name': 'shop' };
  const when = { startMs: 1, writtenAtMs: 2, intervalMs: 3 };
  return { service: 'shop', id, host: 'box', pid: 7, ...when, resource, families };
}

function counter(labels: Record<string, string>, value: number): ValueFamily {
  return { name: 'jobs_total', type: 'counter', help: 'Jobs', series: [{ labels, value }] };
}

function gauge(value: number): ValueFamily {
  return { name: 'level', type: 'gauge', help: 'Level', series: [{ labels: {}, value }] };
}

function histogram(value: number[]): ValueFamily {
  return { name: 'took', type: 'histogram', help: 'Took', bounds: BOUNDS, series: [{ labels: {}, value }] };
}

function shown(metrics: ReturnType<typeof instanceFamilies>): Sample[] {
  const text = new Exposition().render({ resource: undefined, scopeMetrics: [{ scope: { name: '' }, metrics }] });
  return parseExposition(text.toString());
}
