/** The request cells as points of a family: summed by the labels that the family has, per worker or over the group. */
import { addExactly, type ExactSum, restOf, settle } from '../aggregate/exact-sum.ts';
import { cellOf, type Member } from '../aggregate/merge.ts';
import type { Scene } from '../aggregate/producer.ts';
import { OWN_SCOPE, REQUESTS_METRIC } from '../snapshot/own-metrics.ts';
import type { Attributes, MetricDescriptor } from '../snapshot/series-table.ts';
import { yieldCore } from '../yield-core.ts';
import { countOf, type Point, rebucket } from './families.ts';
import type { RequestValue, Source } from './metric-row.ts';

/** Label of a documented metric -> attribute of the request cells. */
export const REQUEST_LABELS: Readonly<Record<string, string>> = {
  method: 'http.request.method',
  endpoint: 'http.route',
  http_request_method: 'http.request.method',
  http_route: 'http.route',
  http_response_status_code: 'http.response.status_code',
  error_type: 'error.type',
};
const REQUEST_HISTOGRAMS: readonly RequestValue[] = ['duration', 'requestSize', 'responseSize'];

const NO_ATTRIBUTES: Attributes = {};

interface Sum extends ExactSum {
  readonly labels: Record<string, string>;
  readonly bounds: readonly number[];
}

/** What a family takes of a cell's attributes; `key` is equal for equal labels. */
interface Taken {
  readonly labels: Readonly<Record<string, string>>;
  readonly key: string;
}

// By the labels of a family. Attributes live as long as the series they name, so this is done once and not on every scrape.
const takenOf = new Map<string, WeakMap<Attributes, Taken>>();

/** @param labels - of the family, `worker_id` first where it is per worker */
export function requestPoints(
  { value, per, only, and }: Extract<Source, { from: 'requests' }>,
  scene: Scene,
  labels: readonly string[],
): Point[] {
  const take = takerOf(labels);
  /** By worker, then by what is taken of the attributes. */
  const sums = new Map<string | undefined, Map<string, Sum>>();
  const add = (workerId: string | undefined, attributes: Attributes, cell: Float64Array, bounds: readonly number[]) => {
    yieldCore();
    const { labels: taken, key } = take(attributes);
    let own = sums.get(workerId);
    if (!own) {
      own = new Map();
      sums.set(workerId, own);
    }
    const sum = own.get(key);
    if (sum) addExactly(sum, rebucket(cell, bounds, sum.bounds));
    else {
      const all = workerId === undefined ? { ...taken } : { worker_id: workerId, ...taken };
      own.set(key, { labels: all, values: cell.slice(), bounds });
    }
  };
  const isWanted = (attributes: Attributes) => only !== 'failed' || attributes['error.type'] !== undefined;

  if (per === 'group') {
    for (const { descriptor, series } of scene.merged.values()) {
      if (!isRequests(descriptor)) continue;
      const { from, to, bounds } = partOf(descriptor, value);
      for (const merged of series.values()) {
        const { attributes, values } = merged;
        if (!isWanted(attributes)) continue;
        add(undefined, attributes, values.subarray(from, to), bounds);
        const rest = restOf(merged);
        if (rest) add(undefined, attributes, rest.subarray(from, to), bounds);
      }
    }
  } else {
    for (const worker of scene.workers) addWorker(worker);
  }
  return [...sums.values()].flatMap((own) =>
    [...own.values()].map((sum) => {
      settle(sum);
      const { labels, values, bounds } = sum;
      return { labels, value: value === 'count' ? countOf(values) : { cell: values, bounds } };
    }),
  );

  function addWorker({ snapshot: { identity, metrics, values } }: Member): void {
    const { workerId } = identity;
    for (const { descriptor, series } of metrics) {
      if (and !== undefined && descriptor.scope === OWN_SCOPE && descriptor.name === and) {
        for (const entry of series) {
          const cell = cellOf(descriptor, entry, values);
          if (cell) add(workerId, entry.attributes, Float64Array.of(0, cell[0]!), []);
        }
      }
      if (!isRequests(descriptor)) continue;
      const { from, to, bounds } = partOf(descriptor, value);
      // A worker that has served nothing yet has its families all the same, at 0.
      if (labels.length === 1 && isWanted(NO_ATTRIBUTES)) {
        add(workerId, NO_ATTRIBUTES, new Float64Array(to - from), bounds);
      }
      for (const entry of series) {
        const cell = isWanted(entry.attributes) ? cellOf(descriptor, entry, values) : undefined;
        if (cell) add(workerId, entry.attributes, cell.subarray(from, to), bounds);
      }
    }
  }
}

function isRequests({ scope, name }: MetricDescriptor): boolean {
  return scope === OWN_SCOPE && name === REQUESTS_METRIC;
}

function takerOf(labels: readonly string[]): (attributes: Attributes) => Taken {
  const family = labels.join();
  const known = takenOf.get(family) ?? new WeakMap<Attributes, Taken>();
  takenOf.set(family, known);
  return (attributes) => {
    let taken = known.get(attributes);
    if (!taken) {
      const own = labelsOf(attributes, labels);
      taken = { labels: own, key: JSON.stringify(own) };
      known.set(attributes, taken);
    }
    return taken;
  };
}

function labelsOf(attributes: Attributes, labels: readonly string[]): Record<string, string> {
  const result: Record<string, string> = {};
  for (const label of labels) {
    const attribute = REQUEST_LABELS[label];
    const value = attribute === undefined ? undefined : attributes[attribute];
    if (value !== undefined) result[label] = String(value);
  }
  // What a cap has taken together has no label values of its own; without this it would be a series without labels.
  if (labels.includes('http_route') && attributes['otel.metric.overflow']) result['otel_metric_overflow'] = 'true';
  return result;
}

// The histograms of a request cell lie one behind the other; a request is counted in each, so any of them tells how many.
function partOf({ bounds = [] }: MetricDescriptor, value: RequestValue) {
  const index = Math.max(0, REQUEST_HISTOGRAMS.indexOf(value));
  const from = bounds.slice(0, index).reduce((sum, list) => sum + list.length + 2, 0);
  return { from, to: from + bounds[index]!.length + 2, bounds: bounds[index]! };
}
