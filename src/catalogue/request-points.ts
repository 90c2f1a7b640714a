/** The request cells as points of a family: summed by the labels that the family has, per worker or over the group. */
import { addExactly, type ExactSum, settle } from '../aggregate/exact-sum.ts';
import { cellOf, type Member } from '../aggregate/merge.ts';
import type { Scene } from '../aggregate/producer.ts';
import { OWN_SCOPE, REQUESTS_METRIC } from '../snapshot/own-metrics.ts';
import type { Attributes, MetricDescriptor } from '../snapshot/series-table.ts';
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

interface Sum extends ExactSum {
  readonly labels: Record<string, string>;
  readonly bounds: readonly number[];
}

/** @param labels - of the family, `worker_id` first where it is per worker */
export function requestPoints(
  { value, per, only, and }: Extract<Source, { from: 'requests' }>,
  scene: Scene,
  labels: readonly string[],
): Point[] {
  const sums = new Map<string, Sum>();
  const add = (own: Record<string, string>, attributes: Attributes, cell: Float64Array, bounds: readonly number[]) => {
    const all = { ...own, ...labelsOf(attributes, labels) };
    const key = JSON.stringify(all);
    const sum = sums.get(key);
    if (!sum) sums.set(key, { labels: all, values: cell.slice(), bounds });
    else addExactly(sum, rebucket(cell, bounds, sum.bounds));
  };
  const addRequest = (
    own: Record<string, string>,
    attributes: Attributes,
    cell: Float64Array,
    descriptor: MetricDescriptor,
  ) => {
    if (only === 'failed' && attributes['error.type'] === undefined) return;
    const { part, bounds } = histogramOf(descriptor, cell, value);
    add(own, attributes, part, bounds);
  };

  if (per === 'group') {
    for (const { descriptor, series } of scene.merged.values()) {
      if (!isRequests(descriptor)) continue;
      for (const { attributes, values, rest } of series.values()) {
        addRequest({}, attributes, values, descriptor);
        if (rest) addRequest({}, attributes, rest, descriptor);
      }
    }
  } else {
    for (const worker of scene.workers) {
      const own = { worker_id: worker.snapshot.identity.workerId };
      addWorker(worker, own);
    }
  }
  return [...sums.values()].map((sum) => {
    settle(sum);
    const { labels, values, bounds } = sum;
    return { labels, value: value === 'count' ? countOf(values) : { cell: values, bounds } };
  });

  function addWorker({ snapshot }: Member, own: Record<string, string>): void {
    for (const { descriptor, series } of snapshot.metrics) {
      const isBeside = and !== undefined && descriptor.scope === OWN_SCOPE && descriptor.name === and;
      // A worker that has served nothing yet has its families all the same, at 0.
      if (isRequests(descriptor) && labels.length === 1) addRequest(own, {}, emptyCell(descriptor), descriptor);
      if (!isBeside && !isRequests(descriptor)) continue;
      for (const entry of series) {
        const cell = cellOf(descriptor, entry, snapshot.values);
        if (!cell) continue;
        if (isBeside) add(own, entry.attributes, Float64Array.of(0, cell[0]!), []);
        else addRequest(own, entry.attributes, cell, descriptor);
      }
    }
  }
}

function isRequests({ scope, name }: MetricDescriptor): boolean {
  return scope === OWN_SCOPE && name === REQUESTS_METRIC;
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
function histogramOf({ bounds = [] }: MetricDescriptor, cell: Float64Array, value: RequestValue) {
  const index = Math.max(0, REQUEST_HISTOGRAMS.indexOf(value));
  const start = bounds.slice(0, index).reduce((sum, list) => sum + list.length + 2, 0);
  return { part: cell.subarray(start, start + bounds[index]!.length + 2), bounds: bounds[index]! };
}

function emptyCell({ bounds = [] }: MetricDescriptor): Float64Array {
  return new Float64Array(bounds.reduce((sum, list) => sum + list.length + 2, 0));
}
