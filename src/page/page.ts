/** The entry of the page at `/`: asks for the status, keeps its history, and has each part show it. */
import type { Status } from '../status-document.ts';
import { startAttention } from './attention.ts';
import { byId, setText } from './element.ts';
import { formatOf } from './format.ts';
import { History } from './history.ts';
import { Judge } from './judge.ts';
import { startOverview } from './overview.ts';
import { type Connection, Poller } from './poller.ts';
import { routeRows, routesTable } from './routes-table.ts';
import { startTheme } from './theme.ts';
import { startTimeline } from './timeline.ts';
import { workersTable } from './workers-table.ts';

const format = formatOf();
const history = new History();
const judge = new Judge();
const workers = workersTable(format);
const routes = routesTable(format);
const filter = byId<HTMLInputElement>('filter');
const showOverview = startOverview(format);
const showTimeline = startTimeline(format);
const showAttention = startAttention(announce);
const poller = new Poller({ url: 'status.json', onStatus: show, onConnection: tell });

let latest: Status | undefined;
let connection = '';

startTheme(byId<HTMLButtonElement>('theme'));
byId('pause').addEventListener('click', () => {
  poller.togglePause();
  byId('pause').textContent = poller.isPaused ? 'Resume' : 'Pause';
});
byId('retry').addEventListener('click', () => poller.now());
filter.addEventListener('input', () => {
  if (latest) announce(showRoutes(latest));
});
addEventListener('beforeprint', () => workers.drawAll());
poller.start();

function show(status: Status): void {
  performance.mark('refresh');
  latest = status;
  history.record(status, performance.now());
  const marks = judge.marks(status, history);
  showOverview(status, history);
  showAttention(status, marks);
  workers.show(
    status.workers.map((worker) => ({
      worker,
      trail: history.of(worker.id),
      spanMs: history.spanMs,
      marks: marks.get(worker.id) ?? [],
    })),
  );
  showRoutes(status);
  showTimeline(status);
  setText(byId('workers-count'), countOf(status.workers.length, status.omitted.workers));
  performance.clearMeasures('refresh');
  performance.measure('refresh', 'refresh');
  performance.clearMarks('refresh');
}

// Says how many there are.
function showRoutes({ routes: all, omitted }: Status): string {
  const rows = routeRows(all, filter.value);
  routes.show(rows);
  const text = rows.length === all.length ? countOf(all.length, omitted.routes) : `${rows.length} of ${all.length}`;
  setText(byId('routes-count'), text);
  return `${text} routes`;
}

function countOf(shown: number, omitted: number): string {
  return omitted === 0 ? format.count(shown) : `${format.count(shown)} of ${format.count(shown + omitted)}`;
}

function tell(now: Connection): void {
  const asOf = latest ? `data as of ${format.clock(latest.atMs)}` : 'no data yet';
  const line = byId('connection');
  line.dataset['state'] = now.state;
  document.body.toggleAttribute('data-stale', now.state === 'away');
  byId('retry').hidden = now.state !== 'away';
  if (now.state === 'live') setText(line, `● live · ${latest ? format.clock(latest.atMs) : ''}`);
  if (now.state === 'paused') setText(line, `❚❚ paused · ${asOf}`);
  if (now.state === 'away') {
    setText(line, `✕ the endpoint is away (${now.reason}) · ${asOf} · next try at ${format.clock(now.retryAtMs)}`);
  }
  if (connection && connection !== now.state) announce(now.state === 'away' ? line.textContent! : `now ${now.state}`);
  connection = now.state;
}

function announce(text: string): void {
  byId('announcer').textContent = text;
}
