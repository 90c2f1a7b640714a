/** The app's own metrics as families that Prometheus accepts: named, labelled, one family per name, one sample per labels. */
import { addSum, type ExactSum, restOf, settle } from '../aggregate/exact-sum.ts';
import { cellOf, type Member, type MergedMetric } from '../aggregate/merge.ts';
import type { Scene } from '../aggregate/producer.ts';
import type { Metric } from '../snapshot/dictionary.ts';
import { OWN_SCOPE } from '../snapshot/own-metrics.ts';
import type { Attributes, MetricDescriptor } from '../snapshot/series-table.ts';
import { yieldCore } from '../yield-core.ts';
import { type Family, type Point, rebucket } from './families.ts';
import { gaugeMode, latest } from './gauge-modes.ts';
import { prometheusLabels, prometheusName } from './naming.ts';

// No app has events; they stand here for the compiler.
const TYPES = {
  counter: 'counter',
  updowncounter: 'gauge',
  histogram: 'histogram',
  gauge: 'gauge',
  event: 'gauge',
} as const;

type GaugeModes = Readonly<Record<string, string>>;

// Attributes live as long as the series they name, so their labels are made once and not on every scrape.
const labelsOfAttributes = new WeakMap<Attributes, { labels: Record<string, string>; key: string }>();

interface Cell {
  readonly labels: Record<string, string>;
  readonly sum: ExactSum;
}

type Cells = Map<string, Cell>;

interface Draft {
  readonly key: string;
  readonly descriptor: MetricDescriptor;
  cells: Cells;
}

// Sums stay where they are from merge to merge, so what shows them is made once, too, for as long as they are the same ones.
const cellsOfMetric = new WeakMap<MergedMetric, { revision: number; cells: Cells }>();

/** A family per name that is free; the names that stood for two different metrics are told, the later ones left out. */
class Drafts {
  readonly conflicts = new Set<string>();
  readonly #drafts = new Map<string, Draft>();
  readonly #sampleNames: Set<string>;

  readonly #gaugeModes: GaugeModes;

  constructor(taken: Iterable<string>, gaugeModes: GaugeModes) {
    this.#gaugeModes = gaugeModes;
    this.#sampleNames = new Set(taken);
  }

  get(key: string, descriptor: MetricDescriptor): Draft | undefined {
    const name = prometheusName(descriptor);
    const known = this.#drafts.get(name);
    if (known && (known.key === key || differOnlyInBuckets(known.descriptor, descriptor))) return known;
    const names = sampleNames(name, TYPES[descriptor.kind]);
    if (names.some((sample) => this.#sampleNames.has(sample))) {
      this.conflicts.add(name);
      return undefined;
    }
    for (const sample of names) this.#sampleNames.add(sample);
    const made = { key, descriptor, cells: new Map() };
    this.#drafts.set(name, made);
    return made;
  }

  families(): Family[] {
    return [...this.#drafts]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, { descriptor, cells }]) => ({
        name,
        type: TYPES[descriptor.kind],
        help: descriptor.description || name,
        additive: this.#isAmount(name, descriptor),
        points: { length: cells.size, [Symbol.iterator]: () => pointsOf(descriptor, cells.values()) },
      }));
  }

  #isAmount(name: string, { kind }: MetricDescriptor): boolean {
    return kind === 'updowncounter' || (kind === 'gauge' && gaugeMode(name, this.#gaugeModes).additive);
  }
}

/** The names a family's samples have: none of them may be another family's. */
export function sampleNames(name: string, type: Family['type']): string[] {
  return type === 'histogram' ? [name, `${name}_bucket`, `${name}_count`, `${name}_sum`] : [name];
}

/**
 * @param taken - names of samples that the app cannot have
 * @param gaugeModes - by name as scraped, `*` for all others; see gauge-modes.ts
 * @returns families in the order of their names, and the names of metrics that had to be left out
 */
export function appFamilies(
  scene: Scene,
  taken: Iterable<string>,
  gaugeModes: GaugeModes = {},
): { families: Family[]; conflicts: string[] } {
  const drafts = new Drafts(taken, gaugeModes);
  for (const [key, merged] of scene.merged) {
    const { descriptor } = merged;
    const draft = descriptor.scope === OWN_SCOPE ? undefined : drafts.get(key, descriptor);
    if (!draft) continue;
    // The first of its name: what is kept of it is as it is.
    draft.cells = draft.descriptor === descriptor ? cellsOf(merged) : withSums(draft.cells, draft.descriptor, merged);
  }
  for (const member of scene.members) {
    for (const metric of member.snapshot.metrics) addGauges(drafts, metric, member, gaugeModes);
  }
  return { families: drafts.families(), conflicts: [...drafts.conflicts].sort() };
}

function cellsOf(merged: MergedMetric): Cells {
  const { descriptor, series, revision } = merged;
  const known = cellsOfMetric.get(merged);
  if (known?.revision === revision) return known.cells;
  const cells = withSums(new Map(), descriptor, merged);
  // Where two are one, that is a sum of its own, of this moment.
  if (cells.size === series.size) cellsOfMetric.set(merged, { revision, cells });
  return cells;
}

function withSums(cells: Cells, shown: MetricDescriptor, { descriptor, series }: MergedMetric): Cells {
  const all = new Map(cells);
  for (const merged of series.values()) {
    yieldCore();
    const { labels, key: labelsKey } = labelsOf(merged.attributes);
    const same = all.get(labelsKey);
    // Attributes that differ for OTel (200 and "200", a.b and a_b) may be one label set for Prometheus.
    const sum = descriptor === shown ? merged : inBucketsOf(shown, descriptor, merged);
    all.set(labelsKey, { labels, sum: same ? sumOf(same.sum, sum) : sum });
  }
  return all;
}

function addGauges(drafts: Drafts, metric: Metric, { snapshot, alive }: Member, gaugeModes: GaugeModes): void {
  const { descriptor } = metric;
  if (descriptor.kind !== 'gauge' || descriptor.scope === OWN_SCOPE) return;
  const { live, combine } = gaugeMode(prometheusName(descriptor), gaugeModes);
  const draft = live && !alive ? undefined : drafts.get(metric.key, descriptor);
  if (!draft) return;
  const { workerId } = snapshot.identity;
  for (const series of metric.series) {
    yieldCore();
    const cell = cellOf(descriptor, series, snapshot.values);
    if (!cell?.[1]) continue;
    const { labels, key } = labelsOf(series.attributes);
    const labelsKey = combine ? key : `${workerId} ${key}`;
    const same = draft.cells.get(labelsKey);
    // Two libraries of one process may have a gauge of one name: what was set last is what holds.
    draft.cells.set(labelsKey, {
      labels: combine ? labels : { ...labels, worker_id: workerId },
      sum: { values: same ? (combine ?? latest)(same.sum.values, cell) : cell },
    });
  }
}

// A histogram whose bounds were changed while the group goes on is still the same histogram.
function differOnlyInBuckets(a: MetricDescriptor, b: MetricDescriptor): boolean {
  return a.kind === 'histogram' && b.kind === 'histogram' && a.unit === b.unit && a.name === b.name;
}

// A sum of its own: both may be the merge's, which nobody adds to.
function sumOf(a: ExactSum, b: ExactSum): ExactSum {
  const sum = { values: a.values.slice(), rest: a.rest?.slice() };
  addSum(sum, b);
  return sum;
}

function inBucketsOf(to: MetricDescriptor, from: MetricDescriptor, sum: ExactSum): ExactSum {
  if (!from.bounds) return sum;
  const rest = restOf(sum);
  const bounds = from.bounds?.[0] ?? [];
  const rebucketed = (cell: Float64Array) => rebucket(firstHistogram(cell, bounds), bounds, to.bounds?.[0] ?? []);
  return { values: rebucketed(sum.values), rest: rest && [...rebucketed(rest)] };
}

// An app's cell has one histogram, and is that itself.
function firstHistogram(cell: Float64Array, bounds: readonly number[]): Float64Array {
  const width = bounds.length + 2;
  return cell.length === width ? cell : cell.subarray(0, width);
}

function* pointsOf(descriptor: MetricDescriptor, cells: Iterable<Cell>): Generator<Point> {
  const told = descriptor.bounds?.[0] ?? [];
  // A program may give a bound twice, which would be a series twice.
  const bounds = [...new Set(told)].sort((a, b) => a - b);
  for (const { labels, sum } of cells) {
    yieldCore();
    settle(sum);
    const value =
      descriptor.kind === 'histogram'
        ? { cell: rebucket(firstHistogram(sum.values, told), told, bounds), bounds }
        : sum.values[0]!;
    yield { labels, value };
  }
}

function labelsOf(attributes: Attributes): { labels: Record<string, string>; key: string } {
  let known = labelsOfAttributes.get(attributes);
  if (!known) {
    const labels = prometheusLabels(attributes);
    known = { labels, key: JSON.stringify(labels) };
    labelsOfAttributes.set(attributes, known);
  }
  return known;
}
