/**
 * Text exposition format 0.0.4 of what OTel's readers collect: the samples of OTel's PrometheusSerializer to the byte (no
 * prefix, no timestamps, no scope labels), in a twentieth of its time; see docs/decisions/027-own-exposition.md.
 */
import type { Attributes } from '@opentelemetry/api';
import type { Resource } from '@opentelemetry/resources';
import { DataPointType, type Histogram, type MetricData, type ResourceMetrics } from '@opentelemetry/sdk-metrics';

const FIRST_BYTES = 64 * 1024;
// Text is encoded in pieces of about this size: longer ones are copied once more, shorter ones are more calls.
const PIECE_LENGTH = 8 * 1024;
// UTF-8 has at most so many bytes for each UTF-16 unit.
const MAX_BYTES_PER_UNIT = 3;
// le="..."}, a space, and a newline, with two numbers of at most 25 characters.
const MAX_END_BYTES = 64;
const ZERO = 48;
const NEWLINE = 10;

/** What is rendered; without a resource there is no target_info. */
export type Rendered = Pick<ResourceMetrics, 'scopeMetrics'> & { readonly resource: Resource | undefined };

/** Renders again and again into memory of its own. */
export class Exposition {
  #bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #length = 0;
  #piece = '';

  /** @returns the text as UTF-8. A view of this object's memory: it holds until the next call, whoever needs it longer copies it */
  render({ resource, scopeMetrics }: Rendered): Buffer {
    this.#length = 0;
    this.#piece = resource ? targetInfo(resource) : '';
    let isEmpty = true;
    for (const { metrics } of scopeMetrics) {
      for (const metric of metrics) isEmpty = !this.#family(metric) && isEmpty;
    }
    if (isEmpty) this.#piece += '# no registered metrics';
    this.#flush();
    return this.#bytes.subarray(0, this.#length);
  }

  // False for a family that has no name to be shown under.
  #family(metric: MetricData): boolean {
    const name = familyName(metric);
    if (name === undefined) return false;
    const help = escapeText(metric.descriptor.description || 'description missing');
    const unit = metric.descriptor.unit ? `# UNIT ${name} ${escapeText(metric.descriptor.unit)}\n` : '';
    this.#piece += `# HELP ${name} ${help}\n${unit}# TYPE ${name} ${typeOf(metric)}\n`;
    if (metric.dataPointType === DataPointType.HISTOGRAM) {
      const buckets = new BucketTexts();
      for (const { attributes, value } of metric.dataPoints)
        this.#histogram(name, labelsText(attributes), value, buckets);
    } else if (metric.dataPointType !== DataPointType.EXPONENTIAL_HISTOGRAM) {
      for (const { attributes, value } of metric.dataPoints) {
        this.#piece += `${name}${braced(labelsText(attributes))} ${valueText(value)}\n`;
        if (this.#piece.length > PIECE_LENGTH) this.#flush();
      }
    }
    return true;
  }

  #histogram(name: string, labels: string, { count, sum, buckets }: Histogram, texts: BucketTexts): void {
    const own = braced(labels);
    if (count != null) this.#piece += `${name}_count${own} ${valueText(count)}\n`;
    if (sum != null) this.#piece += `${name}_sum${own} ${valueText(sum)}\n`;
    this.#flush();
    // Buckets are most of a scrape, and their lines begin alike: bytes are copied, no text is made for them.
    const ends = texts.of(buckets.boundaries, buckets.counts.length);
    const start = this.#length;
    if (ends.length > 0) this.#piece = `${name}_bucket{${labels}${labels === '' ? '' : ','}`;
    this.#flush();
    const headBytes = this.#length - start;
    this.#reserve(ends.length * (headBytes + MAX_END_BYTES));
    let below = 0;
    for (let i = 0; i < ends.length; i += 1) {
      if (i > 0) {
        this.#bytes.copyWithin(this.#length, start, start + headBytes);
        this.#length += headBytes;
      }
      this.#bytes.set(ends[i]!, this.#length);
      this.#length += ends[i]!.length;
      below += buckets.counts[i]!;
      this.#number(below);
      this.#bytes[this.#length] = NEWLINE;
      this.#length += 1;
    }
  }

  // There must be room for it.
  #number(value: number): void {
    if (!(Number.isSafeInteger(value) && value >= 0)) {
      this.#length += this.#bytes.write(valueText(value), this.#length);
      return;
    }
    let digits = 1;
    for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) digits += 1;
    this.#length += digits;
    for (let at = this.#length - 1, rest = value; digits > 0; digits -= 1, at -= 1) {
      const higher = Math.floor(rest / 10);
      this.#bytes[at] = rest - higher * 10 + ZERO;
      rest = higher;
    }
  }

  #flush(): void {
    this.#reserve(this.#piece.length * MAX_BYTES_PER_UNIT);
    this.#length += this.#bytes.write(this.#piece, this.#length);
    this.#piece = '';
  }

  #reserve(bytes: number): void {
    const end = this.#length + bytes;
    if (end <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(end, this.#bytes.length * 2));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

/** What stands behind the labels of a bucket, made once per list of bounds and not once per series. */
class BucketTexts {
  #bounds: readonly number[] = [];
  #ends: readonly Buffer[] = [];
  #counts = 0;

  of(bounds: readonly number[], counts: number): readonly Buffer[] {
    const same = counts === this.#counts && bounds.length === this.#bounds.length;
    if (!same || !bounds.every((bound, i) => bound === this.#bounds[i])) {
      this.#bounds = bounds;
      this.#counts = counts;
      this.#ends = bucketEnds(bounds, counts).map((end) => Buffer.from(end));
    }
    return this.#ends;
  }
}

// A list of bounds may end with an infinite one itself; what would come behind that is left out.
function bucketEnds(bounds: readonly number[], counts: number): string[] {
  const ends: string[] = [];
  for (let i = 0; i < counts; i += 1) {
    const bound = bounds[i];
    if (bound === undefined && bounds.includes(Number.POSITIVE_INFINITY)) break;
    ends.push(`le="${bound === undefined ? '+Inf' : bound === Number.POSITIVE_INFINITY ? '+Inf' : bound}"} `);
  }
  return ends;
}

function targetInfo({ attributes }: Resource): string {
  const help = '# HELP target_info Target metadata\n# TYPE target_info gauge\n';
  return `${help}target_info${braced(labelsText(attributes as Attributes))} 1\n`;
}

// The names of our families are right as they are; of whoever else's, OTel's rules make them so.
function familyName(metric: MetricData): string | undefined {
  let name = cleanName(escapeText(metric.descriptor.name));
  if (name === '' || name === '_') return undefined;
  if (name[0]! >= '0' && name[0]! <= '9') name = `_${name}`;
  const isCounter = metric.dataPointType === DataPointType.SUM && metric.isMonotonic;
  return isCounter && !name.endsWith('_total') ? `${name}_total` : name;
}

function typeOf(metric: MetricData): string {
  const { dataPointType: type } = metric;
  if (type === DataPointType.HISTOGRAM) return 'histogram';
  if (type === DataPointType.EXPONENTIAL_HISTOGRAM) return 'untyped';
  return type === DataPointType.SUM && metric.isMonotonic ? 'counter' : 'gauge';
}

const CLEAN_NAME = /^(?:[A-Za-z0-9]|_(?!_))*$/;

function cleanName(name: string): string {
  return CLEAN_NAME.test(name) ? name : name.replaceAll(/[^a-z0-9_]/gi, '_').replaceAll(/_{2,}/g, '_');
}

function labelsText(attributes: Attributes): string {
  let text = '';
  for (const name of Object.keys(attributes)) {
    text += `${text === '' ? '' : ','}${cleanName(name)}="${labelValue(attributes[name])}"`;
  }
  return text;
}

function labelValue(value: unknown): string {
  const text = typeof value === 'string' ? value : value === undefined ? '' : (JSON.stringify(value) ?? '');
  return /[\\\n"]/.test(text) ? escapeText(text).replaceAll('"', '\\"') : text;
}

function escapeText(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function braced(labels: string): string {
  return labels === '' ? '' : `{${labels}}`;
}

function valueText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value);
}
