/** The routes of a group as `/status.json` tells of them, whatever the status and the error of a request were. */
import type { Point } from '../catalogue/families.ts';
import type { RouteStatus } from '../status-document.ts';
import { type Counts, countsOf, loadOf, sumOfCounts } from './status-load.ts';
import { groupBy, type PointsFor } from './status-points.ts';
import type { OpenWindow } from './status-window.ts';

// What a cap of series has taken together, wherever it came from: as what the cap of endpoints has.
const OTHER = { method: '_OTHER', route: 'other' };

/** What one route has counted in all. */
export interface RouteCounts extends Counts, Pick<RouteStatus, 'method' | 'route'> {
  /** Of it and no other. */
  readonly name: string;
}

/** Every route that there is, in no order. */
export function countsByRoute(pointsFor: PointsFor): RouteCounts[] {
  const points = pointsFor('http_server_request_duration_seconds');
  const routes = groupBy(points, (point) => JSON.stringify(Object.values(routeOf(point))));
  return [...routes].map(([name, own]) => {
    const parts = own.map((point) => {
      const counts = countsOf(point, 0);
      return point.labels['error_type'] === undefined ? counts : { ...counts, failedRequests: counts.requests };
    });
    return { name, ...routeOf(own[0]!), ...sumOfCounts(parts) };
  });
}

/**
 * Those with the most requests in the window first, then those with the most of all time.
 *
 * @param most - how many; those behind are left out
 * @param loads - gets what each of them has counted
 */
export function routesOf(
  routes: readonly RouteCounts[],
  window: OpenWindow | undefined,
  loads: Map<string, Counts>,
  most: number,
): RouteStatus[] {
  const ranked = routes.map((counts) => {
    const { name, method, route } = counts;
    const load = loadOf(counts, window?.growthOf(name, counts, window.complete));
    return { counts, status: { method, route, ...load } };
  });
  ranked.sort(
    (a, b) =>
      (b.status.requestsPerSecond ?? 0) - (a.status.requestsPerSecond ?? 0) ||
      b.status.requests - a.status.requests ||
      (a.counts.name < b.counts.name ? -1 : 1),
  );
  const shown = ranked.slice(0, most);
  for (const { counts } of shown) loads.set(counts.name, counts);
  return shown.map(({ status }) => status);
}

function routeOf({ labels }: Point): Pick<RouteStatus, 'method' | 'route'> {
  if (labels['otel_metric_overflow'] !== undefined) return OTHER;
  return { method: labels['http_request_method'] ?? '', route: labels['http_route'] ?? '' };
}
