/** One row per route and method: how often, how fast, how well. */
import type { RouteStatus } from '../status-document.ts';
import { byId } from './element.ts';
import { type Format, visible } from './format.ts';
import { type Column, SortedTable } from './sorted-table.ts';

export interface RouteRow {
  readonly route: RouteStatus;
  /** Its rate as part of the highest one. */
  readonly share: number;
}

/** @returns the table of index.html, with its columns */
export function routesTable({ count, duration, percent, rate }: Format): SortedTable<RouteRow> {
  const quantile = (which: 'p50' | 'p95' | 'p99'): Column<RouteRow> => ({
    title: which,
    about: `${which.slice(1)} of 100 requests took less than this, over the window`,
    value: ({ route }) => route.durationSeconds[which],
    text: ({ route }) => duration(route.durationSeconds[which]),
  });
  const failing = ({ route }: RouteRow) => ((route.failedRequestsPerSecond ?? 0) > 0 ? 'bad' : '');
  const columns: Column<RouteRow>[] = [
    {
      title: 'method',
      about: 'of the request',
      value: ({ route }) => route.method,
      text: ({ route }) => visible(route.method),
      isName: true,
    },
    {
      title: 'route',
      about: 'its pattern; unmatched: answered 404; other: more routes than are kept apart',
      value: ({ route }) => route.route,
      text: ({ route }) => visible(route.route),
      isName: true,
    },
    {
      title: 'requests/s',
      about: 'completed per second, over the window',
      value: ({ route }) => route.requestsPerSecond,
      text: ({ route }) => rate(route.requestsPerSecond),
      share: ({ share }) => share,
    },
    quantile('p50'),
    quantile('p95'),
    quantile('p99'),
    {
      title: 'errors/s',
      about: 'failed requests per second, over the window',
      value: ({ route }) => route.failedRequestsPerSecond,
      text: ({ route }) => rate(route.failedRequestsPerSecond),
      tone: failing,
    },
    {
      title: 'failing',
      about: 'part of the requests that fails, over the window',
      value: failedShare,
      text: (row) => percent(failedShare(row)),
      tone: failing,
    },
    {
      title: 'requests',
      about: 'completed since the totals began',
      value: ({ route }) => route.requests,
      text: ({ route }) => count(route.requests),
    },
    {
      title: 'errors',
      about: 'failed requests since the totals began',
      value: ({ route }) => route.failedRequests,
      text: ({ route }) => count(route.failedRequests),
    },
  ];
  return new SortedTable({
    table: byId<HTMLTableElement>('routes'),
    columns,
    key: ({ route }) => `${route.method} ${route.route}`,
    sortedBy: 'requests/s',
    rowHeader: 1,
  });
}

/** @returns the rows of the routes whose method or pattern contains the words, in whatever case */
export function routeRows(routes: readonly RouteStatus[], words: string): RouteRow[] {
  const most = routes.reduce((max, { requestsPerSecond }) => Math.max(max, requestsPerSecond ?? 0), 0);
  const wanted = words.trim().toLowerCase();
  return routes
    .filter(({ method, route }) => `${method} ${visible(route)}`.toLowerCase().includes(wanted))
    .map((route) => ({ route, share: most === 0 ? 0 : (route.requestsPerSecond ?? 0) / most }));
}

function failedShare({ route: { requestsPerSecond, failedRequestsPerSecond } }: RouteRow): number | null {
  if (failedRequestsPerSecond === null || !requestsPerSecond) return null;
  return (failedRequestsPerSecond / requestsPerSecond) * 100;
}
