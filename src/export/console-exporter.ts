/**
 * OTEL_METRICS_EXPORTER=console: a line of JSON per push. On stderr, unlike OTel's own, which writes to stdout: that is the
 * app's, and may be what another program reads.
 */
import { writeSync } from 'node:fs';
import { AggregationTemporality, type PushMetricExporter, type ResourceMetrics } from '@opentelemetry/sdk-metrics';
import { valueFamilies } from './group-value.ts';

/** Writes what docs/redis.md calls families, cumulative. @param write - to stderr unless told */
export class ConsoleExporter implements PushMetricExporter {
  readonly #write: (text: string) => void;

  constructor(write: (text: string) => void = writeWhole) {
    this.#write = write;
  }

  export({ resource, scopeMetrics }: ResourceMetrics, done: Parameters<PushMetricExporter['export']>[1]): void {
    const families = valueFamilies(scopeMetrics.flatMap(({ metrics }) => metrics));
    try {
      this.#write(`${JSON.stringify({ time: new Date(), resource: resource.attributes, families })}\n`);
      done({ code: 0 });
    } catch (error) {
      // stderr closed, or a pipe that nobody reads: the app must not feel it.
      done({ code: 1, error: error as Error });
    }
  }

  selectAggregationTemporality(): AggregationTemporality {
    return AggregationTemporality.CUMULATIVE;
  }

  async forceFlush(): Promise<void> {}

  async shutdown(): Promise<void> {}
}

function writeWhole(text: string): void {
  const bytes = Buffer.from(text);
  for (let written = 0; written < bytes.length; ) written += writeSync(2, bytes, written);
}
