/** Reads OpenMetrics text 1.0.0 as its specification has it, MUSTs and SHOULDs alike: whatever is not allowed fails. */
import assert from 'node:assert/strict';
import type { Sample } from './exposition.ts';

export interface ReadFamily {
  readonly name: string;
  readonly type: string;
  readonly unit: string;
  readonly help: string;
  readonly samples: Sample[];
}

// What may stand behind a family's name in those of its samples.
const SAMPLES: Readonly<Record<string, readonly string[]>> = {
  counter: ['_total', '_created'],
  histogram: ['_bucket', '_count', '_sum', '_created'],
  info: ['_info'],
  gauge: [''],
  unknown: [''],
};
const METADATA = /^# (TYPE|UNIT|HELP) ([a-zA-Z_:][\w:]*) ([^\n]*)$/;
const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\]|\\[\\"n])*"(?:,(?=[a-zA-Z_])|(?=\})))*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\[\\"n])*)"/g;
const NUMBER = /^(?:[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]Inf|NaN)$/;
const HELP = /^(?:[^"\\\n]|\\[\\"n])*$/;
// Of the canonical numbers of the specification those that are likely, and Go's rule for all others.
const CANONICAL = /^(?:-?\d{1,6}\.\d+|-?\d(?:\.\d+)?e[+-]\d{2,3}|[+-]Inf)$/;

/** @throws AssertionError that names the line, or the family, that is not allowed */
export function parseOpenMetrics(text: string): ReadFamily[] {
  assert.ok(text.endsWith('# EOF\n'), 'it ends with # EOF and a line feed');
  const lines = text.slice(0, -'# EOF\n'.length).split('\n');
  assert.equal(lines.pop(), '', 'each line ends with a line feed');
  const families = new Map<string, ReadFamily>();
  let current: { -readonly [K in keyof ReadFamily]: ReadFamily[K] } | undefined;
  let told = new Set<string>();
  for (const line of lines) {
    const [, keyword, name, rest = ''] = METADATA.exec(line) ?? [];
    if (keyword === undefined) {
      assert.ok(!line.startsWith('#'), `no comment that is allowed: ${line}`);
      assert.ok(current, `a sample without a family: ${line}`);
      current.samples.push(readSample(line, current));
      continue;
    }
    if (current?.name !== name) {
      assert.ok(!families.has(name!), `a family that is told twice, or interleaved: ${line}`);
      current = { name: name!, type: 'unknown', unit: '', help: '', samples: [] };
      families.set(name!, current);
      told = new Set();
    }
    assert.equal(current!.samples.length, 0, `metadata behind samples: ${line}`);
    assert.ok(!told.has(keyword), `told twice: ${line}`);
    told.add(keyword);
    if (keyword === 'TYPE') assert.ok(rest in SAMPLES, line);
    if (keyword === 'HELP') assert.match(rest, HELP, line);
    current![({ TYPE: 'type', UNIT: 'unit', HELP: 'help' } as const)[keyword as 'TYPE']] = rest;
  }
  const all = [...families.values()];
  assertNamesApart(all);
  for (const family of all) assertFamily(family);
  return all;
}

/** What a number is as the value of `le`, however it is written. */
export function boundOf(le: string): number {
  return Number(le.replace('Inf', 'Infinity'));
}

function readSample(line: string, { name, type }: ReadFamily): Sample {
  const [, sample = '', labelText = '', value = ''] = SAMPLE.exec(line) ?? assert.fail(`no sample: ${line}`);
  assert.ok(SAMPLES[type]!.includes(sample.slice(name.length)) && sample.startsWith(name), `not of ${name}: ${line}`);
  assert.match(value, NUMBER, line);
  const pairs = [...labelText.matchAll(LABEL)];
  const labels = Object.fromEntries(pairs.map(([, label, text]) => [label!, text!.replace(/\\(.)/g, unescaped)]));
  for (const [, label] of pairs) assert.doesNotMatch(label!, /^__/, line);
  assert.equal(Object.keys(labels).length, pairs.length, `a label given twice: ${line}`);
  return { name: sample, labels, value: Number(value.replace('Inf', 'Infinity')) };
}

function unescaped(_match: string, character: string): string {
  return character === 'n' ? '\n' : character;
}

// The names that a family may give to samples are its own, given or not.
function assertNamesApart(families: readonly ReadFamily[]): void {
  const owners = new Map<string, string>();
  for (const { name, type } of families) {
    for (const suffix of new Set(['', ...SAMPLES[type]!])) {
      assert.ok(!owners.has(name + suffix), `${name + suffix} is of ${owners.get(name + suffix)} and of ${name}`);
      owners.set(name + suffix, name);
    }
  }
}

function assertFamily({ name, type, unit, samples }: ReadFamily): void {
  assert.ok(unit === '' || (name.endsWith(`_${unit}`) && type !== 'info'), `${name} is not in ${unit}`);
  const series = samples.map((sample) => JSON.stringify([sample.name, Object.entries(sample.labels).sort()]));
  assert.equal(new Set(series).size, series.length, `${name} has a series twice`);
  if (type === 'info') for (const { value } of samples) assert.equal(value, 1, name);
  if (type === 'counter') for (const { value } of samples) assert.ok(value >= 0, `${name} is ${value}`);
  if (type === 'histogram') for (const own of metricsOf(samples)) assertHistogram(name, own);
}

// By label set, which is told in one piece.
function metricsOf(samples: readonly Sample[]): Sample[][] {
  const metrics = new Map<string, Sample[]>();
  let last = '';
  for (const sample of samples) {
    const { le: _, ...labels } = sample.labels;
    const key = JSON.stringify(Object.entries(labels).sort());
    assert.ok(key === last || !metrics.has(key), `${sample.name}${key} is interleaved`);
    metrics.set(key, [...(metrics.get(key) ?? []), sample]);
    last = key;
  }
  return [...metrics.values()];
}

function assertHistogram(name: string, samples: readonly Sample[]): void {
  const order = samples.map((sample) => sample.name.slice(name.length)).join();
  assert.match(order, /^(?:_bucket,)*_bucket(?:,_count,_sum)?$/, `${name} is told in this order: ${order}`);
  const buckets = samples.filter(({ labels }) => labels['le'] !== undefined);
  for (const { labels } of buckets) assert.match(labels['le']!, CANONICAL, `${name} has le="${labels['le']}"`);
  const bounds = buckets.map(({ labels }) => boundOf(labels['le']!));
  assert.equal(bounds.at(-1), Number.POSITIVE_INFINITY, `${name} has all in its last bucket`);
  buckets.forEach(({ value }, i) => {
    assert.ok(i === 0 || (bounds[i]! > bounds[i - 1]! && value >= buckets[i - 1]!.value), `${name} rises`);
    assert.ok(Number.isInteger(value) && value >= 0, `${name} counts ${value}`);
  });
  const [count, sum] = samples.filter(({ labels }) => labels['le'] === undefined);
  if (!count) return;
  assert.equal(count.value, buckets.at(-1)!.value, `${name}_count`);
  assert.ok(bounds[0]! >= 0 && sum!.value >= 0, `${name}_sum could fall`);
}
