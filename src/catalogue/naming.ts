/**
 * OTel names to Prometheus names, by OTel's compatibility specification: unit suffixes, `_total`, `_ratio`, and label
 * names that do not collide. The OTel JS serializer does the characters and `_total` only.
 *
 * @see https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/
 */
import type { Attributes, MetricDescriptor } from '../snapshot/series-table.ts';

// UCUM, as OTel uses it -> the word that Prometheus names end in.
const UNITS: Readonly<Record<string, string>> = {
  d: 'days',
  h: 'hours',
  min: 'minutes',
  s: 'seconds',
  ms: 'milliseconds',
  us: 'microseconds',
  ns: 'nanoseconds',
  By: 'bytes',
  KiBy: 'kibibytes',
  MiBy: 'mebibytes',
  GiBy: 'gibibytes',
  TiBy: 'tebibytes',
  KBy: 'kilobytes',
  kBy: 'kilobytes',
  MBy: 'megabytes',
  GBy: 'gigabytes',
  TBy: 'terabytes',
  m: 'meters',
  V: 'volts',
  A: 'amperes',
  J: 'joules',
  W: 'watts',
  g: 'grams',
  Cel: 'celsius',
  Hz: 'hertz',
  '%': 'percent',
  '1': '',
};
const PER: Readonly<Record<string, string>> = {
  s: 'second',
  m: 'minute',
  min: 'minute',
  h: 'hour',
  d: 'day',
  w: 'week',
  mo: 'month',
  y: 'year',
};

/** Labels that this package or the format itself gives; an app's attribute of the same name gets `exported_` in front. */
const RESERVED_LABEL = /^(?:le|quantile|worker_id|__.*)$/;

/** The name an app's metric is scraped under. */
export function prometheusName({ name, unit, kind }: Pick<MetricDescriptor, 'name' | 'unit' | 'kind'>): string {
  let base = clean(name).replace(/^_+|_+$/g, '') || 'unnamed';
  if (/^\d/.test(base)) base = `_${base}`;
  if (kind === 'counter') base = base.replace(/_total$/, '');
  const suffix = kind === 'gauge' && unit === '1' ? 'ratio' : unitSuffix(unit);
  if (suffix !== '' && base !== suffix && !base.endsWith(`_${suffix}`)) base = `${base}_${suffix}`;
  return kind === 'counter' ? `${base}_total` : base;
}

/**
 * The labels of a series, as text. Attributes whose names become one label are joined with `;` in the order of their
 * names, as the specification has it.
 */
export function prometheusLabels(attributes: Attributes): Record<string, string> {
  const labels = new Map<string, string>();
  for (const name of Object.keys(attributes).sort()) {
    const label = labelName(name);
    const text = labelText(attributes[name]);
    labels.set(label, labels.has(label) ? `${labels.get(label)};${text}` : text);
  }
  return Object.fromEntries(labels);
}

/** The attributes, where each is a label of its own already but for what the renderers replace in names; else their labels. */
export function distinctLabels(attributes: Attributes): Attributes {
  const labels = Object.keys(attributes).map(clean);
  const areFine = new Set(labels).size === labels.length && labels.every((label) => /^\D/.test(label));
  return areFine ? attributes : prometheusLabels(attributes);
}

function labelName(attribute: string): string {
  let label = clean(attribute) || '_';
  if (/^\d/.test(label)) label = `key_${label}`;
  return RESERVED_LABEL.test(label) ? `exported_${label.replace(/^__+/, '')}` : label;
}

function labelText(value: unknown): string {
  // Halves of a character are one and the same in UTF-8: here already, so that series that only differ in them are one.
  if (typeof value === 'string') return value.replaceAll(/\p{Surrogate}/gu, '\ufffd');
  return value === undefined || value === null ? '' : (JSON.stringify(value) ?? String(value));
}

function unitSuffix(unit: string): string {
  const [amount = '', per] = unit.replaceAll(/\{[^}]*\}/g, '').split('/');
  const top = word(amount, UNITS);
  const bottom = per === undefined ? '' : word(per, PER);
  return bottom === '' ? top : `${top === '' ? '' : `${top}_`}per_${bottom}`;
}

function word(unit: string, words: Readonly<Record<string, string>>): string {
  return Object.hasOwn(words, unit) ? words[unit]! : clean(unit).replace(/^_+|_+$/g, '');
}

// One underscore for every run of what a name may not have. Colons are for recording rules; the serializer drops them too.
function clean(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9]+/g, '_');
}
