/**
 * Holds src/record/instruments.ts, instrument-terms.ts and delta-storage.ts with the real SDK: what an app does wrongly with
 * its instruments it does not feel, spoils nothing that it did right, and is counted.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type MetricOptions, ValueType } from '@opentelemetry/api';
import { AggregationType, createAllowListAttributesProcessor } from '@opentelemetry/sdk-metrics';
import { MAX_BOUNDS } from '../src/record/instrument-terms.ts';
import { MAX_INSTRUMENTS } from '../src/record/instruments.ts';
import { setLogLevel } from '../src/report.ts';
import { startRecording } from './recorded-app.ts';

setLogLevel('none');

const CYCLE: Record<string, unknown> = {};
CYCLE['self'] = CYCLE;
const NO_NUMBERS: readonly unknown[] = ['1', 1n, null, undefined, {}, [1], true, Symbol('one'), { valueOf: fail }];
const [NAN, INFINITY] = [Number.NaN, Number.POSITIVE_INFINITY];

describe('attributes', () => {
  it('that the app changes afterwards are what they were when something was recorded', (t) => {
    const { meter, collectNow, series } = startRecording(t);
    const counter = meter.createCounter('jobs');
    const gauge = meter.createGauge('level');
    const histogram = meter.createHistogram('wait', { advice: { explicitBucketBoundaries: [1] } });
    for (let round = 0; round < 2; round += 1) {
      const attributes = { code: 200 };
      for (const code of [200, 500]) {
        attributes.code = code;
        counter.add(1, attributes);
        gauge.record(code, attributes);
        histogram.record(code, attributes);
      }
      attributes.code = 0;
      collectNow();
    }
    assert.deepEqual(series('jobs'), [
      [{ code: 200 }, [2]],
      [{ code: 500 }, [2]],
    ]);
    const levels = series('level').map(([{ code }, [value]]) => [code, value]);
    assert.deepEqual(levels, [
      [200, 200],
      [500, 500],
    ]);
    assert.deepEqual(series('wait'), [
      [{ code: 200 }, [400, 0, 2]],
      [{ code: 500 }, [1000, 0, 2]],
    ]);
  });

  it('that the SDK throws on cost no measurement: what can be told of them is told, and each is counted', (t) => {
    const { meter, collectNow, series } = startRecording(t);
    const counter = meter.createCounter('jobs');
    counter.add(1, { id: 10n } as never);
    counter.add(2, CYCLE as never);
    counter.add(4, { queue: 'a', at: CYCLE } as never);
    counter.add(8, null as never);
    meter.createHistogram('time').record(1, { id: 10n } as never);
    collectNow();
    assert.deepEqual(series('jobs'), [
      [{ id: '10' }, [1]],
      [{}, [10]],
      [{ queue: 'a' }, [4]],
    ]);
    assert.equal(series('time').length, 1);
    assert.deepEqual(series('errors'), [[{ cause: 'attributes' }, [4]]]);
  });

  it('that a processor of a view fails on are counted, and nothing is thrown', (t) => {
    const attributesProcessors = [{ process: fail }];
    const { meter, collectNow, series } = startRecording(t, {
      views: [{ instrumentName: 'jobs', attributesProcessors }],
    });
    meter.createCounter('jobs').add(1, { id: 1 });
    meter.createCounter('others').add(1, { id: 1 });
    collectNow();
    assert.deepEqual([series('jobs').length, series('others').length], [0, 1]);
    assert.deepEqual(series('errors'), [[{ cause: 'record' }, [1]]]);
  });
});

describe('values', () => {
  // Instrument -> what it is given beside 1 and 2, and does not take.
  const NOT_TAKEN = {
    createCounter: [NAN, INFINITY, -INFINITY, -1, ...NO_NUMBERS],
    createUpDownCounter: [NAN, INFINITY, -INFINITY, ...NO_NUMBERS],
    createHistogram: [NAN, INFINITY, -INFINITY, -1, ...NO_NUMBERS],
    createGauge: NO_NUMBERS,
  } as const;
  for (const [make, values] of Object.entries(NOT_TAKEN)) {
    it(`that a ${make.slice('create'.length)} cannot take spoil nothing of the same moment, and are counted`, (t) => {
      const { meter, collectNow, series } = startRecording(t);
      const instrument = meter[make as 'createGauge']('it', {}) as unknown as Record<string, (value: unknown) => void>;
      const record = (instrument['add'] ?? instrument['record'])!.bind(instrument);
      record(1);
      for (const value of values) record(value);
      record(2);
      collectNow();
      assert.equal(series('it')[0]![1][0], make === 'createGauge' ? 2 : 3);
      assert.deepEqual(series('errors'), [[{ cause: 'value' }, [values.length]]]);
    });
  }

  it('of a gauge may be NaN or infinite: that is what it is', (t) => {
    const { meter, collectNow, series } = startRecording(t);
    for (const value of [NAN, INFINITY, -INFINITY]) meter.createGauge('level').record(value, { value });
    collectNow();
    assert.deepEqual(
      series('level').map(([{ value }, [level]]) => [value, level]),
      [
        ['NaN', NAN],
        ['Infinity', INFINITY],
        ['-Infinity', -INFINITY],
      ],
    );
  });

  it('that come to more than a number can hold are left out, and the sum stays one', (t) => {
    const { meter, collectNow, series } = startRecording(t);
    const counter = meter.createCounter('jobs');
    for (let i = 0; i < 3; i += 1) {
      counter.add(1e308);
      collectNow();
    }
    assert.deepEqual(series('jobs'), [[{}, [1e308]]]);
    assert.deepEqual(series('errors'), [[{ cause: 'value' }, [2]]]);
  });

  it('of an instrument of whole numbers lose what is behind the point', (t) => {
    const { meter, collectNow, series } = startRecording(t);
    meter.createCounter('jobs', { valueType: ValueType.INT }).add(1.9);
    collectNow();
    assert.deepEqual(series('jobs'), [[{}, [1]]]);
  });
});

describe('an instrument', () => {
  it('that is made of what is no name, no text and no list is made all the same, or measures nothing', (t) => {
    const { meter, provider, collectNow, descriptors } = startRecording(t);
    const odd = [undefined, null, 5, {}, Symbol('s'), { toString: fail }, Object.create(null), 'x'.repeat(1_000_000)];
    for (const name of odd) {
      for (let twice = 0; twice < 2; twice += 1) {
        meter.createCounter(name as string).add(1);
        meter.createObservableGauge(name as string).addCallback(() => {});
      }
      const options = { description: name, unit: name, valueType: name, advice: { explicitBucketBoundaries: name } };
      meter.createHistogram('h', options as never).record(1);
      meter.createHistogram('h', name as never).record(1);
      provider
        .getMeter(name as string, name as string, { schemaUrl: name as string })
        .createGauge('g')
        .record(1);
    }
    collectNow();
    for (const { name, unit, description, scope } of descriptors()) {
      for (const text of [name, unit, description, scope]) assert.ok(typeof text === 'string' && text.length <= 1024);
    }
    assert.ok(descriptors().length > 5);
  });

  it('with bounds in text has them as numbers, and one with bounds that are none has the default ones', (t) => {
    const { meter, collectNow, descriptors, series } = startRecording(t);
    const bounds = (name: string, explicitBucketBoundaries: unknown) => {
      meter.createHistogram(name, { advice: { explicitBucketBoundaries } } as MetricOptions).record(1.5);
      meter.createCounter(`after.${name}`).add(1);
    };
    bounds('text', '2,1,1'.split(','));
    bounds('none', ['a', 1]);
    bounds('string', 'abc');
    bounds(
      'many',
      Array.from({ length: MAX_BOUNDS + 1 }, (_, i) => i),
    );
    bounds('empty', []);
    collectNow();
    const boundsOf = (name: string) => descriptors().find((descriptor) => descriptor.name === name)!.bounds![0]!;
    assert.deepEqual(boundsOf('text'), [1, 2]);
    for (const name of ['none', 'string', 'many']) assert.equal(boundsOf(name).length, 15, name);
    assert.deepEqual(boundsOf('empty'), []);
    for (const name of ['text', 'none', 'string', 'many', 'empty'])
      assert.deepEqual(series(`after.${name}`), [[{}, [1]]]);
    assert.deepEqual(series('errors'), [[{ cause: 'unsupported' }, [3]]]);
  });

  it('whose bounds are odd by a view harms no other', (t) => {
    const views = [[1, NAN], ['1', '2'], [NAN]].map((boundaries, i) => ({
      instrumentName: `h${i}`,
      aggregation: { type: AggregationType.EXPLICIT_BUCKET_HISTOGRAM, options: { boundaries } },
    }));
    const { meter, collectNow, series } = startRecording(t, { views });
    for (const i of [0, 1, 2]) {
      for (const value of [0.5, 1.5, 5]) meter.createHistogram(`h${i}`).record(value);
      meter.createCounter(`after${i}`).add(1);
    }
    collectNow();
    for (const i of [0, 1, 2]) {
      meter.createHistogram(`h${i}`).record(7);
      collectNow();
      assert.deepEqual(series(`after${i}`), [[{}, [1]]]);
      const [sum, ...counts] = series(`h${i}`)[0]![1];
      assert.equal(sum, 14);
      assert.equal(
        counts.reduce((a, b) => a + b, 0),
        4,
      );
    }
  });

  it('of one name made again and again is one, and keeps its cap', (t) => {
    const { meter, collectNow, series } = startRecording(t, { maxSeries: 3 });
    for (let user = 0; user < 2 * MAX_INSTRUMENTS; user += 1) meter.createCounter('jobs').add(1, { user });
    collectNow();
    assert.equal(series('jobs').length, 4);
    assert.deepEqual(series('errors'), []);
  });

  it('beyond a thousand measures nothing, is told once, and what it was given is counted', (t) => {
    const { meter, provider, collectNow, series, descriptors } = startRecording(t);
    const makers = ['createCounter', 'createUpDownCounter', 'createHistogram', 'createGauge'] as const;
    for (let i = 0; i < 5 * MAX_INSTRUMENTS; i += 1) {
      const from = i % 2 ? meter : provider.getMeter(`library ${i}`);
      const instrument = from[makers[i % 4]!](`request.${i}`) as unknown as Record<string, (value: number) => void>;
      (instrument['add'] ?? instrument['record'])!.call(instrument, 1);
    }
    const observable = meter.createObservableGauge('one.more');
    observable.addCallback(fail);
    observable.removeCallback(fail);
    meter.addBatchObservableCallback(fail, [observable]);
    meter.createCounter('request.1').add(1);
    collectNow();
    assert.equal(descriptors().length, MAX_INSTRUMENTS);
    assert.deepEqual(series('request.1')[0]![1], [1], 'an up-down counter of this name was there');
    assert.deepEqual(series('overflow'), [[{ metric: 'instruments' }, [4 * MAX_INSTRUMENTS + 1]]]);
    assert.deepEqual(series('errors'), [[{ cause: 'instruments' }, [4 * MAX_INSTRUMENTS + 2]]]);
  });
});

describe('the cap of series', () => {
  it('counts each measurement above it, and takes none of those below it, in one moment as in many', (t) => {
    for (const every of [1, 7, 1000]) {
      const { meter, collectNow, series } = startRecording(t, { maxSeries: 50 });
      const jobs = meter.createCounter('jobs');
      const wait = meter.createHistogram('wait', { advice: { explicitBucketBoundaries: [1] } });
      for (let i = 0; i < 1000; i += 1) {
        jobs.add(1, { user: i });
        jobs.add(1, { user: i % 50 });
        wait.record(2, { user: i });
        if (i % every === 0) collectNow();
      }
      collectNow();
      const overflow = { 'otel.metric.overflow': true };
      assert.equal(series('jobs').length, 51);
      for (const [attributes, [value]] of series('jobs')) {
        assert.equal(value, attributes['user'] === undefined ? 950 : 21, JSON.stringify(attributes));
      }
      assert.deepEqual(series('wait').at(-1), [overflow, [1900, 0, 950]]);
      assert.deepEqual(series('overflow'), [
        [{ metric: 'jobs' }, [950]],
        [{ metric: 'wait' }, [950]],
      ]);
    }
  });

  it('may be above that of the SDK', (t) => {
    const { meter, collectNow, series } = startRecording(t, { maxSeries: 5000, views: [{ instrumentName: 'viewed' }] });
    for (const name of ['jobs', 'viewed']) {
      for (let user = 0; user < 5000; user += 1) meter.createCounter(name).add(1, { user });
    }
    collectNow();
    assert.deepEqual([series('jobs').length, series('viewed').length], [5000, 5000]);
    assert.deepEqual(series('overflow'), []);
  });

  it('is for what is left when a view has taken attributes away, and lower where the view says so', (t) => {
    const attributesProcessors = [createAllowListAttributesProcessor(['queue'])];
    const views = [
      { instrumentName: 'jobs', attributesProcessors },
      { instrumentName: 'limited', aggregationCardinalityLimit: 3 },
    ];
    const { meter, collectNow, series } = startRecording(t, { maxSeries: 10, views });
    for (const name of ['jobs', 'limited']) {
      for (let user = 0; user < 100; user += 1) meter.createCounter(name).add(1, { user, queue: user % 2 });
    }
    collectNow();
    assert.deepEqual(series('jobs'), [
      [{ queue: 0 }, [50]],
      [{ queue: 1 }, [50]],
    ]);
    assert.deepEqual(
      series('limited').map(([, cell]) => cell),
      [[1], [1], [98]],
    );
    assert.deepEqual(series('overflow'), [[{ metric: 'limited' }, [98]]]);
  });

  it('holds for a metric that a view has made of several, too', (t) => {
    const views = ['jobs.a', 'jobs.b'].map((instrumentName) => ({ instrumentName, name: 'jobs' }));
    const { meter, collectNow, series } = startRecording(t, { maxSeries: 4, views });
    for (const name of ['jobs.a', 'jobs.b']) {
      const valueType = name === 'jobs.a' ? ValueType.INT : ValueType.DOUBLE;
      for (let user = 0; user < 4; user += 1) meter.createCounter(name, { valueType }).add(1, { [name]: user });
    }
    collectNow();
    assert.deepEqual(
      series('jobs').map(([, cell]) => cell),
      [[1], [1], [1], [1], [4]],
    );
    assert.deepEqual(series('overflow'), [[{ metric: 'jobs' }, [4]]]);
  });

  it('bounds what the process holds, whatever an app makes of its attributes', (t) => {
    const { meter, collectNow, series, table } = startRecording(t, { maxSeries: 100 });
    const jobs = meter.createCounter('jobs');
    let used = 0;
    for (let i = 0; i < 200_000; i += 1) {
      jobs.add(1, { id: `${i}`.padEnd(40, 'x') });
      if (i === 20_000) {
        collectNow();
        used = table.dictionary.length;
      }
    }
    collectNow();
    assert.equal(table.dictionary.length, used);
    assert.equal(series('jobs').length, 101);
    assert.deepEqual(series('overflow'), [[{ metric: 'jobs' }, [199_900]]]);
  });
});

describe('a view that drops an instrument', () => {
  it('leaves nothing of it', (t) => {
    const views = [{ instrumentName: 'jobs', aggregation: { type: AggregationType.DROP } }];
    const { meter, collectNow, series } = startRecording(t, { views });
    for (let user = 0; user < 10; user += 1) meter.createCounter('jobs').add(1, { user });
    collectNow();
    assert.deepEqual([series('jobs'), series('errors'), series('overflow')], [[], [], []]);
  });
});

function fail(): never {
  throw new Error('what the app does wrongly');
}
