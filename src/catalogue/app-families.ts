/** The app's own metrics as families that Prometheus accepts: named, labelled, one family per name. */

import { cellOf } from '../aggregate/merge.ts';
import type { Scene } from '../aggregate/producer.ts';
import { OWN_SCOPE } from '../snapshot/own-metrics.ts';
import type { Attributes, MetricDescriptor } from '../snapshot/series-table.ts';
import { prometheusLabels, prometheusName } from './naming.ts';
import type { Family, Point } from './views.ts';

const TYPES = { counter: 'counter', updowncounter: 'gauge', histogram: 'histogram', gauge: 'gauge' } as const;

// Attributes live as long as the series they name, so their labels are made once and not on every scrape.
const labelsOfAttributes = new WeakMap<Attributes, Record<string, string>>();

interface Draft extends Family {
  readonly key: string;
  readonly points: Point[];
}

/**
 * @param taken - names that the app cannot have
 * @returns families in the order of their names, and the names that stood for two different metrics: the first one of
 *   the group has the name, the others are left out
 */
export function appFamilies(scene: Scene, taken: ReadonlySet<string>): { families: Family[]; conflicts: string[] } {
  const drafts = new Map<string, Draft>();
  const conflicts = new Set<string>();
  const draft = (key: string, descriptor: MetricDescriptor): Draft | undefined => {
    const name = prometheusName(descriptor);
    const known = drafts.get(name);
    if (known?.key === key) return known;
    if (known || taken.has(name)) {
      conflicts.add(name);
      return undefined;
    }
    const made = { key, name, type: TYPES[descriptor.kind], help: descriptor.description || name, points: [] };
    drafts.set(name, made);
    return made;
  };

  for (const [key, { descriptor, series }] of scene.merged) {
    if (descriptor.scope === OWN_SCOPE) continue;
    const family = draft(key, descriptor);
    if (!family) continue;
    for (const { attributes, values } of series.values()) {
      const bounds = descriptor.bounds?.[0];
      const value = bounds ? { cell: values, bounds } : values[0]!;
      family.points.push({ labels: labelsOf(attributes), value });
    }
  }
  for (const { alive, snapshot } of scene.workers) {
    if (!alive) continue;
    for (const metric of snapshot.metrics) {
      if (metric.descriptor.kind !== 'gauge' || metric.descriptor.scope === OWN_SCOPE) continue;
      const family = draft(metric.key, metric.descriptor);
      if (!family) continue;
      for (const series of metric.series) {
        const [value, setAtMs] = cellOf(metric.descriptor, series, snapshot.values) ?? [];
        if (!setAtMs) continue;
        const labels = { ...labelsOf(series.attributes), worker_id: snapshot.identity.workerId };
        family.points.push({ labels, value: value! });
      }
    }
  }
  const families = [...drafts.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  return { families, conflicts: [...conflicts].sort() };
}

function labelsOf(attributes: Attributes): Record<string, string> {
  let labels = labelsOfAttributes.get(attributes);
  if (!labels) {
    labels = prometheusLabels(attributes);
    labelsOfAttributes.set(attributes, labels);
  }
  return labels;
}
