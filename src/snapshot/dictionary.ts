/** The names in a snapshot file: identity, metrics and series, parsed once and only where new lines have come. */
import { crc32 } from 'node:zlib';
import type { Identity } from './layout.ts';
import { OWN_SCOPE } from './own-metrics.ts';
import { type Attributes, cellWidth, type MetricDescriptor } from './series-table.ts';

/** One series of a snapshot. */
export interface Series {
  readonly attributes: Attributes;
  /** Equal for equal attributes, whatever their order. */
  readonly key: string;
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

  /** Parses the lines that have come since. @throws SyntaxError for what is not JSON lines */
  append(bytes: Buffer): void {
    for (const line of bytes.toString('utf8').split('\n')) {
      if (line === '') continue;
      const entry = JSON.parse(line);
      if (!this.identity) this.identity = entry as Identity;
      else if (entry.m) this.metrics.push({ descriptor: entry.m, key: metricKey(entry.m), series: [] });
      else this.#addSeries(entry.s, entry.a);
    }
    this.parsedBytes += bytes.length;
    this.parsedCrc = crc32(bytes, this.parsedCrc);
  }

  #addSeries(metric: number, attributes: Attributes): void {
    const { descriptor, series } = this.metrics[metric]!;
    series.push({ attributes, key: attributesKey(attributes), offset: this.#nextOffset });
    this.#nextOffset += cellWidth(descriptor);
  }
}

/** A text that is equal for equal attributes, whatever their order. */
export function attributesKey(attributes: Attributes): string {
  return JSON.stringify(Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function metricKey({ name, unit, kind, scope, bounds }: MetricDescriptor): string {
  return JSON.stringify([name, unit, kind, scope === OWN_SCOPE, bounds ?? null]);
}
