/**
 * What a fleet shows: every instance's series with `service` and `instance`, or, summed, each counter and histogram once
 * per service. Gauges that are no amounts cannot be added and keep their instance.
 */
import type { HrTime } from '@opentelemetry/api';
import type { MetricData } from '@opentelemetry/sdk-metrics';
import { type Family, type Point, toMetricData } from '../catalogue/families.ts';
import { prometheusLabels } from '../catalogue/naming.ts';
import type { FleetSums } from './fleet-sums.ts';
import type { GroupValue, ValueFamily, ValueSeries } from './group-value.ts';

// As Prometheus does with labels of a target that it sets itself.
const OWN_LABELS = ['service', 'instance'];
const RENAMED = 'exported_';
const NOW: [HrTime, HrTime] = [
  [0, 0],
  [1, 0],
];
const TARGET_INFO = { name: 'target_info', type: 'gauge', help: 'Target metadata' } as const;

type Labels = Readonly<Record<string, string>>;
type Named = Pick<Family, 'name' | 'type' | 'help' | 'additive'>;

/** @param instances - in the order in which they are to be shown */
export function instanceFamilies(instances: readonly GroupValue[]): MetricData[] {
  const families = new Map<string, MetricData[]>();
  for (const metric of instances.flatMap(metricsOf)) {
    const known = families.get(metric.descriptor.name);
    if (!known) families.set(metric.descriptor.name, [metric]);
    else if (isAlike(known[0]!, metric)) known.push(metric);
  }
  return [...families.values()].map(
    (all) => ({ ...all[0]!, dataPoints: all.flatMap(({ dataPoints }) => dataPoints as unknown[]) }) as MetricData,
  );
}

// The first says what it is, where versions of an app disagree.
function isAlike(a: MetricData, b: MetricData): boolean {
  const monotonic = (metric: MetricData) => 'isMonotonic' in metric && metric.isMonotonic;
  return a.dataPointType === b.dataPointType && monotonic(a) === monotonic(b);
}

// Made once for each value and not once for each scrape: most of what a scrape of a large fleet would take.
const made = new WeakMap<GroupValue, MetricData[]>();

function metricsOf(value: GroupValue): MetricData[] {
  const known = made.get(value);
  if (known) return known;
  const families = new Families();
  const own = { service: value.service, instance: value.id };
  families.add(TARGET_INFO, { labels: withOwn(prometheusLabels(value.resource), own), value: 1 });
  for (const family of value.families) {
    for (const series of family.series) families.add(family, pointOf(family, series, own));
  }
  const metrics = families.metrics();
  made.set(value, metrics);
  return metrics;
}

/** @param instances - those that are there; the sums hold what they and the gone have counted */
export function summedFamilies(instances: readonly GroupValue[], sums: FleetSums): MetricData[] {
  const families = new Families();
  for (const { service, bounds, sums: all, ...family } of sums.families.values()) {
    for (const { labels, cell } of all.values()) {
      const value = family.type === 'histogram' ? { cell, bounds } : cell[0]!;
      families.add(family, { labels: withOwn(labels, { service }), value });
    }
  }
  const amounts = new Map<string, { family: Named; labels: Labels; value: number }>();
  for (const { service, id, families: own } of instances) {
    for (const family of own.filter(({ type }) => type === 'gauge')) {
      for (const series of family.series) {
        if (family.additive) addAmount(amounts, family, service, series);
        else families.add(family, pointOf(family, series, { service, instance: id }));
      }
    }
  }
  for (const { family, labels, value } of amounts.values()) families.add(family, { labels, value });
  return families.metrics();
}

/** Families by name; who comes first says what type and help they have. */
class Families {
  readonly #known = new Map<string, Named & { points: Point[] }>();

  add({ name, type, help, additive }: Named, point: Point): void {
    let family = this.#known.get(name);
    if (!family) {
      family = { name, type, help, ...(additive && { additive }), points: [] };
      this.#known.set(name, family);
    }
    if (family.type === type) family.points.push(point);
  }

  metrics(): MetricData[] {
    return [...this.#known.values()].map((family) => toMetricData(family, ...NOW));
  }
}

function addAmount(
  amounts: Map<string, { family: Named; labels: Labels; value: number }>,
  family: ValueFamily,
  service: string,
  { labels: { worker_id: _, ...labels }, value }: ValueSeries,
): void {
  const key = `${family.name} ${service} ${JSON.stringify(labels)}`;
  const known = amounts.get(key) ?? { family, labels: withOwn(labels, { service }), value: 0 };
  known.value += value as number;
  amounts.set(key, known);
}

function pointOf({ bounds }: ValueFamily, { labels, value, bounds: own }: ValueSeries, set: Labels): Point {
  const told = withOwn(labels, set);
  if (typeof value === 'number') return { labels: told, value };
  return { labels: told, value: { cell: Float64Array.from(value), bounds: own ?? bounds ?? [] } };
}

function withOwn(labels: Labels, own: Labels): Labels {
  if (!OWN_LABELS.some((name) => Object.hasOwn(labels, name) && Object.hasOwn(own, name))) return { ...own, ...labels };
  const isTaken = (name: string) => Object.hasOwn(own, name) || Object.hasOwn(labels, name);
  const renamed = Object.entries(labels).map(([label, value]) => {
    let name = label;
    if (Object.hasOwn(own, label)) while (isTaken(name)) name = RENAMED + name;
    return [name, value];
  });
  return { ...own, ...Object.fromEntries(renamed) };
}
