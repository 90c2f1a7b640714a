/** Points of scraped families, taken as numbers for `/status.json`. */
import type { Point } from '../catalogue/families.ts';

/** The points of a documented family by its name, in standard labels. */
export type PointsFor = (name: string) => readonly Point[];

/** The value of one, null where it is not there. */
export function numberOf(point: Point | undefined): number | null {
  return typeof point?.value === 'number' ? point.value : null;
}

/** The values of all of them added, 0 without any. */
export function sumOf(points: readonly Point[] = []): number {
  return points.reduce((sum, point) => sum + (numberOf(point) ?? 0), 0);
}

/** The values of those with a label, by that. Names are data: one may be `__proto__`. */
export function byLabel(points: readonly Point[], label: string): Readonly<Record<string, number>> {
  return Object.fromEntries(points.map((point) => [point.labels[label] ?? '', numberOf(point) ?? 0]));
}

/** The points by what `keyOf` says of each, in the order of their first. */
export function groupBy(points: readonly Point[], keyOf: (point: Point) => string): Map<string, Point[]> {
  const groups = new Map<string, Point[]>();
  for (const point of points) {
    const key = keyOf(point);
    const group = groups.get(key);
    if (group) group.push(point);
    else groups.set(key, [point]);
  }
  return groups;
}
