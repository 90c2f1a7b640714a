/** What is said of the group as a whole: the head of the page, the tiles, and how the exporter itself is. */
import type { Status } from '../status-document.ts';
import { byId, make, setText } from './element.ts';
import { type Format, visible } from './format.ts';
import type { History, Trend } from './history.ts';
import { Sparkline } from './sparkline.ts';

interface Tile {
  readonly id: string;
  readonly title: string;
  readonly text: (status: Status) => string;
  readonly tone?: (status: Status) => string;
  readonly trend?: Trend;
  readonly write?: (value: number) => string;
}

/** Builds the tiles. @returns what shows a status in them, in the head and in the exporter's part */
export function startOverview(format: Format): (status: Status, history: History) => void {
  const { count, duration, rate } = format;
  const failing = ({ total }: Status) => ((total.failedRequestsPerSecond ?? 0) > 0 ? 'bad' : '');
  const missing = ({ health }: Status) => (health === 'ok' ? '' : 'bad');
  const tiles: Tile[] = [
    { id: 'rate', title: 'requests/s', text: ({ total }) => rate(total.requestsPerSecond), trend: 'rate', write: rate },
    {
      id: 'errors',
      title: 'errors/s',
      text: ({ total }) => rate(total.failedRequestsPerSecond),
      tone: failing,
      trend: 'errors',
      write: rate,
    },
    { id: 'p50', title: 'p50', text: ({ total }) => duration(total.durationSeconds.p50) },
    {
      id: 'p95',
      title: 'p95',
      text: ({ total }) => duration(total.durationSeconds.p95),
      trend: 'p95',
      write: duration,
    },
    { id: 'p99', title: 'p99', text: ({ total }) => duration(total.durationSeconds.p99) },
    {
      id: 'active',
      title: 'under way',
      text: ({ activeRequests }) => count(activeRequests),
      trend: 'active',
      write: count,
    },
    { id: 'alive', title: 'workers', text: (status) => workersText(status, format), tone: missing },
  ];
  const views = tiles.map((tile) => {
    const value = make('span', 'value', '–');
    const spark = tile.trend && new Sparkline();
    const content = make('dd', '', value, ...(spark ? [spark.element] : []));
    const element = make('div', 'tile', make('dt', '', tile.title), content);
    element.id = `tile-${tile.id}`;
    byId('tiles').append(element);
    return { tile, element, value, spark };
  });

  return (status, history) => {
    showHead(status, format);
    for (const { tile, element, value, spark } of views) {
      const { title, trend, write = count } = tile;
      setText(value, tile.text(status));
      element.dataset['tone'] = tile.tone?.(status) ?? '';
      if (!spark || !trend) continue;
      const { atMs, values } = history.total;
      const line = { atMs, values: values[trend], spanMs: history.spanMs, name: title, write, fromZero: true };
      spark.draw(line, performance.now());
    }
    showExporter(status, format);
  };
}

/** The workers alive, and how many there should be where that is told. */
export function workersText({ workers, omitted, expectedWorkers }: Status, { count }: Format): string {
  const alive = count(workers.length + omitted.workers);
  return expectedWorkers > 0 ? `${alive} / ${count(expectedWorkers)}` : alive;
}

function showHead(status: Status, format: Format): void {
  const service = visible(status.service);
  setText(byId('service'), service);
  document.title = `${status.health === 'ok' ? '' : '▲ '}${service} · gunicorn-otel`;
  const health = byId('health');
  setText(health, status.health === 'ok' ? '● ok' : `▲ ${visible(status.health)}`);
  health.dataset['tone'] = status.health === 'ok' ? 'good' : 'bad';
  const facts = {
    since: format.span((status.atMs - status.startMs) / 1000),
    window: status.windowSeconds === null ? 'none yet' : format.span(status.windowSeconds),
    version: visible(status.packageVersion),
    node: visible(status.nodeVersion),
  };
  for (const [id, text] of Object.entries(facts)) setText(byId(id), text);
}

function showExporter({ exporter }: Status, { count, duration }: Format): void {
  const { scrapes, scrapeErrors, lastScrapeSeconds, series, snapshotErrors, overflow } = exporter;
  const facts: readonly (readonly [id: string, text: string, isBad: boolean])[] = [
    ['scrapes', count(scrapes), false],
    ['scrape-errors', count(scrapeErrors), scrapeErrors > 0],
    ['scrape-duration', scrapes === 0 ? '–' : duration(lastScrapeSeconds), false],
    ['series', count(series), false],
    ['snapshot-errors', told(snapshotErrors, count), anyAbove0(snapshotErrors)],
    ['overflow', told(overflow, count), anyAbove0(overflow)],
  ];
  for (const [id, text, isBad] of facts) {
    const element = byId(id);
    setText(element, isBad ? `▲ ${text}` : text);
    element.dataset['tone'] = isBad ? 'warn' : '';
  }
}

function told(counts: Readonly<Record<string, number>>, count: (value: number) => string): string {
  const all = Object.entries(counts).filter(([, number]) => number > 0);
  return all.length === 0 ? 'none' : all.map(([name, number]) => `${visible(name)}: ${count(number)}`).join(', ');
}

function anyAbove0(counts: Readonly<Record<string, number>>): boolean {
  return Object.values(counts).some((number) => number > 0);
}
