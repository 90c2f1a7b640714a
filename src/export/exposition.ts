/**
 * What OTel's readers collect, as the bytes of a scrape: no prefix, no timestamps, no scope labels, in a twentieth of the time
 * of OTel's PrometheusSerializer; see docs/decisions/027-own-exposition.md. What formats write differently is in their dialects.
 */
import type { Attributes } from '@opentelemetry/api';
import type { Resource } from '@opentelemetry/resources';
import { DataPointType, type Histogram, type MetricData, type ResourceMetrics } from '@opentelemetry/sdk-metrics';
import type { Format } from '../server/negotiation.ts';
import { yieldCore } from '../yield-core.ts';
import { OPENMETRICS } from './openmetrics.ts';
import { type Dialect, type ShownFamily, TARGET_NAMES, TEXT_FORMAT, valueText } from './text-format.ts';

const FIRST_BYTES = 64 * 1024;
// UTF-8 has at most so many bytes for each UTF-16 unit.
const MAX_BYTES_PER_UNIT = 3;
// le="..."}, a space, and a newline, with two numbers of at most 25 characters.
const MAX_END_BYTES = 64;
const ZERO = 48;
const NEWLINE = 10;
const MAX_ASCII = 127;

/** What is rendered; without a resource there is no target_info. */
export type Rendered = Pick<ResourceMetrics, 'scopeMetrics'> & { readonly resource: Resource | undefined };

/** How it is rendered. */
export interface Shown {
  readonly format: Format;
  /** Of families or of their samples: only what has one of these names; undefined: all. */
  readonly names?: ReadonlySet<string> | undefined;
}

const DIALECTS: Readonly<Record<Format, Dialect>> = { text: TEXT_FORMAT, openmetrics: OPENMETRICS };

/** Renders again and again into memory of its own. */
export class Exposition {
  #bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #length = 0;
  #series = 0;
  #dialect = TEXT_FORMAT;
  // Whose labels were written last, and where: the lines of a histogram have the same.
  #labelled: Attributes | undefined;
  #labelsAt = 0;
  #labelsBytes = 0;

  /** @returns the text as UTF-8. A view of this object's memory: it holds until the next call, whoever needs it longer copies it */
  render({ resource, scopeMetrics }: Rendered, { format, names }: Shown = { format: 'text' }): Buffer {
    this.#length = 0;
    this.#labelled = undefined;
    this.#dialect = DIALECTS[format];
    const isWanted = (own: readonly string[]) => names === undefined || own.some((name) => names.has(name));
    const target = resource?.attributes as Attributes | undefined;
    this.#series = target ? 1 : 0;
    const { targetInfo, families } = this.#dialect.tell(this.#metricsOf(scopeMetrics), target);
    if (isWanted(TARGET_NAMES)) this.#text(targetInfo);
    let isEmpty = true;
    for (const family of families) {
      isEmpty = false;
      if (isWanted(family.names)) this.#family(family);
    }
    if (isEmpty && names === undefined) this.#text(this.#dialect.nothing);
    this.#text(this.#dialect.end);
    return this.#bytes.subarray(0, this.#length);
  }

  /** How many the last rendering had to choose from, target_info among them; a histogram is one. */
  get series(): number {
    return this.#series;
  }

  // They may be made one by one, and be gone when the next one is.
  *#metricsOf(scopeMetrics: Rendered['scopeMetrics']): Generator<MetricData> {
    for (const { metrics } of scopeMetrics) {
      for (const metric of metrics) {
        this.#series += metric.dataPoints.length;
        yield metric;
      }
    }
  }

  #family({ metric, sampleName, head }: ShownFamily): void {
    this.#text(head);
    const dialect = this.#dialect;
    if (metric.dataPointType === DataPointType.HISTOGRAM) {
      const texts = new HistogramTexts(dialect, sampleName);
      for (const { attributes, value } of metric.dataPoints) {
        yieldCore();
        this.#histogram(attributes, value, texts);
      }
    } else if (metric.dataPointType !== DataPointType.EXPONENTIAL_HISTOGRAM) {
      for (const { attributes, value } of metric.dataPoints) {
        yieldCore();
        if (dialect.tells(metric, value)) this.#sample(sampleName, attributes, value);
      }
    }
  }

  #histogram(attributes: Attributes, histogram: Histogram, texts: HistogramTexts): void {
    const dialect = this.#dialect;
    if (dialect.summaryFirst) this.#summary(attributes, dialect.summary(histogram, 0), texts);
    const counted = this.#buckets(attributes, histogram, texts);
    if (!dialect.summaryFirst) this.#summary(attributes, dialect.summary(histogram, counted), texts);
  }

  #summary(attributes: Attributes, { count, sum }: ReturnType<Dialect['summary']>, texts: HistogramTexts): void {
    if (count != null) this.#sample(texts.count, attributes, count);
    if (sum != null) this.#sample(texts.sum, attributes, sum);
  }

  // Gives what is in the last one, in which all are.
  #buckets(attributes: Attributes, { buckets }: Histogram, texts: HistogramTexts): number {
    // Buckets are most of a scrape, and their lines begin alike: bytes are copied, no text is made for them.
    const ends = texts.endsOf(buckets.boundaries, buckets.counts.length);
    if (ends.length === 0) return 0;
    const start = this.#length;
    this.#text(texts.bucket);
    this.#text('{');
    if (this.#labels(attributes)) this.#text(',');
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
    return below;
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

  #sample(name: string, attributes: Attributes, value: number): void {
    this.#text(name);
    const start = this.#length;
    this.#text('{');
    if (this.#labels(attributes)) this.#text('}');
    else this.#length = start;
    this.#text(' ');
    this.#reserve(MAX_END_BYTES);
    this.#number(value);
    this.#text('\n');
  }

  // Gives whether there are any.
  #labels(attributes: Attributes): boolean {
    const start = this.#length;
    if (attributes === this.#labelled) {
      this.#reserve(this.#labelsBytes);
      this.#bytes.copyWithin(start, this.#labelsAt, this.#labelsAt + this.#labelsBytes);
      this.#length += this.#labelsBytes;
    } else {
      this.#dialect.labels(attributes, this.#text);
      this.#labelled = attributes;
      this.#labelsAt = start;
      this.#labelsBytes = this.#length - start;
    }
    return this.#labelsBytes > 0;
  }

  // Byte by byte, up to what is not ASCII: pieces are short, and a text that is put together of them first is garbage.
  readonly #text = (text: string): void => {
    this.#reserve(text.length * MAX_BYTES_PER_UNIT);
    for (let i = 0; i < text.length; i += 1) {
      const unit = text.charCodeAt(i);
      if (unit > MAX_ASCII) {
        this.#length += this.#bytes.write(text.slice(i), this.#length);
        return;
      }
      this.#bytes[this.#length] = unit;
      this.#length += 1;
    }
  };

  #reserve(bytes: number): void {
    const end = this.#length + bytes;
    if (end <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(end, this.#bytes.length * 2));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

/** The texts that the series of a histogram share: their names, and what stands behind the labels of a bucket. */
class HistogramTexts {
  readonly count: string;
  readonly sum: string;
  readonly bucket: string;
  readonly #dialect: Dialect;
  #bounds: readonly number[] = [];
  #ends: readonly Buffer[] = [];
  #counts = 0;

  constructor(dialect: Dialect, name: string) {
    this.#dialect = dialect;
    this.count = `${name}_count`;
    this.sum = `${name}_sum`;
    this.bucket = `${name}_bucket`;
  }

  /** Per bucket; made once per list of bounds and not once per series. */
  endsOf(bounds: readonly number[], counts: number): readonly Buffer[] {
    const same = counts === this.#counts && bounds.length === this.#bounds.length;
    if (!same || !bounds.every((bound, i) => bound === this.#bounds[i])) {
      this.#bounds = bounds;
      this.#counts = counts;
      this.#ends = bucketEnds(this.#dialect, bounds, counts).map((end) => Buffer.from(end));
    }
    return this.#ends;
  }
}

// A list of bounds may end with an infinite one itself; what would come behind that is left out.
function bucketEnds({ bound: text }: Dialect, bounds: readonly number[], counts: number): string[] {
  const ends: string[] = [];
  for (let i = 0; i < counts; i += 1) {
    const bound = bounds[i];
    if (bound === undefined && bounds.includes(Number.POSITIVE_INFINITY)) break;
    ends.push(`le="${bound === undefined || bound === Number.POSITIVE_INFINITY ? '+Inf' : text(bound)}"} `);
  }
  return ends;
}
