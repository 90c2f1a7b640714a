/**
 * Tables of measurements for property tests: few names, units and attributes, so that the tables of two processes meet
 * in the same series often; whole numbers, so that sums are exact whatever the order they are added in.
 */
import fc from 'fast-check';
import type { Identity } from '../src/snapshot/layout.ts';
import { OWN_SCOPE } from '../src/snapshot/own-metrics.ts';
import { type Attributes, cellWidth, type MetricDescriptor, SeriesTable } from '../src/snapshot/series-table.ts';

/** One series as a process recorded it; `cell` is as wide as cellWidth says. */
export interface Recorded {
  readonly descriptor: MetricDescriptor;
  readonly attributes: Attributes;
  readonly cell: readonly number[];
}

export const IDENTITY: Identity = {
  role: 'worker',
  workerId: 'worker_1_1700000000',
  pid: 4711,
  processStart: 815,
  threadId: 0,
  startSeconds: 1_700_000_000,
  version: '0.1.0',
};

const kinds = fc.constantFrom('counter', 'updowncounter', 'histogram', 'gauge');
const bounds = fc.constantFrom([[1, 2, 5]], [[0.5]], [[0.1, 1], [1024], [1024, 4096]], [[]]);

export const descriptors: fc.Arbitrary<MetricDescriptor> = fc
  .record({
    name: fc.constantFrom('calls', 'queue.depth', 'größe'),
    description: fc.constantFrom('', 'line one\nline two'),
    unit: fc.constantFrom('', 's', 'By'),
    scope: fc.constantFrom('app', 'library', OWN_SCOPE),
    kind: kinds,
    bounds,
  })
  .map(({ bounds, ...rest }) => (rest.kind === 'histogram' ? { ...rest, bounds } : rest) as MetricDescriptor);

// `__proto__` and `constructor` because clients choose attribute values and apps attribute names.
const attributeNames = fc.constantFrom('route', 'http.method', 'constructor', '__proto__', 'ü');
const attributeValues = fc.oneof(
  fc.constantFrom('GET', '', '/a\n"b"\\', '☃', '1'),
  fc.constantFrom(1, 0.5, true, false),
  fc.constantFrom(['a', 'b'], [1, 2]),
);
const attributes: fc.Arbitrary<Attributes> = fc
  .uniqueArray(fc.tuple(attributeNames, attributeValues), { maxLength: 3, selector: ([name]) => name })
  .map((entries) => Object.fromEntries(entries));

const wholeNumbers = fc.integer({ min: 0, max: 2 ** 31 - 1 });

export const recordings: fc.Arbitrary<readonly Recorded[]> = fc.array(
  descriptors.chain((descriptor) => {
    const width = cellWidth(descriptor);
    const cell = fc.array(wholeNumbers, { minLength: width, maxLength: width });
    return fc.record({ descriptor: fc.constant(descriptor), attributes, cell });
  }),
  { maxLength: 12 },
);

/** A table that holds what was recorded, each series on its own as if it had been born in this order. */
export function tableOf(recorded: readonly Recorded[], prefixBytes = 0): SeriesTable {
  const table = new SeriesTable(prefixBytes);
  const metrics = new Map<string, number>();
  for (const { descriptor, attributes, cell } of recorded) {
    const key = JSON.stringify(descriptor);
    const metric = metrics.get(key) ?? table.define(descriptor);
    metrics.set(key, metric);
    // The cell first: adding it may replace `values`.
    const offset = table.add(metric, attributes);
    table.values.set(cell, offset);
  }
  return table;
}
