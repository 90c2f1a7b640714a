/** The lines above and below the tables: the group at a glance, where it is looked at, what has happened last. */
import type { Status, StatusEvent } from '../status-document.ts';
import { ageText, durationText, rateText } from './format.ts';
import { type Line, type Span, textOfLine } from './line.ts';
import { cut, widthOf } from './text.ts';

const MIN_SERVICE_WIDTH = 8;
const MAX_SERVICE_WIDTH = 40;
const UNNAMED = 'unnamed';
const EVENTS_SHOWN = 5;
const SEPARATOR: Span = { text: '  ' };

/** shop  ok  4/4 workers  120 req/s …: the service's name has what the rest leaves of so many columns. */
export function headline(
  { service, health, workers, omitted, expectedWorkers, total, activeRequests }: Status,
  columns: number,
): Line {
  const { p50, p95, p99 } = total.durationSeconds;
  const alive = workers.length + omitted.workers;
  const failing = (total.failedRequestsPerSecond ?? 0) > 0;
  const rest: Span[] = [
    health === 'ok' ? { text: 'ok', tone: 'good' } : { text: '! degraded', tone: 'bad' },
    {
      text: `${expectedWorkers > 0 ? `${alive}/${expectedWorkers}` : alive} ${alive === 1 && expectedWorkers === 0 ? 'worker' : 'workers'}`,
    },
    { text: `${rateText(total.requestsPerSecond)} req/s` },
    { text: `${rateText(total.failedRequestsPerSecond)} err/s`, ...(failing && { tone: 'bad' }) },
    { text: `p50 ${durationText(p50)}` },
    { text: `p95 ${durationText(p95)}` },
    { text: `p99 ${durationText(p99)}` },
    { text: `${activeRequests} active` },
  ];
  const widthOfRest = () => widthOf(textOfLine(joined(rest))) + SEPARATOR.text.length;
  const least = Math.min(MIN_SERVICE_WIDTH, widthOf(service || UNNAMED));
  // What does not fit goes as a whole: half a number is another number.
  while (rest.length > 1 && widthOfRest() + least > columns) rest.pop();
  const left = columns - widthOfRest();
  const name = cut(service || UNNAMED, Math.min(MAX_SERVICE_WIDTH, Math.max(least, left)));
  return joined([{ text: name, tone: 'bold' }, ...rest]);
}

/** Where it is, since when it counts, and what is wrong with the exporter itself. */
export function factsLine({ total, startMs, atMs, exporter, omitted }: Status, url: string): Line {
  const sum = (amounts: Readonly<Record<string, number>>) => Object.values(amounts).reduce((all, one) => all + one, 0);
  const notes: [number, string][] = [
    [exporter.scrapeErrors, 'failed scrapes'],
    [sum(exporter.snapshotErrors), 'unreadable snapshots'],
    [sum(exporter.overflow), 'measurements in overflow'],
    [omitted.workers, 'workers not listed'],
    [omitted.routes, 'routes not listed'],
  ];
  const since = startMs > 0 ? ` in ${ageText((atMs - startMs) / 1000)}` : '';
  return joined([
    { text: `${total.requests} requests, ${total.failedRequests} failed${since}` },
    ...notes.flatMap(([amount, what]): Span[] => (amount > 0 ? [{ text: `! ${amount} ${what}`, tone: 'warn' }] : [])),
    { text: url, tone: 'dim' },
  ]);
}

/** The newest events in one line. */
export function lastEvents({ events, atMs }: Status): Line {
  if (events.length === 0) return [{ text: 'no restart, exit or signal yet', tone: 'dim' }];
  // Of a worker that another one has taken the place of, its exit is in that.
  const isTold = ({ kind, workerId }: StatusEvent) =>
    kind === 'exit' && events.some((other) => other.kind === 'restart' && other.workerId === workerId);
  const told = events
    .filter((event) => !isTold(event))
    .slice(0, EVENTS_SHOWN)
    .map(({ atMs: thenMs, kind, workerId, what }): Span => {
      return { text: [kind, what, workerId, `${ageText((atMs - thenMs) / 1000)} ago`].filter(Boolean).join(' ') };
    });
  return [{ text: 'events: ', tone: 'bold' }, ...told.flatMap((span, i) => (i > 0 ? [{ text: ' · ' }, span] : [span]))];
}

function joined(spans: readonly Span[]): Line {
  return spans.flatMap((span, i) => (i > 0 ? [SEPARATOR, span] : [span]));
}
