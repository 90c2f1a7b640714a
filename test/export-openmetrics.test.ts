/** Holds src/export/openmetrics.ts: what the specification allows and nothing else, with the values of text format 0.0.4. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Resource } from '@opentelemetry/resources';
import type { MetricData } from '@opentelemetry/sdk-metrics';
import fc from 'fast-check';
import { METRICS } from '../src/catalogue/metrics.ts';
import { project } from '../src/catalogue/views.ts';
import { Exposition, type Shown } from '../src/export/exposition.ts';
import { canonicalNumber } from '../src/export/openmetrics.ts';
import { type Attributes, type MetricDescriptor, SeriesTable } from '../src/snapshot/series-table.ts';
import { parseExposition, type Sample } from './exposition.ts';
import { boundOf, parseOpenMetrics } from './openmetrics.ts';
import { EXPORTER, measure, NOW_MS, sceneOf, serve, VIEW_OPTIONS } from './scenes.ts';

type Kind = 'counter' | 'updowncounter' | 'gauge' | 'histogram';
interface Told {
  readonly name: string;
  readonly unit: string;
  readonly description: string;
  readonly kind: Kind;
  readonly bounds: number[];
  readonly series: { attributes: Attributes; value: number; counts: number[] }[];
}

const EXPOSITION = new Exposition();

const hostile = fc.oneof(
  fc.constantFrom(
    '',
    '_',
    '__',
    '1st',
    'le',
    'jobs',
    'jobs.total',
    'jobs_created',
    'jobs_count',
    'jobs_bucket',
    'target',
  ),
  fc.constantFrom(
    'target_info',
    'größe',
    '__proto__',
    '\ud800',
    'a\\b',
    'two\nlines',
    'say "it"',
    '\\n',
    '\\"',
    '\r\t',
  ),
  fc.constantFrom('☃🧨', '}', '{a="b"} 1\nc 2', '# EOF', '# EOF\n', 'worker_id', 'a.b', 'a_b'),
  fc.string({ unit: 'binary', maxLength: 8 }),
);
const values = fc.oneof(
  fc.double(),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.constantFrom(-0, 1e21, 1e-7, 0.1 + 0.2, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
);
const attributes = fc.dictionary(hostile, fc.oneof(hostile, values, fc.boolean()), { maxKeys: 4 });
const bounds = fc
  .uniqueArray(
    fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.constantFrom(-1, 0, 0.005, 0.1, 1, 10, 1e6, 2 ** 20),
    ),
    {
      maxLength: 5,
    },
  )
  .map((list) => [...new Set(list.map((bound) => bound || 0))].sort((a, b) => a - b));
const told: fc.Arbitrary<Told> = fc.record({
  name: hostile,
  unit: fc.oneof(fc.constantFrom('', 's', 'By', '1', '{job}', '%', 'ms'), hostile),
  description: hostile,
  kind: fc.constantFrom<Kind>('counter', 'updowncounter', 'gauge', 'histogram'),
  bounds,
  series: fc.array(
    fc.record({
      attributes: attributes as fc.Arbitrary<Attributes>,
      value: values,
      counts: fc.array(fc.nat(), { minLength: 7, maxLength: 7 }),
    }),
    {
      minLength: 1,
      maxLength: 4,
    },
  ),
});

describe('OpenMetrics text', () => {
  it('of whatever an app measures is allowed by the specification, and has the values of text format 0.0.4', () => {
    let families = 0;
    fc.assert(
      fc.property(fc.array(told, { maxLength: 8 }), attributes, (list, resource) => {
        const table = new SeriesTable();
        for (const metric of list) addTo(table, metric);
        const metrics = project(sceneOf([{ table }]), EXPORTER, VIEW_OPTIONS);
        const read = parseOpenMetrics(render(metrics, { format: 'openmetrics' }, resource as Attributes));
        families += read.length;
        const samples = read.flatMap((family) => family.samples);
        assertSameValues(
          parseExposition(render(metrics)),
          samples.filter(({ name }) => name !== 'target_info'),
        );
      }),
      { numRuns: 400 },
    );
    assert.ok(families > 10_000);
  });

  it('is read by this parser only where it is right', () => {
    const right =
      '# TYPE a counter\n# HELP a b\na_total 1\n# TYPE h histogram\nh_bucket{le="1.0"} 1\nh_bucket{le="+Inf"} 2\nh_count 2\nh_sum 3\n# EOF\n';
    assert.equal(parseOpenMetrics(right).length, 2);
    const wrong: Record<string, (text: string) => string> = {
      'no end': (text) => text.replace('# EOF\n', ''),
      'something behind the end': (text) => `${text}a_total 1\n`,
      'a blank line': (text) => text.replace('# TYPE h', '\n# TYPE h'),
      'a sample of another family': (text) => text.replace('a_total 1', 'b_total 1'),
      'a counter without its suffix': (text) => text.replace('a_total 1', 'a 1'),
      'a counter below zero': (text) => text.replace('a_total 1', 'a_total -1'),
      'a counter that is no number': (text) => text.replace('a_total 1', 'a_total NaN'),
      'a series twice': (text) => text.replace('a_total 1', 'a_total 1\na_total 1'),
      'a bound that is not canonical': (text) => text.replace('1.0', '1'),
      'no bucket for all': (text) => text.replace('h_bucket{le="+Inf"} 2\n', ''),
      'buckets that fall': (text) => text.replace('h_bucket{le="1.0"} 1', 'h_bucket{le="1.0"} 3'),
      'a count that is not that of all': (text) => text.replace('h_count 2', 'h_count 3'),
      'a sum without a count': (text) => text.replace('h_count 2\n', ''),
      'the count in front': (text) => text.replace('h_count 2\n', '').replace('h_bucket', 'h_count 2\nh_bucket'),
      'a unit that is not in the name': (text) => text.replace('# HELP a b', '# UNIT a seconds'),
      'a quote in the help': (text) => text.replace('# HELP a b', '# HELP a "b"'),
      'the help behind the samples': (text) => text.replace(/(# HELP a b\n)(a_total 1\n)/, '$2$1'),
      'a type twice': (text) => text.replace('# HELP a b', '# TYPE a counter'),
      'a family twice': (text) => text.replace('# EOF', '# TYPE a counter\na_total 2\n# EOF'),
      'a family with the name of another one’s sample': (text) => text.replace('# EOF', '# TYPE h_sum gauge\n# EOF'),
      'a label that is none': (text) => text.replace('a_total 1', 'a_total{1="b"} 1'),
      'a label that is reserved': (text) => text.replace('a_total 1', 'a_total{__b="c"} 1'),
      'a label twice': (text) => text.replace('a_total 1', 'a_total{b="1",b="2"} 1'),
      'a comma too many': (text) => text.replace('a_total 1', 'a_total{b="1",} 1'),
      'a comment': (text) => `# a comment\n${text}`,
    };
    for (const [what, spoil] of Object.entries(wrong)) {
      assert.notEqual(spoil(right), right, what);
      assert.throws(() => parseOpenMetrics(spoil(right)), assert.AssertionError, what);
    }
  });

  it('tells every metric of the catalogue under its own type and unit: no two clash', () => {
    const metrics = project(sceneOf([{ table: serve([{}]) }]), EXPORTER, VIEW_OPTIONS);
    const families = parseOpenMetrics(render(metrics, { format: 'openmetrics' }, { 'service.name': 'shop' }));
    assert.deepEqual(
      families.slice(1).map(({ name, type, unit }) => ({ name, type, unit })),
      METRICS.map(({ name, type, unit }) => ({
        name: type === 'counter' ? name.replace(/_total$/, '') : name,
        type,
        unit,
      })),
    );
    const [target] = families;
    assert.deepEqual([target!.name, target!.type], ['target', 'info']);
    assert.deepEqual(target!.samples, [{ name: 'target_info', labels: { service_name: 'shop' }, value: 1 }]);
  });

  it('of names that are one family here gives the samples of all, the type of one', () => {
    const table = new SeriesTable();
    measure(table, { name: 'jobs', kind: 'counter', cell: [1] });
    measure(table, { name: 'jobs', kind: 'updowncounter', cell: [2] });
    measure(table, { name: 'target', kind: 'gauge', cell: [3, NOW_MS] });
    const text = render(project(sceneOf([{ table }]), EXPORTER, VIEW_OPTIONS), { format: 'openmetrics' }, {});
    parseOpenMetrics(text);
    for (const line of [
      /^# TYPE jobs gauge$/m,
      /^jobs 2$/m,
      /^# TYPE jobs_total unknown$/m,
      /^jobs_total 1$/m,
      /^# TYPE target gauge$/m,
      /^# TYPE target_info gauge$/m,
      /^target_info 1$/m,
    ]) {
      assert.match(text, line);
    }
  });

  it('has no sum where it could fall, and no count then', () => {
    const table = new SeriesTable();
    measure(table, { name: 'degrees', kind: 'histogram', bounds: [[-1, 1]], cell: [-7, 2, 1, 4] });
    const text = render(project(sceneOf([{ table }]), EXPORTER, VIEW_OPTIONS), { format: 'openmetrics' });
    parseOpenMetrics(text);
    assert.match(
      text,
      /^degrees_bucket\{le="-1\.0"\} 2\ndegrees_bucket\{le="1\.0"\} 3\ndegrees_bucket\{le="\+Inf"\} 7\n(?!degrees)/m,
    );
  });

  it('has a name for every label, and one value for each', () => {
    const metric = {
      descriptor: { name: 'odd', description: '', unit: '', valueType: 1 },
      aggregationTemporality: 1,
      dataPointType: 2,
      dataPoints: [
        {
          startTime: [0, 0],
          endTime: [1, 0],
          attributes: { '': 'a', '1st': 'b', 'x.y': 'c', x_y: 'd', _: 'e' },
          value: 1,
        },
      ],
    } as unknown as MetricData;
    const text = render([metric], { format: 'openmetrics' });
    parseOpenMetrics(text);
    assert.match(text, /^odd\{_="a;e",_1st="b",x_y="c;d"\} 1$/m);
  });

  it('of nothing is its end', () => {
    assert.equal(render([], { format: 'openmetrics' }), '# EOF\n');
  });
});

describe('a bound as a label', () => {
  const CASES: Record<string, number> = {
    '0.0': 0,
    '0.001': 0.001,
    '0.005': 0.005,
    '0.95': 0.95,
    '1.0': 1,
    '2.5': 2.5,
    '10.0': 10,
    '1e-10': 1e-10,
    '1e-05': 1e-5,
    '0.0001': 1e-4,
    '100000.0': 1e5,
    '1e+06': 1e6,
    '1e+10': 1e10,
    '1.048576e+06': 2 ** 20,
    '-1.0': -1,
    '+Inf': Number.POSITIVE_INFINITY,
    '-Inf': Number.NEGATIVE_INFINITY,
    '5e-324': 5e-324,
  };
  for (const [text, value] of Object.entries(CASES)) {
    it(`is ${text} for ${value}`, () => assert.equal(canonicalNumber(value), text));
  }

  it('is the number itself, and no other one', () => {
    fc.assert(fc.property(fc.double({ noNaN: true }), (value) => boundOf(canonicalNumber(value)) === value));
  });
});

describe('names that are asked for', () => {
  const table = serve([{}]);
  measure(table, { name: 'jobs', kind: 'counter', cell: [1] });
  const metrics = project(sceneOf([{ table }]), EXPORTER, VIEW_OPTIONS);
  const shown = (format: 'text' | 'openmetrics', ...names: string[]) => {
    const text = render(metrics, { format, names: new Set(names) }, { 'service.name': 'shop' });
    if (format === 'openmetrics') parseOpenMetrics(text);
    return [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name);
  };
  const HISTOGRAM = 'gunicorn_worker_request_duration_seconds';

  it('are those of families or of any of their samples, in both formats', () => {
    for (const name of ['jobs', 'jobs_total']) {
      assert.deepEqual(shown('text', name), ['jobs_total']);
      assert.deepEqual(shown('openmetrics', name), ['jobs']);
    }
    for (const suffix of ['', '_bucket', '_count', '_sum']) {
      for (const format of ['text', 'openmetrics'] as const) {
        assert.deepEqual(shown(format, HISTOGRAM + suffix), [HISTOGRAM]);
      }
    }
    assert.deepEqual(shown('text', 'gunicorn_exporter_series', 'jobs', 'nobody'), [
      'gunicorn_exporter_series',
      'jobs_total',
    ]);
  });

  it('leave target_info out unless it is among them', () => {
    assert.deepEqual(shown('text', 'target_info'), ['target_info']);
    assert.deepEqual(shown('openmetrics', 'target_info'), ['target']);
    assert.deepEqual(shown('openmetrics', 'target'), ['target']);
  });

  it('that nobody has give an empty exposition', () => {
    for (const name of ['', 'job', 'jobs_created', 'JOBS', 'jobs_total ', '.*', '__proto__']) {
      assert.equal(render(metrics, { format: 'text', names: new Set([name]) }), '');
      assert.equal(render(metrics, { format: 'openmetrics', names: new Set([name]) }), '# EOF\n');
    }
  });
});

function render(metrics: MetricData[], shown: Shown = { format: 'text' }, resource?: Attributes): string {
  const scopeMetrics = [{ scope: { name: 'scope' }, metrics }];
  return String(
    EXPOSITION.render({ resource: resource && ({ attributes: resource } as Resource), scopeMetrics }, shown),
  );
}

function addTo(table: SeriesTable, { name, unit, description, kind, bounds: own, series }: Told): void {
  const descriptor: Omit<MetricDescriptor, 'scope'> = {
    name,
    unit,
    description,
    kind,
    ...(kind === 'histogram' && { bounds: [own] }),
  };
  for (const { attributes: labels, value, counts } of series) {
    // A counter takes nothing negative, and a snapshot no sum that is not finite.
    const sum = Number.isFinite(value) ? value : 7;
    const cells: Record<Kind, number[]> = {
      counter: [Math.abs(sum)],
      updowncounter: [sum],
      gauge: [value, NOW_MS],
      histogram: [sum, ...counts.slice(0, own.length + 1)],
    };
    measure(table, { ...descriptor, attributes: labels, cell: cells[kind] });
  }
}

// Besides sums that could fall, their counts, and what has a name that a histogram's `_created` would have.
function assertSameValues(text: readonly Sample[], openMetrics: readonly Sample[]): void {
  const left = new Map(openMetrics.map((sample) => [keyOf(sample), sample.value]));
  for (const sample of text) {
    const key = keyOf(sample);
    const value = left.get(key);
    left.delete(key);
    if (value === undefined) assert.match(sample.name, /(?:_sum|_count|_created(?:_bucket)?)$/, key);
    else assert.ok(Object.is(value, sample.value), `${key}: ${value} for ${sample.value}`);
  }
  assert.deepEqual([...left.keys()], []);
}

function keyOf({ name, labels }: Sample): string {
  const own = Object.entries(labels).map(([label, value]) => [label, label === 'le' ? boundOf(value) : value]);
  return JSON.stringify([name, own.sort()], (_, value) => (value === Number.POSITIVE_INFINITY ? '+Inf' : value));
}
