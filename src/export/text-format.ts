/**
 * Text format 0.0.4: how families, labels and values are written, to the byte as OTel's PrometheusSerializer does; see
 * docs/decisions/027-own-exposition.md. What another format writes otherwise is in its Dialect.
 */
import type { Attributes } from '@opentelemetry/api';
import { DataPointType, type Histogram, type MetricData } from '@opentelemetry/sdk-metrics';

/** A family as one format writes it. */
export interface ShownFamily {
  readonly metric: MetricData;
  /** Of its samples; those of a histogram have `_bucket`, `_count` and `_sum` behind it. */
  readonly sampleName: string;
  /** The lines in front of its samples. */
  readonly head: string;
  /** By which it can be asked for. */
  readonly names: readonly string[];
}

/** What one format tells of metrics. */
export interface Told {
  /** The whole of it; '' where there is none. */
  readonly targetInfo: string;
  /** To be gone through once: each may be made when it has its turn. */
  readonly families: Iterable<ShownFamily>;
}

/** Takes the next piece of a text. */
export type Write = (piece: string) => void;

/** What differs between formats. */
export interface Dialect {
  /**
   * What is told of these metrics, in the order given, without those that the format cannot tell.
   *
   * @param target - told as target_info; undefined: there is none
   */
  tell(metrics: Iterable<MetricData>, target: Attributes | undefined): Told;
  /** Writes what stands between the braces, in pieces as they are: putting them together is most of a scrape's garbage. */
  labels(attributes: Attributes, write: Write): void;
  /** A bucket's finite bound as the value of `le`. */
  bound(value: number): string;
  /** Whether a value can be told of such a metric. */
  tells(metric: MetricData, value: number): boolean;
  /** What a histogram has besides its buckets; undefined is not told. @param counted - by its buckets; 0 where `summaryFirst` */
  summary(histogram: Histogram, counted: number): { count: number | undefined; sum: number | undefined };
  /** Whether that stands before the buckets or behind them. */
  readonly summaryFirst: boolean;
  /** In the place of families, where there is none and nobody has asked for certain ones only. */
  readonly nothing: string;
  readonly end: string;
}

/** By which target_info can be asked for. */
export const TARGET_NAMES = ['target_info', 'target'];

const TARGET_HEAD = '# HELP target_info Target metadata\n# TYPE target_info gauge\n';

/** Text format 0.0.4. */
export const TEXT_FORMAT: Dialect = {
  tell: (metrics, target) => ({
    targetInfo: target ? `${TARGET_HEAD}target_info${braced(target, writeLabels)} 1\n` : '',
    families: textFamilies(metrics),
  }),
  labels: writeLabels,
  bound: String,
  tells: () => true,
  summary: ({ count, sum }) => ({ count, sum }),
  summaryFirst: true,
  nothing: '# no registered metrics',
  end: '',
};

/** @returns the name of a family and of its samples; undefined for one that has none to be shown under */
export function familyName(metric: MetricData): string | undefined {
  // The names of our families are right as they are; of whoever else's, OTel's rules make them so.
  let name = cleanName(escapeText(metric.descriptor.name));
  if (name === '' || name === '_') return undefined;
  if (name[0]! >= '0' && name[0]! <= '9') name = `_${name}`;
  return isCounter(metric) && !name.endsWith('_total') ? `${name}_total` : name;
}

/** Whether it only ever grows. */
export function isCounter(metric: MetricData): boolean {
  return metric.dataPointType === DataPointType.SUM && metric.isMonotonic;
}

/** The name that a family has, and those of its samples. */
export function namesOf(metric: MetricData, name: string): string[] {
  if (isCounter(metric)) return [name, name.slice(0, -'_total'.length)];
  const isHistogram = metric.dataPointType === DataPointType.HISTOGRAM;
  return isHistogram ? [name, `${name}_bucket`, `${name}_count`, `${name}_sum`] : [name];
}

/** One underscore for every run of what a name may not have; '' and a digit in front stay. */
export function cleanName(name: string): string {
  return CLEAN_NAME.test(name) ? name : name.replaceAll(/[^a-z0-9_]/gi, '_').replaceAll(/_{2,}/g, '_');
}

/** The value of an attribute as it stands between the quotes. */
export function labelValue(value: unknown): string {
  const text = typeof value === 'string' ? value : value === undefined ? '' : (JSON.stringify(value) ?? '');
  return NEEDS_ESCAPE.test(text) ? escapeText(text).replaceAll('"', '\\"') : text;
}

/** One label. @param name - as it may stand there */
export function writeLabel(name: string, value: unknown, write: Write): void {
  write(name);
  write('="');
  write(labelValue(value));
  write('"');
}

/** Text in a comment. */
export function escapeText(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

/** Labels behind a name, as one text. */
export function braced(attributes: Attributes, labels: Dialect['labels']): string {
  let text = '';
  labels(attributes, (piece) => {
    text += piece;
  });
  return text === '' ? '' : `{${text}}`;
}

/** A number as both formats write it. */
export function valueText(value: number): string {
  // As String() does, which keeps each text for a while for who asks again: of a thousand sums nobody does.
  if (Number.isFinite(value)) return JSON.stringify(value);
  return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
}

// Here, and not where it is asked: each evaluation of a literal is an object of its own.
const NEEDS_ESCAPE = /[\\\n"]/;
const CLEAN_NAME = /^(?:[A-Za-z0-9]|_(?!_))*$/;

// One by one: what nobody waits for any more is not there when V8 looks for what lives.
function* textFamilies(metrics: Iterable<MetricData>): Generator<ShownFamily> {
  for (const metric of metrics) {
    const family = textFamily(metric);
    if (family) yield family;
  }
}

function textFamily(metric: MetricData): ShownFamily | undefined {
  const name = familyName(metric);
  if (name === undefined) return undefined;
  const { description, unit } = metric.descriptor;
  const help = `# HELP ${name} ${escapeText(description || 'description missing')}\n`;
  const unitLine = unit ? `# UNIT ${name} ${escapeText(unit)}\n` : '';
  const head = `${help}${unitLine}# TYPE ${name} ${typeOf(metric)}\n`;
  return { metric, sampleName: name, head, names: namesOf(metric, name) };
}

function typeOf(metric: MetricData): string {
  const { dataPointType: type } = metric;
  if (type === DataPointType.HISTOGRAM) return 'histogram';
  if (type === DataPointType.EXPONENTIAL_HISTOGRAM) return 'untyped';
  return isCounter(metric) ? 'counter' : 'gauge';
}

function writeLabels(attributes: Attributes, write: Write): void {
  const names = Object.keys(attributes);
  for (let i = 0; i < names.length; i += 1) {
    if (i > 0) write(',');
    writeLabel(cleanName(names[i]!), attributes[names[i]!], write);
  }
}
