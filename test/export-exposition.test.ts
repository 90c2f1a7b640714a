/** Holds src/export/exposition.ts against OTel's own serializer: the same text to the byte, whatever there is to tell. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Attributes } from '@opentelemetry/api';
import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import type { Resource } from '@opentelemetry/resources';
import { AggregationTemporality, DataPointType, type MetricData } from '@opentelemetry/sdk-metrics';
import fc from 'fast-check';
import { Exposition } from '../src/export/exposition.ts';

type Rendered = Parameters<Exposition['render']>[0];

// No prefix, no timestamps, target_info, no scope labels.
const SERIALIZER = new PrometheusSerializer('', false, undefined, false, true);
// One for all runs: what one text leaves behind must not be seen in the next.
const EXPOSITION = new Exposition();

const hostile = fc.oneof(
  fc.constantFrom('', '_', '__', '1st', 'le', 'jobs_total', 'http.route', 'a__b', 'größe', '__proto__', '\ud800'),
  fc.constantFrom('a\\b', 'two\nlines', 'say "it"', '\\n', '\\"', '\r\t', '☃🧨', '}', '{a="b"} 1\nc 2'),
  fc.string({ unit: 'binary', maxLength: 8 }),
);
const numbers = fc.oneof(
  fc.double(),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.constantFrom(-0, 1e21, 1e-7, 0.1 + 0.2, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
);
const labelValues = fc.oneof(hostile, numbers, fc.boolean(), fc.constantFrom(undefined, null, ['a"', 'b'], [1, 2], []));
const attributes = fc.dictionary(hostile, labelValues, { maxKeys: 4 }) as fc.Arbitrary<Attributes>;

const counts = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(0, 1, 9, 10, 99, 100, 4711, 2 ** 31, 2 ** 32) },
  { weight: 1, arbitrary: fc.oneof(fc.maxSafeNat(), numbers) },
);

const histograms = fc
  .record({
    boundaries: fc.uniqueArray(fc.double({ noNaN: true }), { maxLength: 6 }).map((list) => list.sort((a, b) => a - b)),
    sum: fc.option(numbers, { nil: undefined }),
    count: fc.nat(),
    seed: fc.array(counts, { minLength: 8, maxLength: 8 }),
    // With an infinite bound in the list some give a count behind it and some do not.
    more: fc.constantFrom(0, 1),
  })
  .map(({ boundaries, sum, count, seed, more }) => {
    const counts = seed.slice(0, boundaries.length + (boundaries.at(-1) === Number.POSITIVE_INFINITY ? more : 1));
    return { ...(sum !== undefined && { sum }), count, buckets: { boundaries, counts } };
  });

const families = fc
  .record({
    name: hostile,
    description: hostile,
    unit: fc.oneof(fc.constant(''), hostile),
    type: fc.constantFrom('counter', 'sum', 'gauge', 'histogram'),
    points: fc.array(fc.record({ attributes, number: numbers, histogram: histograms }), { maxLength: 5 }),
  })
  .map(({ name, description, unit, type, points }): MetricData => {
    const base = {
      descriptor: { name, description, unit, valueType: 1 },
      aggregationTemporality: AggregationTemporality.CUMULATIVE,
    };
    const times = { startTime: [0, 0], endTime: [1, 0] } as { startTime: [number, number]; endTime: [number, number] };
    const values = points.map((point) => ({ ...times, attributes: point.attributes, value: point.number }));
    if (type === 'gauge') return { ...base, dataPointType: DataPointType.GAUGE, dataPoints: values };
    if (type !== 'histogram') {
      return { ...base, dataPointType: DataPointType.SUM, isMonotonic: type === 'counter', dataPoints: values };
    }
    const dataPoints = points.map((point) => ({ ...times, attributes: point.attributes, value: point.histogram }));
    return { ...base, dataPointType: DataPointType.HISTOGRAM, dataPoints };
  });

describe('the exposition', () => {
  it("is that of OTel's serializer to the byte, for any family", () => {
    fc.assert(
      fc.property(families, attributes, (family, resource) => {
        // 0.301 adds a family of this name to its own.
        fc.pre(!/^_*target_info/i.test(family.descriptor.name.replaceAll(/\W/g, '_')));
        assertSame(scopes([family], resource));
      }),
      { numRuns: 2000 },
    );
  });

  it("is that of OTel's serializer for many families in many scopes", () => {
    const named = fc
      .array(families, { maxLength: 20 })
      // Families of one name are joined by 0.301 and not by 0.223; ours have names of their own.
      .map((list) =>
        list.map((family, i) => ({ ...family, descriptor: { ...family.descriptor, name: `family${i}x` } })),
      );
    fc.assert(
      fc.property(named, fc.nat(20), attributes, (list, cut, resource) => {
        const rendered = scopes(list.slice(0, cut), resource);
        const { scopeMetrics } = scopes(list.slice(cut), resource);
        assertSame({ ...rendered, scopeMetrics: [...rendered.scopeMetrics, ...scopeMetrics] });
      }),
      { numRuns: 300 },
    );
  });

  it('grows with what there is to tell, and is small again behind it', () => {
    const dataPoints = Array.from({ length: 20_000 }, (_, i) => ({
      startTime: [0, 0] as [number, number],
      endTime: [1, 0] as [number, number],
      attributes: { path: `${'☃'.repeat(30)}${i}`, status: '200' },
      value: i,
    }));
    const large: MetricData = {
      descriptor: { name: 'large', description: '', unit: '', valueType: 1 },
      aggregationTemporality: AggregationTemporality.CUMULATIVE,
      dataPointType: DataPointType.GAUGE,
      dataPoints,
    };
    assertSame(scopes([large], {}));
    assertSame(scopes([{ ...large, dataPoints: dataPoints.slice(0, 2) }], {}));
    assertSame(scopes([], { 'service.name': 'shop' }));
  });

  it('has labels as its format writes them, also when it was another a moment ago, and for each of several families', () => {
    const times = { startTime: [0, 0] as [number, number], endTime: [1, 0] as [number, number] };
    const shared = { '1st': 'c' };
    const [first, second, third] = [shared, { other: 'd' }, shared].map(
      (attributes, i): MetricData => ({
        descriptor: { name: `family${i}x`, description: '', unit: '', valueType: 1 },
        aggregationTemporality: AggregationTemporality.CUMULATIVE,
        dataPointType: DataPointType.HISTOGRAM,
        dataPoints: [
          { ...times, attributes, value: { sum: 1, count: 3, buckets: { boundaries: [1, 2], counts: [1, 0, 2] } } },
        ],
      }),
    );
    const rendered = scopes([first!, second!, third!], {});
    assertSame(rendered);
    for (const format of ['text', 'openmetrics', 'text'] as const) {
      const alone = String(new Exposition().render(rendered, { format }));
      assert.equal(String(EXPOSITION.render(rendered, { format })), alone);
      assert.equal(alone.match(format === 'text' ? /\{1st="c"/g : /\{_1st="c"/g)?.length, 10);
      assert.equal(alone.match(/\{other="d"/g)?.length, 5);
    }
  });

  it('of a kind that no view makes has its name and no samples', () => {
    const metric = {
      descriptor: { name: 'odd', description: 'told', unit: '', valueType: 1 },
      aggregationTemporality: AggregationTemporality.CUMULATIVE,
      dataPointType: DataPointType.EXPONENTIAL_HISTOGRAM,
      dataPoints: [],
    } as unknown as MetricData;
    assertSame(scopes([metric], {}));
  });
});

function assertSame(rendered: Rendered): void {
  const expected = SERIALIZER.serialize(rendered as Parameters<PrometheusSerializer['serialize']>[0]);
  const actual = EXPOSITION.render(rendered);
  // Bytes, then text: lone surrogates are the same replacement character on both sides, and a difference can be read.
  if (!actual.equals(Buffer.from(expected))) assert.equal(String(actual), expected);
}

function scopes(metrics: MetricData[], resource: Attributes): Rendered {
  return {
    resource: { attributes: resource } as Resource,
    scopeMetrics: [{ scope: { name: 'scope', version: '1' }, metrics }],
  };
}
