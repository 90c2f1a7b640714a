/** Holds src/catalogue/naming.ts: whatever an app calls its metrics and attributes, Prometheus accepts what comes out. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AggregationTemporality, DataPointType } from '@opentelemetry/sdk-metrics';
import fc from 'fast-check';
import { prometheusLabels, prometheusName } from '../src/catalogue/naming.ts';
import type { MetricKind } from '../src/snapshot/series-table.ts';
import { render } from './scenes.ts';

const METRIC_NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

// OTel name, unit, kind -> Prometheus name.
const NAMES: readonly [string, string, MetricKind, string][] = [
  ['http.server.request.duration', 's', 'histogram', 'http_server_request_duration_seconds'],
  ['queue.wait', 'ms', 'histogram', 'queue_wait_milliseconds'],
  ['nodejs.gc', 'ns', 'histogram', 'nodejs_gc_nanoseconds'],
  ['job.age', 'min', 'gauge', 'job_age_minutes'],
  ['job.age', 'h', 'gauge', 'job_age_hours'],
  ['job.age', 'd', 'gauge', 'job_age_days'],
  ['uploads', 'By', 'counter', 'uploads_bytes_total'],
  ['heap', 'MiBy', 'gauge', 'heap_mebibytes'],
  ['disk', 'GBy', 'gauge', 'disk_gigabytes'],
  ['cpu.load', '%', 'gauge', 'cpu_load_percent'],
  ['room.temperature', 'Cel', 'gauge', 'room_temperature_celsius'],
  ['cache.fill', '1', 'gauge', 'cache_fill_ratio'],
  ['cache.hits', '1', 'counter', 'cache_hits_total'],
  ['sessions', '1', 'updowncounter', 'sessions'],
  ['batch.size', '1', 'histogram', 'batch_size'],
  ['jobs', '{job}', 'counter', 'jobs_total'],
  ['queue.depth', '{message}', 'updowncounter', 'queue_depth'],
  ['wind.speed', 'm/s', 'gauge', 'wind_speed_meters_per_second'],
  ['throughput', 'By/s', 'gauge', 'throughput_bytes_per_second'],
  ['packets', '{packet}/s', 'gauge', 'packets_per_second'],
  ['leaks', 'By/m', 'gauge', 'leaks_bytes_per_minute'],
  ['distance', 'furlong', 'gauge', 'distance_furlong'],
  // Already suffixed: no suffix twice.
  ['request.duration.seconds', 's', 'histogram', 'request_duration_seconds'],
  ['uploads.bytes', 'By', 'counter', 'uploads_bytes_total'],
  ['uploads_bytes_total', 'By', 'counter', 'uploads_bytes_total'],
  ['requests_total', '', 'counter', 'requests_total'],
  ['requests.total', '', 'counter', 'requests_total'],
  ['fill_ratio', '1', 'gauge', 'fill_ratio'],
  ['seconds', 's', 'gauge', 'seconds'],
  // A suffix is a word of its own: this name only ends in the same letters.
  ['milliseconds', 's', 'gauge', 'milliseconds_seconds'],
  // Only counters are totals.
  ['visitors_total', '', 'gauge', 'visitors_total'],
  // Characters.
  ['plain', '', 'gauge', 'plain'],
  ['plain', '', 'counter', 'plain_total'],
  ['my-app.jobs/done', '', 'gauge', 'my_app_jobs_done'],
  ['a..b__c', '', 'gauge', 'a_b_c'],
  ['_private_', '', 'gauge', 'private'],
  ['1st.place', '', 'gauge', '_1st_place'],
  ['404s', '', 'counter', '_404s_total'],
  ['größe', '', 'gauge', 'gr_e'],
  ['☃', '', 'gauge', 'unnamed'],
  ['', '', 'counter', 'unnamed_total'],
];

describe('the name of a metric', () => {
  for (const [name, unit, kind, expected] of NAMES) {
    it(`${expected} is that of the ${kind} ${JSON.stringify(name)} in ${JSON.stringify(unit)}`, () => {
      assert.equal(prometheusName({ name, unit, kind }), expected);
    });
  }

  it('matches the grammar of Prometheus, whatever the app calls it', () => {
    fc.assert(
      fc.property(hostileText, hostileText, kinds, (name, unit, kind) => {
        assert.match(prometheusName({ name, unit, kind }), METRIC_NAME);
      }),
      { numRuns: 2000 },
    );
  });

  it('ends in _total for every counter, once', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z._]{1,12}$/), hostileText, (name, unit) => {
        assert.match(prometheusName({ name, unit, kind: 'counter' }), /_total$/);
        assert.equal(
          prometheusName({ name: `${name}x_total`, unit: '', kind: 'counter' }).match(/_total/g)!.length,
          1 + (name.match(/_total/g)?.length ?? 0),
        );
      }),
    );
  });

  it('is the one that the serializer writes: what it changed would escape our look for names given twice', async () => {
    await fc.assert(
      fc.asyncProperty(hostileText, hostileText, kinds, async (name, unit, kind) => {
        const ours = prometheusName({ name, unit, kind });
        const text = await render([
          {
            descriptor: { name: ours, unit: '', description: 'x', valueType: 1 },
            aggregationTemporality: AggregationTemporality.CUMULATIVE,
            dataPointType: DataPointType.SUM,
            isMonotonic: kind === 'counter',
            dataPoints: [{ startTime: [0, 0], endTime: [0, 0], attributes: {}, value: 1 }],
          },
        ]);
        assert.ok(text.includes(`\n${ours} 1\n`), `${JSON.stringify(ours)} in ${text}`);
      }),
    );
  });
});

describe('the labels of a series', () => {
  it('are the attributes by the letters that Prometheus has', () => {
    assert.deepEqual(prometheusLabels({ 'http.method': 'GET', 'a-b': 'x', ok: 'y', '1st': 'z', ü: 'u', ':c': 'v' }), {
      http_method: 'GET',
      a_b: 'x',
      ok: 'y',
      key_1st: 'z',
      _: 'u',
      _c: 'v',
    });
  });

  it('of attributes that become one label are joined with a semicolon, in the order of the attributes', () => {
    assert.deepEqual(prometheusLabels({ a_b: 3, 'a.b': 2, 'a-b': 1, other: 'x' }), { a_b: '1;2;3', other: 'x' });
    assert.deepEqual(prometheusLabels({ le: 'app', exported_le: 'mine' }), { exported_le: 'mine;app' });
  });

  it('that the format or this package gives are left to them', () => {
    assert.deepEqual(prometheusLabels({ le: '1', quantile: '2', worker_id: '3', 'worker.id': '4' }), {
      exported_le: '1',
      exported_quantile: '2',
      exported_worker_id: '4;3',
    });
    for (const label of Object.keys(prometheusLabels({ __name__: 'x', __address__: 'y', job: 'z' }))) {
      assert.doesNotMatch(label, /^__/);
    }
  });

  it('have values as text, lists as JSON, and nothing as the empty text', () => {
    assert.deepEqual(
      prometheusLabels({ text: 'a"b\n', number: 1.5, yes: true, list: ['a', 'b'], nothing: undefined, no: null }),
      { text: 'a"b\n', number: '1.5', yes: 'true', list: '["a","b"]', nothing: '', no: '' },
    );
  });

  it('are text that UTF-8 can tell: halves of a character are the sign for what is none', () => {
    assert.deepEqual(prometheusLabels({ a: 'x\ud800y', b: '\udc00', c: '\ud83d\ude00' }), {
      a: 'x\ufffdy',
      b: '\ufffd',
      c: '\ud83d\ude00',
    });
  });

  it('of an attribute that every object seems to have is what the app gave', () => {
    assert.deepEqual(prometheusLabels({ constructor: 'a', toString: 'b' }), { constructor: 'a', toString: 'b' });
  });

  it('match the grammar, are given once, and lose no value, whatever the app calls its attributes', () => {
    const attributes = fc.dictionary(
      hostileText,
      fc.oneof(fc.string(), fc.double(), fc.boolean(), fc.array(fc.string())),
      {
        maxKeys: 6,
      },
    );
    fc.assert(
      fc.property(attributes, (attributes) => {
        const labels = prometheusLabels(attributes);
        for (const [label, text] of Object.entries(labels)) {
          assert.match(label, LABEL_NAME);
          assert.doesNotMatch(label, /^(__|le$|quantile$|worker_id$)/);
          assert.equal(typeof text, 'string');
        }
        const length = (texts: string[]) => texts.reduce((sum, text) => sum + text.length, 0);
        const given = Object.values(attributes).map((value) =>
          typeof value === 'string' ? value : JSON.stringify(value),
        );
        const joints = Object.keys(attributes).length - Object.keys(labels).length;
        assert.equal(length(Object.values(labels)), length(given) + joints);
      }),
      { numRuns: 1000 },
    );
  });
});

const kinds = fc.constantFrom<MetricKind>('counter', 'updowncounter', 'histogram', 'gauge');
const hostileText = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.string({ unit: 'binary', maxLength: 6 }),
  fc.constantFrom(
    'a.b',
    'a_b',
    'a-b',
    'a:b',
    'le',
    'quantile',
    'worker_id',
    '__name__',
    '1',
    '%',
    '{x}/s',
    '/',
    'm/s/s',
  ),
  fc.constantFrom('constructor', 'toString', 'valueOf', '__proto__', 'hasOwnProperty'),
);
