/**
 * Cumulative metrics as what has come since the last time they arrived. A group's totals are cumulative, and OTel's readers
 * convert only what the SDK itself has recorded. A delta counts as told when `delivered` says so: what a receiver that is
 * away has missed is in the first delta that reaches it.
 */
import type { HrTime } from '@opentelemetry/api';
import {
  AggregationTemporality,
  type DataPoint,
  DataPointType,
  type Histogram,
  InstrumentType,
  type MetricData,
} from '@opentelemetry/sdk-metrics';
import { rebucket } from '../catalogue/families.ts';
import { yieldCore } from '../yield-core.ts';

type TemporalityOf = (type: InstrumentType) => AggregationTemporality;
type Value = number | Histogram;
interface Told {
  readonly value: Value;
  readonly endTime: HrTime;
}

/** A conversion that has not arrived yet. */
export interface Conversion {
  readonly metrics: MetricData[];
  /** It has arrived: the next conversion counts from here. */
  delivered(): void;
}

/** What one receiver has been told. As large as the metrics are: a series that is no longer there is forgotten. */
export class Deltas {
  readonly #temporalityOf: TemporalityOf;
  #told = new Map<string, Told>();

  constructor(temporalityOf: TemporalityOf) {
    this.#temporalityOf = temporalityOf;
  }

  /** Nothing is changed by this: a conversion that never arrives is as if it had not been asked for. */
  convert(metrics: readonly MetricData[]): Conversion {
    const told = new Map<string, Told>();
    const converted = metrics.map((metric): MetricData => {
      if (!this.#wantsDelta(metric)) return metric;
      const points = (metric.dataPoints as DataPoint<Value>[]).flatMap((point) => {
        yieldCore();
        const key = `${metric.descriptor.name} ${JSON.stringify(point.attributes)}`;
        told.set(key, { value: point.value, endTime: point.endTime });
        return since(this.#told.get(key), point);
      });
      return {
        ...metric,
        aggregationTemporality: AggregationTemporality.DELTA,
        dataPoints: points,
      } as MetricData;
    });
    return {
      metrics: converted,
      delivered: () => {
        this.#told = told;
      },
    };
  }

  #wantsDelta(metric: MetricData): boolean {
    const { dataPointType: type } = metric;
    if (type === DataPointType.HISTOGRAM) return this.#isDelta(InstrumentType.HISTOGRAM);
    return type === DataPointType.SUM && metric.isMonotonic && this.#isDelta(InstrumentType.COUNTER);
  }

  #isDelta(type: InstrumentType): boolean {
    return this.#temporalityOf(type) === AggregationTemporality.DELTA;
  }
}

// A series that nobody knows yet is told from its own start on, at 0 too; one in which nothing happened is left out.
function since(told: Told | undefined, point: DataPoint<Value>): DataPoint<Value>[] {
  if (!told) return [point];
  const { value } = point;
  const { value: then, endTime: startTime } = told;
  const delta =
    typeof value === 'number' ? numberSince(value, then as number) : histogramSince(value, then as Histogram);
  return delta === undefined ? [] : [{ ...point, startTime, value: delta }];
}

// What has fallen has begun anew, and all of it is new.
function numberSince(now: number, then: number): number | undefined {
  const delta = now >= then ? now - then : now;
  return delta === 0 ? undefined : delta;
}

function histogramSince(now: Histogram, then: Histogram): Histogram | undefined {
  const { boundaries } = now.buckets;
  const old = Float64Array.from([then.sum ?? 0, ...then.buckets.counts]);
  const before = rebucket(old, then.buckets.boundaries, boundaries);
  const counts = now.buckets.counts.map((count, i) => count - before[i + 1]!);
  if (counts.some((count) => count < 0)) {
    // With other buckets than before nobody can say where the old counts are now; one interval is less than all of them.
    return before === old && now.count > 0 ? now : undefined;
  }
  const count = now.count - then.count;
  return count === 0 ? undefined : { sum: (now.sum ?? 0) - before[0]!, count, buckets: { boundaries, counts } };
}
