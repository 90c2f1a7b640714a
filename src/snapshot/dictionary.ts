/** The names in a snapshot file: identity, metrics and series, parsed once and only where new lines have come. */
import { crc32 } from 'node:zlib';
import { toDescriptor, toIdentity, toSeries } from './dictionary-lines.ts';
import type { Identity } from './layout.ts';
import { OWN_SCOPE } from './own-metrics.ts';
import { type Attributes, cellWidth, type MetricDescriptor } from './series-table.ts';

/** One series of a snapshot. */
export interface Series {
  /** Nobody's own: those of other snapshots may have them, too; see shared-names.ts. */
  attributes: Attributes;
  /** Equal for equal attributes, whatever their order. */
  key: string;
  /** Where its cell begins in the values of the snapshot. */
  readonly offset: number;
}

/** One metric of a snapshot, its series in order of birth. */
export interface Metric {
  readonly descriptor: MetricDescriptor;
  /** Equal for metrics whose cells may be added to each other. */
  readonly key: string;
  readonly series: Series[];
}

/** What a reader may keep between two reads of the same file: its dictionary as far as it was parsed. */
export class Dictionary {
  identity: Identity | undefined;
  readonly metrics: Metric[] = [];
  parsedBytes = 0;
  parsedCrc = 0;
  #nextOffset = 0;

  /** Whether `bytes` begins with what was parsed: another file may have come under the same name. */
  isPrefixOf(bytes: Buffer): boolean {
    return crc32(bytes.subarray(0, this.parsedBytes)) === this.parsedCrc;
  }

  /**
   * Parses the lines that have come since; all of them or, where one is none of ours, none: what was known before is right.
   *
   * @throws SyntaxError for what is not JSON lines · TypeError for what we would not write
   */
  append(bytes: Buffer): void {
    const lines = bytes
      .toString('utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as unknown);
    const identity = this.identity ?? toIdentity(lines.shift());
    const metrics: Metric[] = [];
    const series: { metric: Metric; entry: Series }[] = [];
    let nextOffset = this.#nextOffset;
    for (const line of lines) {
      const { m: told, s: number, a: given } = Object(line) as { m?: unknown; s?: unknown; a?: unknown };
      if (told !== undefined) {
        const descriptor = toDescriptor(told);
        metrics.push({ descriptor, key: metricKey(descriptor), series: [] });
        continue;
      }
      const [index, attributes] = toSeries(number, given, this.metrics.length + metrics.length);
      const metric = this.metrics[index] ?? metrics[index - this.metrics.length]!;
      series.push({ metric, entry: { attributes, key: attributesKey(attributes), offset: nextOffset } });
      nextOffset += cellWidth(metric.descriptor);
    }
    this.identity = identity;
    for (const metric of metrics) this.metrics.push(metric);
    for (const { metric, entry } of series) metric.series.push(entry);
    this.#nextOffset = nextOffset;
    this.parsedBytes += bytes.length;
    this.parsedCrc = crc32(bytes, this.parsedCrc);
  }
}

/** A text that is equal for equal attributes, whatever their order. */
export function attributesKey(attributes: Attributes): string {
  return JSON.stringify(Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function metricKey({ name, unit, kind, scope, bounds }: MetricDescriptor): string {
  return JSON.stringify([name, unit, kind, scope === OWN_SCOPE, bounds ?? null]);
}
