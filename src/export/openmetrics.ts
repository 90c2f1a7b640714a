/**
 * OpenMetrics text 1.0.0, as strict as its specification: one misnamed family and a parser may refuse the whole scrape. So what
 * the format cannot tell under its own name is told as `unknown`, or is left out; docs/endpoint.md has the cases.
 *
 * @see https://prometheus.io/docs/specs/om/open_metrics_spec/
 */
import type { Attributes } from '@opentelemetry/api';
import { DataPointType, type Histogram, type MetricData } from '@opentelemetry/sdk-metrics';
import {
  braced,
  cleanName,
  type Dialect,
  escapeText,
  familyName,
  isCounter,
  labelValue,
  namesOf,
  type ShownFamily,
  type Write,
  writeLabel,
} from './text-format.ts';

// What follows the name of a family in the names of its samples, or may by the specification, told or not.
const SUFFIXES = {
  counter: ['', '_total', '_created'],
  histogram: ['', '_bucket', '_count', '_sum', '_created'],
  gauge: [''],
  unknown: [''],
};
type Type = keyof typeof SUFFIXES;

// Those that Prometheus has as base units. A name says its unit itself; MetricData does not (see catalogue/families.ts).
const UNIT = /_(seconds|bytes|ratio|meters|grams|joules|volts|amperes|celsius)$/;
// Two underscores are reserved in front; text format 0.0.4 has them nowhere.
const VALID_LABEL = /^(?!\d)(?:[A-Za-z0-9]|_(?!_))+$/;
// Go writes numbers from here on with an exponent, and below the other.
const MAX_PLAIN_EXPONENT = 5;
const MIN_PLAIN_EXPONENT = -4;
// Of type info, which has `target` for its name. Where the app has that, it is what text format 0.0.4 has.
const TARGET_HEADS = {
  info: '# TYPE target info\n# HELP target Target metadata\n',
  gauge: '# TYPE target_info gauge\n# HELP target_info Target metadata\n',
};

/** OpenMetrics text 1.0.0, without timestamps, `_created` samples and exemplars. */
export const OPENMETRICS: Dialect = {
  tell(metrics, target) {
    const named = [...metrics].map((metric) => ({ metric, name: familyName(metric) }));
    const taken = new Set(target ? ['target_info'] : []);
    const shown = new Map<MetricData, ShownFamily>();
    // Those that cannot be named otherwise first, of two of a kind the first.
    for (const kind of ['histogram', 'gauge', 'unknown', 'counter'] as const) {
      for (const { metric, name } of named) {
        if (name === undefined || typeOf(metric) !== kind) continue;
        const family = kind === 'counter' ? counterFamily(metric, name, taken) : newFamily(metric, kind, name, taken);
        if (family) shown.set(metric, family);
      }
    }
    const families = named.flatMap(({ metric }) => shown.get(metric) ?? []);
    return { targetInfo: target ? targetInfo(target, families) : '', families };
  },
  labels: writeLabels,
  bound: canonicalNumber,
  tells: (metric, value) => !isCounter(metric) || value >= 0,
  summary({ sum, buckets }: Histogram, counted) {
    // A sum that may fall is none, and there is no count without a sum.
    const grows = sum !== undefined && sum >= 0 && !(buckets.boundaries[0]! < 0);
    return grows ? { count: counted, sum } : { count: undefined, sum: undefined };
  },
  summaryFirst: false,
  nothing: '',
  end: '# EOF\n',
};

/**
 * A number as it is written where it is a label: as Go does, with `.0` behind a whole one. Python's client writes the same.
 *
 * @see https://prometheus.io/docs/specs/om/open_metrics_spec/#considerations-canonical-numbers
 */
export function canonicalNumber(value: number): string {
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : value < 0 ? '-Inf' : 'NaN';
  const [mantissa = '', power = ''] = value.toExponential().split('e');
  const exponent = Number(power);
  if (exponent > MAX_PLAIN_EXPONENT || exponent < MIN_PLAIN_EXPONENT) {
    return `${mantissa}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
  }
  return Number.isInteger(value) ? `${value}.0` : String(value);
}

function targetInfo(target: Attributes, families: readonly ShownFamily[]): string {
  const isTaken = families.some(({ names }) => names.includes('target'));
  return `${TARGET_HEADS[isTaken ? 'gauge' : 'info']}target_info${braced(target, writeLabels)} 1\n`;
}

function typeOf(metric: MetricData): Type {
  const { dataPointType: type } = metric;
  if (type === DataPointType.HISTOGRAM) return 'histogram';
  if (type === DataPointType.EXPONENTIAL_HISTOGRAM) return 'unknown';
  return isCounter(metric) ? 'counter' : 'gauge';
}

// jobs_total beside a gauge jobs, which both are `jobs` here: its samples keep their name, and it loses its type.
function counterFamily(metric: MetricData, name: string, taken: Set<string>): ShownFamily | undefined {
  const base = name.slice(0, -'_total'.length);
  const own = base === '' ? undefined : newFamily(metric, 'counter', base, taken);
  return own ? { ...own, sampleName: name } : newFamily(metric, 'unknown', name, taken);
}

function newFamily(metric: MetricData, type: Type, name: string, taken: Set<string>): ShownFamily | undefined {
  const names = SUFFIXES[type].map((suffix) => name + suffix);
  if (names.some((each) => taken.has(each))) return undefined;
  for (const each of names) taken.add(each);
  const unit = UNIT.exec(name)?.[1];
  const help = escapeText(metric.descriptor.description || 'description missing').replaceAll('"', '\\"');
  const unitLine = unit ? `# UNIT ${name} ${unit}\n` : '';
  const head = `# TYPE ${name} ${type}\n${unitLine}# HELP ${name} ${help}\n`;
  return { metric, sampleName: name, head, names: namesOf(metric, familyName(metric)!) };
}

function writeLabels(attributes: Attributes, write: Write): void {
  const names = Object.keys(attributes);
  if (!names.every(isValidLabel)) {
    write(mendedLabels(attributes));
    return;
  }
  for (let i = 0; i < names.length; i += 1) {
    if (i > 0) write(',');
    writeLabel(names[i]!, attributes[names[i]!], write);
  }
}

function isValidLabel(name: string): boolean {
  return VALID_LABEL.test(name);
}

// Names that become one are joined, as those of the app's attributes are (catalogue/naming.ts).
function mendedLabels(attributes: Attributes): string {
  const labels = new Map<string, string>();
  for (const [attribute, value] of Object.entries(attributes)) {
    const name = cleanName(attribute).replace(/^(?=\d|$)/, '_');
    const text = labelValue(value);
    labels.set(name, labels.has(name) ? `${labels.get(name)};${text}` : text);
  }
  return [...labels].map(([name, text]) => `${name}="${text}"`).join(',');
}
