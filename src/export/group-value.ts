/**
 * A group's merged metrics as one value that can be kept and read elsewhere: gzipped JSON with a version, told field by
 * field in docs/redis.md. Whoever reads one trusts nothing in it.
 */
import { gunzipSync } from 'node:zlib';
import { DataPointType, type MetricData } from '@opentelemetry/sdk-metrics';
import { gzip } from '../server/gzip.ts';
import { yieldCore } from '../yield-core.ts';
import type { Instance } from './instance.ts';

/** Raised when a reader of the one before would misread a value; fields that are only added do not raise it. */
export const VALUE_VERSION = 1;

/** A group at one moment. */
export interface GroupValue extends Instance {
  /** When it was made, in unix ms. */
  readonly writtenAtMs: number;
  /** When the next one is due, counted from then. */
  readonly intervalMs: number;
  /** Attributes of the resource; what is not a string or a number is JSON. */
  readonly resource: Readonly<Record<string, string | number>>;
  /** In the order of the scrape, those without series included. */
  readonly families: readonly ValueFamily[];
}

export interface ValueFamily {
  /** As it is scraped. */
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** Only of gauges, and only true: instances may be added, the gauge is an amount. */
  readonly additive?: true;
  readonly help: string;
  /** Upper bounds of a histogram's buckets, +Inf left out. */
  readonly bounds?: readonly number[];
  readonly series: readonly ValueSeries[];
}

export interface ValueSeries {
  readonly labels: Readonly<Record<string, string>>;
  /** Of a histogram: the sum, then how many each bucket holds by itself, +Inf last. */
  readonly value: number | readonly number[];
  /** Where they are not the family's. */
  readonly bounds?: readonly number[];
}

/** More than this a value cannot unpack to: a reader's memory is not for whoever can write to its Redis. */
const MAX_VALUE_BYTES = 256 * 1024 * 1024;
// Most of what gzip gains here it gains at its fastest level.
const GZIP_LEVEL = 1;
const LABEL = /^(?!\d)(?:[A-Za-z0-9]|_(?!_))+$/;
const TYPES = ['counter', 'gauge', 'histogram'];

/** A value as bytes; see docs/redis.md. */
export function encodeValue({ families, ...rest }: GroupValue): Buffer {
  const lean = families.map(({ series, ...family }) => ({
    ...family,
    series: series.map(({ labels, value, bounds }) => {
      yieldCore();
      return [labels, typeof value === 'number' ? wordOf(value) : value.map(wordOf), ...(bounds ? [bounds] : [])];
    }),
  }));
  return gzip(Buffer.from(JSON.stringify({ v: VALUE_VERSION, ...rest, families: lean })), GZIP_LEVEL);
}

/** What `encodeValue` was given; undefined for anything else, newer versions included. @throws never */
export function decodeValue(bytes: Uint8Array): GroupValue | undefined {
  try {
    const { v, families, ...rest } = JSON.parse(gunzipSync(bytes, { maxOutputLength: MAX_VALUE_BYTES }).toString());
    if (v !== VALUE_VERSION || !isInstance(rest) || !Array.isArray(families)) return undefined;
    return { ...rest, families: families.map(readFamily) } as GroupValue;
  } catch {
    // Not gzip, not JSON, too large, or not of this shape.
    return undefined;
  }
}

/** The families of collected metrics. A gauge that adds up is a sum that may fall, as OTel has it. */
export function valueFamilies(metrics: readonly MetricData[]): ValueFamily[] {
  return metrics.map((metric): ValueFamily => {
    const { name, description: help } = metric.descriptor;
    if (metric.dataPointType === DataPointType.HISTOGRAM) {
      const bounds = metric.dataPoints[0]?.value.buckets.boundaries;
      const series = metric.dataPoints.map(({ attributes, value: { sum = 0, buckets } }) => ({
        labels: attributes as Record<string, string>,
        value: [sum, ...buckets.counts],
        ...(equal(buckets.boundaries, bounds!) ? {} : { bounds: buckets.boundaries }),
      }));
      return { name, type: 'histogram', help, ...(bounds && { bounds }), series };
    }
    if (metric.dataPointType === DataPointType.EXPONENTIAL_HISTOGRAM) {
      throw new TypeError(`${name}: no view makes exponential histograms`);
    }
    const series = metric.dataPoints.map(({ attributes, value }) => ({
      labels: attributes as Record<string, string>,
      value,
    }));
    if (metric.dataPointType === DataPointType.GAUGE) return { name, type: 'gauge', help, series };
    if (metric.isMonotonic) return { name, type: 'counter', help, series };
    return { name, type: 'gauge', additive: true, help, series };
  });
}

// JSON has no word for these three.
function wordOf(value: number): number | string {
  return Number.isFinite(value) ? value : String(value);
}

function numberOf(value: unknown): number {
  if (typeof value === 'number') return value;
  if (value === 'NaN' || value === 'Infinity' || value === '-Infinity') return Number(value);
  throw new TypeError('not a number');
}

function isInstance(value: Record<string, unknown>): boolean {
  const texts = ['service', 'id', 'host'];
  const numbers = ['pid', 'startMs', 'writtenAtMs', 'intervalMs'];
  const { resource } = value;
  return (
    texts.every((key) => typeof value[key] === 'string') &&
    numbers.every((key) => Number.isFinite(value[key])) &&
    typeof resource === 'object' &&
    resource !== null &&
    Object.values(resource).every((each) => typeof each === 'string' || typeof each === 'number')
  );
}

function readFamily(family: Record<string, unknown>): ValueFamily {
  const { name, type, help, bounds, additive, series } = family;
  if (typeof name !== 'string' || typeof help !== 'string' || !TYPES.includes(type as string)) throw new TypeError();
  return {
    name,
    type: type as ValueFamily['type'],
    ...(additive === true && { additive }),
    help,
    ...(bounds !== undefined && { bounds: (bounds as unknown[]).map(numberOf) }),
    series: (series as unknown[][]).map((each) => readSeries(each, type === 'histogram', bounds)),
  };
}

function readSeries([labels, value, own]: unknown[], histogram: boolean, bounds: unknown): ValueSeries {
  if (typeof labels !== 'object' || labels === null) throw new TypeError('no labels');
  // What is no label would spoil the whole scrape of whoever reads it.
  if (!Object.keys(labels).every((name) => LABEL.test(name))) throw new TypeError('a label has no name');
  if (!Object.values(labels).every((label) => typeof label === 'string')) throw new TypeError('a label is no text');
  const base = {
    labels: labels as Record<string, string>,
    ...(own !== undefined && { bounds: (own as unknown[]).map(numberOf) }),
  };
  if (!histogram) return { ...base, value: numberOf(value) };
  const values = (value as unknown[]).map(numberOf);
  if (values.length !== ((own ?? bounds) as unknown[]).length + 2) throw new TypeError('buckets and bounds differ');
  return { ...base, value: values };
}

function equal(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((each, i) => each === b[i]);
}
