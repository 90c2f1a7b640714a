/**
 * Holds src/record/app-metrics.ts and app-cells.ts with the real SDK: what an app records through the OpenTelemetry API
 * ends up in the table. It also holds the SDK's internals that the synchronous collection reads: when this file fails
 * after an update of the SDK, look there first.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import { type Meter, ValueType } from '@opentelemetry/api';
import { setLogLevel } from '../src/report.ts';
import { decodeSnapshot } from '../src/snapshot/layout.ts';
import { monotonicMs } from '../src/snapshot/monotonic.ts';
import { OWN_SCOPE } from '../src/snapshot/own-metrics.ts';
import { until } from './processes.ts';
import { startRecording } from './recorded-app.ts';
import { recordWrites } from './recorded-writes.ts';

setLogLevel('none');

describe('what the app records', () => {
  it('is in the table at once after a synchronous collection, counted once', (t) => {
    const { meter, collectNow, series } = startRecording(t);
    const counter = meter.createCounter('jobs', { unit: '{job}', description: 'Jobs.' });
    counter.add(2, { queue: 'a' });
    counter.add(3, { queue: 'a' });
    counter.add(1, { queue: 'b' });
    collectNow();
    assert.deepEqual(series('jobs'), [
      [{ queue: 'a' }, [5]],
      [{ queue: 'b' }, [1]],
    ]);
    collectNow();
    counter.add(10, { queue: 'b' });
    collectNow();
    assert.deepEqual(series('jobs'), [
      [{ queue: 'a' }, [5]],
      [{ queue: 'b' }, [11]],
    ]);
  });

  it('is collected piece by piece where it is much, whatever is recorded between two pieces, and each is counted once', (t) => {
    const sets = 20_000;
    const { meter, collectNow, collectSome, stop, series } = startRecording(t, { maxSeries: sets });
    stop();
    const counter = meter.createCounter('jobs');
    const wait = meter.createHistogram('wait');
    const countAll = () => {
      for (let id = 0; id < sets; id += 1) {
        counter.add(1, { id });
        wait.record(1, { id });
      }
    };
    const told = () => [
      series('jobs').reduce((sum, [, [value = 0]]) => sum + value, 0),
      series('wait').reduce((sum, [, [value = 0]]) => sum + value, 0),
    ];
    countAll();
    assert.equal(collectSome(), false, 'a part of it');
    const [jobs = 0, waits = 0] = told();
    assert.ok(jobs > 0 && jobs + waits < 2 * sets, `${jobs} and ${waits} of ${sets}`);
    countAll();
    let rounds = 1;
    while (!collectSome()) rounds += 1;
    assert.ok(rounds > 1, 'in more than one');
    // What was recorded between two pieces into sets that had been collected before is left for the next round.
    const atLeast = told();
    assert.ok(atLeast[0]! >= sets && atLeast[1]! >= sets, String(atLeast));
    while (!collectSome());
    assert.deepEqual(told(), [2 * sets, 2 * sets]);

    countAll();
    assert.equal(collectSome(), false);
    countAll();
    collectNow();
    assert.deepEqual(told(), [4 * sets, 4 * sets], 'at the end of the process all of it, at once');
    collectNow();
    assert.deepEqual(told(), [4 * sets, 4 * sets]);
  });

  it('is collected by itself, however much', async (t) => {
    const sets = 20_000;
    const { meter, series } = startRecording(t, { maxSeries: sets });
    const counter = meter.createCounter('jobs');
    for (let id = 0; id < sets; id += 1) counter.add(1, { id });
    await until(() => series('jobs').reduce((sum, [, [value = 0]]) => sum + value, 0) === sets, 'all of it');
  });

  it('is collected at once where the turns of the loop are so long that all pieces would take seconds', async (t) => {
    const sets = 20_000;
    const { meter, table } = startRecording(t, { maxSeries: sets });
    const all = Array.from({ length: 8 }, (_, i) => meter.createCounter(`jobs${i}`));
    for (let id = 0; id < sets; id += 1) for (const counter of all) counter.add(1, { id });
    // Waited for a second, and then a second of pieces: 40 of these turns.
    let turns = 0;
    while (table.used < all.length * sets && turns < 60) {
      turns += 1;
      for (const end = performance.now() + 50; performance.now() < end; );
      await nextTurn();
    }
    assert.ok(turns < 60, `${table.used} of ${all.length * sets} in ${turns} turns`);
  });

  it('has the longest description of those that are given before it is first recorded', (t) => {
    const { meter, collectNow, descriptors } = startRecording(t);
    meter.createCounter('c').add(1);
    meter.createCounter('c', { description: 'Longer.' });
    collectNow();
    assert.deepEqual(
      descriptors().map(({ description }) => description),
      ['Longer.'],
    );
  });

  it('is published together where it was collected together: not a write for each instrument', (t) => {
    const { meter, collectNow } = startRecording(t);
    const counters = Array.from({ length: 10 }, (_, i) => meter.createCounter(`c${i}`));
    for (const counter of counters) counter.add(1);
    collectNow();
    for (const counter of counters) counter.add(1);
    const writes = recordWrites(t);
    collectNow();
    assert.equal(writes.length, 1);
  });

  it('is told with name, unit, description, kind and scope', (t) => {
    const { meter, collectNow, descriptors } = startRecording(t);
    meter.createCounter('c', { unit: 's', description: 'd' }).add(1);
    meter.createUpDownCounter('u').add(1);
    meter.createHistogram('h', { advice: { explicitBucketBoundaries: [1, 2] } }).record(1);
    meter.createGauge('g').record(1);
    collectNow();
    assert.deepEqual(descriptors(), [
      { name: 'c', unit: 's', description: 'd', scope: 'app', kind: 'counter' },
      { name: 'u', unit: '', description: '', scope: 'app', kind: 'updowncounter' },
      { name: 'h', unit: '', description: '', scope: 'app', kind: 'histogram', bounds: [[1, 2]] },
      { name: 'g', unit: '', description: '', scope: 'app', kind: 'gauge' },
    ]);
  });

  it('with up-down counters goes up and down', (t) => {
    const { meter, collectNow, series } = startRecording(t);
    const depth = meter.createUpDownCounter('depth');
    depth.add(5);
    collectNow();
    depth.add(-7);
    collectNow();
    assert.deepEqual(series('depth'), [[{}, [-2]]]);
  });

  it('with histograms is sums and buckets, by the default bounds or those advised', (t) => {
    const { meter, collectNow, series, descriptors } = startRecording(t);
    const wait = meter.createHistogram('wait', { advice: { explicitBucketBoundaries: [1, 2] } });
    for (const value of [0.5, 1, 1.5, 7]) wait.record(value);
    collectNow();
    wait.record(2);
    meter.createHistogram('size').record(3);
    collectNow();
    assert.deepEqual(series('wait'), [[{}, [12, 2, 2, 1]]]);
    const { bounds } = descriptors().find(({ name }) => name === 'size')!;
    assert.equal(bounds![0]!.length, 15);
    assert.equal(series('size')[0]![1].length, 17);
  });

  it('with gauges is the last value and when it was set, not when it was collected', async (t) => {
    const { meter, collectNow, series } = startRecording(t);
    const level = meter.createGauge('level');
    level.record(5);
    const before = monotonicMs();
    level.record(3);
    const after = monotonicMs();
    await until(() => monotonicMs() > after + 5, 'some milliseconds later');
    collectNow();
    const [value, setAtMs] = series('level')[0]![1];
    assert.equal(value, 3);
    // The SDK tells it in whole milliseconds.
    assert.ok(setAtMs! >= before - 2 && setAtMs! <= after + 2);
    collectNow();
    assert.deepEqual(series('level'), [[{}, [3, setAtMs]]], 'a gauge that was not set again keeps its value');
  });

  it('under equal attributes in another order is one series', (t) => {
    const { meter, collectNow, series } = startRecording(t);
    const counter = meter.createCounter('jobs');
    counter.add(1, { a: 1, b: 2 });
    collectNow();
    counter.add(1, { b: 2, a: 1 });
    collectNow();
    assert.deepEqual(
      series('jobs').map(([, cell]) => cell),
      [[2]],
    );
  });

  it('by two libraries under one name is told apart by scope, and never taken for our own', (t) => {
    const { provider, collectNow, descriptors } = startRecording(t);
    for (const scope of ['one', 'other', OWN_SCOPE]) provider.getMeter(scope, '1.0').createCounter('requests').add(1);
    collectNow();
    assert.deepEqual(
      descriptors().map(({ scope }) => scope),
      ['one', 'other', ''],
    );
  });

  it('is published by itself, in the file, within a second or two', async (t) => {
    const { meter, path } = startRecording(t);
    meter.createCounter('jobs').add(4);
    await until(() => decodeSnapshot(readFileSync(path)).values[0] === 4, 'the counter is in the file', 3000);
  });

  it('in histograms with bounds that are no numbers harms no other series', (t) => {
    const { meter, collectNow, series } = startRecording(t);
    const odd = [1, Number.NaN, 2, Number.POSITIVE_INFINITY];
    const wait = meter.createHistogram('wait', { advice: { explicitBucketBoundaries: odd } });
    const counter = meter.createCounter('jobs');
    for (const value of [0.5, 1.5, 5]) wait.record(value);
    counter.add(1);
    collectNow();
    for (const value of [0.5, 1.5, 5]) wait.record(value);
    collectNow();
    assert.deepEqual(series('jobs'), [[{}, [1]]]);
  });
});

// They take their time, a second between two collections where nothing else happens.
describe('observable instruments', { concurrency: true }, () => {
  it('end up in the table as what they say: totals once, gauges as they are', async (t) => {
    const { meter, series } = startRecording(t, { observableIntervalMs: 100 });
    let total = 100;
    let level = 5;
    let rounds = 0;
    meter.createObservableCounter('total').addCallback((result) => {
      total += 10;
      result.observe(total);
    });
    meter.createObservableUpDownCounter('depth').addCallback((result) => result.observe(7));
    meter.createObservableGauge('level', { valueType: ValueType.INT }).addCallback((result) => {
      rounds += 1;
      level += 1;
      result.observe(level, { pool: 'db' });
    });
    await until(() => rounds >= 3 && series('level')[0]?.[1][0] === level, 'three observations');
    assert.deepEqual(series('total'), [[{}, [total]]]);
    assert.deepEqual(series('depth'), [[{}, [7]]]);
    assert.equal(series('level').length, 1);
  });

  it('are asked at most once per interval, though the rest is collected ten times a second', async (t) => {
    const { meter } = startRecording(t, { observableIntervalMs: 700 });
    const askedAtMs: number[] = [];
    const jobs = meter.createCounter('jobs');
    meter.createObservableGauge('level').addCallback(() => {
      askedAtMs.push(performance.now());
    });
    await until(() => {
      jobs.add(1);
      return askedAtMs.length >= 3;
    }, 'three observations');
    const gaps = askedAtMs.slice(1).map((atMs, i) => atMs - askedAtMs[i]!);
    assert.ok(
      gaps.every((gap) => gap >= 690),
      `asked after ${gaps} ms`,
    );
  });

  it('whose callback never answers are counted as failures, and the others are read all the same', async (t) => {
    const { meter, series } = startRecording(t, { observableIntervalMs: 100 });
    meter.createObservableGauge('slow').addCallback(() => new Promise(() => {}));
    let level = 0;
    meter.createObservableGauge('level').addCallback((result) => {
      level += 1;
      result.observe(level);
    });
    await until(() => (series('level')[0]?.[1][0] ?? 0) >= 2, 'the others are read twice');
    assert.deepEqual(
      series('errors').map(([attributes]) => attributes),
      [{ cause: 'callback' }],
    );
  });

  it('whose callback throws are counted as failures, and the others are read all the same', async (t) => {
    const { meter, series } = startRecording(t, { observableIntervalMs: 100 });
    meter.createObservableGauge('broken').addCallback(() => {
      throw new Error('no database');
    });
    meter.createObservableGauge('level').addCallback((result) => result.observe(1));
    await until(() => series('errors').some(([, [count]]) => count! >= 2), 'failures are counted');
    assert.deepEqual(
      series('errors').map(([attributes]) => attributes),
      [{ cause: 'callback' }],
    );
    assert.equal(series('level')[0]![1][0], 1);
  });

  it('that are gauges and disappear are hidden, and shown again when they are back', async (t) => {
    const { meter, series } = startRecording(t, { observableIntervalMs: 100 });
    let pools = ['a', 'b'];
    meter.createObservableGauge('level').addCallback((result) => {
      for (const pool of pools) result.observe(1, { pool });
    });
    const shown = () =>
      series('level')
        .filter(([, [, setAtMs]]) => setAtMs !== 0)
        .map(([{ pool }]) => pool)
        .join();
    await until(() => shown() === 'a,b', 'both');
    pools = ['a'];
    await until(() => shown() === 'a', 'one is gone');
    pools = [];
    await until(() => shown() === '', 'both are gone');
    pools = ['b'];
    await until(() => shown() === 'b', 'one is back');
  });

  it('do not hide gauges that the app sets itself', async (t) => {
    const { meter, series, collectNow } = startRecording(t, { observableIntervalMs: 100 });
    let rounds = 0;
    meter.createGauge('set').record(5);
    collectNow();
    meter.createObservableGauge('level').addCallback(() => {
      rounds += 1;
    });
    await until(() => rounds >= 3, 'three observations');
    assert.notEqual(series('set')[0]![1][1], 0);
  });

  it('of a batch are read together, until the callback is removed', async (t) => {
    const { meter, series } = startRecording(t, { observableIntervalMs: 100 });
    const [one, other] = [meter.createObservableGauge('one'), meter.createObservableGauge('other')];
    let rounds = 0;
    const callback: Parameters<Meter['addBatchObservableCallback']>[0] = (result) => {
      rounds += 1;
      result.observe(one, 1);
      result.observe(other, 2);
    };
    meter.addBatchObservableCallback(callback, [one, other]);
    await until(() => series('other').length === 1, 'both are read');
    assert.deepEqual([series('one')[0]![1][0], series('other')[0]![1][0]], [1, 2]);
    meter.removeBatchObservableCallback(callback, [one, other]);
    await until(() => series('one')[0]![1][1] === 0, 'they are gone with it');
    assert.ok(rounds > 0);
  });
});

describe('the cap of series', () => {
  it('sends what comes after it into one overflow series, and counts it', (t) => {
    const { meter, collectNow, series } = startRecording(t, { maxSeries: 3 });
    const counter = meter.createCounter('jobs');
    for (let user = 0; user < 10; user += 1) {
      counter.add(1, { user });
      collectNow();
    }
    counter.add(100, { user: 1 });
    collectNow();
    assert.deepEqual(series('jobs'), [
      [{ user: 0 }, [1]],
      [{ user: 1 }, [101]],
      [{ user: 2 }, [1]],
      [{ 'otel.metric.overflow': true }, [7]],
    ]);
    assert.deepEqual(series('overflow'), [[{ metric: 'jobs' }, [7]]]);
  });

  it('holds for each metric on its own, and loses no histogram', (t) => {
    const { meter, collectNow, series } = startRecording(t, { maxSeries: 1 });
    for (const name of ['a', 'b']) {
      const histogram = meter.createHistogram(name, { advice: { explicitBucketBoundaries: [1] } });
      for (const user of [1, 2, 3]) histogram.record(2, { user });
    }
    collectNow();
    for (const name of ['a', 'b']) {
      assert.deepEqual(
        series(name).map(([, cell]) => cell),
        [
          [2, 0, 1],
          [4, 0, 2],
        ],
      );
    }
  });

  it('counts an observation that it sends into the overflow once', async (t) => {
    const { meter, series } = startRecording(t, { maxSeries: 1, observableIntervalMs: 100 });
    let rounds = 0;
    meter.createObservableGauge('level').addCallback((result) => {
      rounds += 1;
      for (const pool of ['a', 'b', 'c']) result.observe(1, { pool });
    });
    await until(() => rounds >= 2 && series('overflow').length === 1, 'two observations');
    const counted = series('overflow')[0]![1][0];
    assert.ok(counted! <= 2 * rounds, `${counted} counted, ${2 * rounds} observed`);
  });
});

describe('the end', () => {
  it('stops collecting, and the instruments stay usable', async (t) => {
    const { meter, stop, series } = startRecording(t, { observableIntervalMs: 100 });
    let rounds = 0;
    meter.createObservableGauge('level').addCallback(() => {
      rounds += 1;
    });
    const jobs = meter.createCounter('jobs');
    // While they change, instruments are collected ten times a second.
    await until(() => {
      jobs.add(1);
      return rounds >= 3;
    }, 'it is at work');
    stop();
    const before = { rounds, jobs: series('jobs') };
    jobs.add(1000);
    await delay(500);
    assert.deepEqual({ rounds, jobs: series('jobs') }, before);
  });
});
