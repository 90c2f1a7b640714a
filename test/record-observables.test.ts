/** Holds src/record/observables.ts with the real SDK: whatever callbacks do, and whatever they tell. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it, type TestContext } from 'node:test';
import type { BatchObservableCallback, ObservableCallback } from '@opentelemetry/api';
import { createAllowListAttributesProcessor } from '@opentelemetry/sdk-metrics';
import { setLogLevel } from '../src/report.ts';
import { until } from './processes.ts';
import { startRecording } from './recorded-app.ts';

setLogLevel('none');

const APP_METRICS = new URL('../src/record/app-metrics.js', import.meta.url);

// A round of callbacks takes a second where nothing else happens.
describe('a callback', { concurrency: true }, () => {
  it('that tells what the SDK throws on is not thrown at, and what can be told is', async (t) => {
    const { meter, series, rounds } = observing(t);
    let thrown: unknown;
    const observe: ObservableCallback = (result) => {
      try {
        result.observe(1, { id: 1n } as never);
        result.observe(2, null as never);
        result.observe('x' as never, { no: 'number' });
        result.observe(Number.NaN, { no: 'number' });
      } catch (error) {
        thrown = error;
      }
    };
    meter.createObservableUpDownCounter('depth').addCallback(observe);
    const level = meter.createObservableGauge('level');
    meter.addBatchObservableCallback(
      (result) => observe({ observe: (...args) => result.observe(level, ...args) }),
      [level],
    );
    await rounds(2);
    assert.equal(thrown, undefined);
    assert.deepEqual(series('depth'), [
      [{ id: '1' }, [1]],
      [{}, [2]],
    ]);
    const levels = series('level').map(([attributes, [value]]) => [attributes, value]);
    assert.deepEqual(levels, [
      [{ id: '1' }, 1],
      [{}, 2],
      [{ no: 'number' }, Number.NaN],
    ]);
    const causes = series('errors').map(([{ cause }]) => cause);
    assert.deepEqual(causes.sort(), ['attributes', 'value']);
  });

  it('that changes its attributes between two observations has told of two series', async (t) => {
    const { meter, series, rounds } = observing(t);
    meter.createObservableUpDownCounter('depth').addCallback((result) => {
      const attributes = { pool: 'a' };
      result.observe(1, attributes);
      attributes.pool = 'b';
      result.observe(2, attributes);
    });
    await rounds(2);
    assert.deepEqual(series('depth'), [
      [{ pool: 'a' }, [1]],
      [{ pool: 'b' }, [2]],
    ]);
  });

  it('that told a counter NaN or less than nothing has spoilt nothing of what it tells later', async (t) => {
    const { meter, series, rounds } = observing(t);
    const values = [10, Number.NaN, -5, Number.POSITIVE_INFINITY, 20];
    let value = 0;
    meter.createObservableCounter('total').addCallback((result) => {
      value = values.shift() ?? value;
      result.observe(value);
    });
    await rounds(6);
    assert.deepEqual(series('total'), [[{}, [20]]]);
  });

  it('that tells of another instrument than its own tells nothing', async (t) => {
    const { meter, series, rounds } = observing(t);
    const [own, other] = [meter.createObservableGauge('own'), meter.createObservableGauge('other')];
    const counter = meter.createCounter('counter');
    meter.addBatchObservableCallback(
      (result) => {
        for (const instrument of [own, other, counter, undefined, 5]) result.observe(instrument as never, 1);
      },
      [own],
    );
    await rounds(2);
    assert.deepEqual([series('own').length, series('other').length, series('counter').length], [1, 0, 0]);
    assert.deepEqual(series('errors'), []);
  });

  it('that is none is counted, and the app goes on', async (t) => {
    const { meter, series, rounds } = observing(t);
    const level = meter.createObservableGauge('level');
    for (const callback of [undefined, null, 5, {}]) {
      level.addCallback(callback as never);
      level.removeCallback(callback as never);
      meter.addBatchObservableCallback(callback as never, [level]);
      meter.removeBatchObservableCallback(callback as never, undefined as never);
    }
    await rounds(1);
    assert.deepEqual(
      series('errors')
        .map(([{ cause }]) => cause)
        .sort(),
      ['callback', 'unsupported'],
    );
  });

  it('that does not answer is not asked again until it has, and its gauges are not shown meanwhile', async (t) => {
    const { meter, series, rounds } = observing(t);
    let asked = 0;
    let answer = () => {};
    meter.createObservableGauge('slow').addCallback(async (result) => {
      asked += 1;
      if (asked === 2) await new Promise<void>((resolve) => (answer = resolve));
      result.observe(asked);
    });
    await until(() => asked === 2, 'it hangs');
    await rounds(2);
    assert.equal(asked, 2);
    assert.equal(series('slow')[0]![1][1], 0);
    assert.ok(series('errors')[0]![1][0]! >= 2);
    answer();
    await until(() => series('slow')[0]![1][0]! >= 3 && series('slow')[0]![1][1] !== 0, 'it is asked again and shown');
  });

  it('of two batches is asked for both at once, also while it is at work', async (t) => {
    const { meter, series, rounds } = observing(t);
    const [one, other] = [meter.createObservableGauge('one'), meter.createObservableGauge('other')];
    const callback: BatchObservableCallback = async (result) => {
      await undefined;
      result.observe(one, 1);
      result.observe(other, 2);
    };
    meter.addBatchObservableCallback(callback, [one]);
    meter.addBatchObservableCallback(callback, [other]);
    await rounds(2);
    assert.deepEqual([series('one')[0]![1][0], series('other')[0]![1][0]], [1, 2]);
    assert.deepEqual(series('errors'), []);
  });

  it('that is removed is not asked any more, and what it told of is no part of any sum', async (t) => {
    const { meter, series, rounds } = observing(t);
    let value = 5;
    const depth = meter.createObservableUpDownCounter('depth');
    const total = meter.createObservableCounter('total');
    const callback: ObservableCallback = (result) => result.observe(value, { pool: 'a' });
    depth.addCallback(callback);
    total.addCallback(callback);
    await until(() => series('depth')[0]?.[1][0] === 5, 'it is told');
    depth.removeCallback(callback);
    total.removeCallback(callback);
    await until(() => series('depth')[0]![1][0] === 0, 'it has left the sum');
    assert.equal(series('total')[0]![1][0], 5);
    await rounds(1);
    value = 7;
    depth.addCallback(callback);
    total.addCallback(callback);
    await until(() => series('depth')[0]![1][0] !== 0, 'it is back');
    assert.deepEqual([series('depth')[0]![1], series('total')[0]![1]], [[7], [7]]);
  });
});

describe('ten thousand series of a callback', { concurrency: true }, () => {
  it('are the cap and one that holds the others, whose value is what they come to', async (t) => {
    const { meter, series, rounds } = observing(t, { maxSeries: 100 });
    const observe: ObservableCallback = (result) => {
      for (let id = 0; id < 10_000; id += 1) result.observe(id % 2 ? 50 : 100, { id });
    };
    meter.createObservableCounter('total').addCallback(observe);
    meter.createObservableUpDownCounter('depth').addCallback(observe);
    meter.createObservableGauge('level').addCallback(observe);
    await rounds(3);
    for (const name of ['total', 'depth', 'level']) {
      const all = series(name);
      assert.equal(all.length, 101, name);
      const overflow = all.find(([attributes]) => 'otel.metric.overflow' in attributes)!;
      assert.equal(overflow[1][0], name === 'level' ? 50 : (9900 / 2) * 150, name);
    }
    const counted = series('overflow').map(([{ metric }, [count]]) => [metric, count! % 9900]);
    assert.deepEqual(counted, [
      ['total', 0],
      ['depth', 0],
      ['level', 0],
    ]);
  });

  it('of which some are not told of any more do not make the total of the others rise', async (t) => {
    const { meter, series, rounds } = observing(t, { maxSeries: 1 });
    let ids = [1, 2, 3, 4];
    meter.createObservableCounter('total').addCallback((result) => {
      for (const id of ids) result.observe(100, { id });
    });
    await until(() => series('total').length === 2, 'the overflow');
    ids = [1, 2];
    await rounds(2);
    ids = [1, 2, 3, 4];
    await rounds(2);
    assert.deepEqual(
      series('total').map(([, cell]) => cell),
      [[100], [300]],
    );
  });

  it('are as many as a view leaves of them', async (t) => {
    const attributesProcessors = [createAllowListAttributesProcessor(['pool'])];
    const views = [{ instrumentName: 'level', attributesProcessors }];
    const { meter, series, rounds } = observing(t, { maxSeries: 10, views });
    meter.createObservableGauge('level').addCallback((result) => {
      for (let id = 0; id < 1000; id += 1) result.observe(id, { id, pool: id % 2 });
    });
    await rounds(2);
    assert.deepEqual(
      series('level').map(([attributes, [value]]) => [attributes, value]),
      [
        [{ pool: 0 }, 998],
        [{ pool: 1 }, 999],
      ],
    );
    assert.deepEqual(series('overflow'), []);
  });
});

it('a callback that never answers keeps no process alive', () => {
  const source = `
    import { startAppMetrics } from ${JSON.stringify(APP_METRICS)};
    const nothing = { count() {}, changed() {} };
    const table = { define: () => 0, add: () => 0, values: new Float64Array(64) };
    const { provider } = startAppMetrics({ table, writer: nothing, failures: nothing, observableIntervalMs: 600_000, maxSeries: 9 });
    provider.getMeter('app').createObservableGauge('slow').addCallback(() => {
      console.log('asked');
      return new Promise(() => {});
    });
    const alive = setInterval(() => {}, 1000);
    setTimeout(() => clearInterval(alive), 3000);`;
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '--eval', source], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  assert.deepEqual({ stdout, stderr, status }, { stdout: 'asked\n', stderr: '', status: 0 });
});

// Callbacks are asked ten times a second as long as other instruments change.
function observing(t: TestContext, options: Parameters<typeof startRecording>[1] = {}) {
  const recording = startRecording(t, { observableIntervalMs: 100, ...options });
  const busy = recording.meter.createCounter('busy');
  let asked = 0;
  recording.provider
    .getMeter('rounds')
    .createObservableGauge('rounds')
    .addCallback(() => {
      asked += 1;
    });
  /** Waits until callbacks have been asked, and read, so many times more. */
  const rounds = async (count: number) => {
    const enough = asked + count + 1;
    await until(() => {
      busy.add(1);
      return asked >= enough;
    }, `${count} rounds`);
  };
  return { ...recording, rounds };
}
