/** What is on the screen, as lines: pure, of the last status, what the person has chosen, and the size of the terminal. */
import type { Status } from '../status-document.ts';
import { EVENT_COLUMNS, eventRows, ROUTE_COLUMNS, WORKER_COLUMNS, type WorkerRow, workerRows } from './columns.ts';
import { ageText } from './format.ts';
import { factsLine, headline, lastEvents } from './headline.ts';
import { fitLine, type Line } from './line.ts';
import { sortedRows, type Table, tableLines } from './table.ts';
import { printable } from './text.ts';
import { KEY_HELP, type View } from './view.ts';

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

export interface Trouble {
  /** Unix ms of the first of the looks in a row that have failed. */
  readonly sinceMs: number;
  readonly why: string;
}

export interface Shown {
  /** The last one that was had. */
  readonly status: Status;
  readonly url: string;
  /** Why it is not of now. */
  readonly trouble?: Trouble | undefined;
  readonly nowMs: number;
}

const FOOTER = 'q quit  ? help  ←→ sort  r reverse  Tab routes, events  ↑↓ scroll  Space pause';
// Of the routes, below the workers: title and these rows are kept free where there are as many.
const ROUTES_BELOW = 6;
const OF_STATES: ReadonlyMap<string, string> = new Map(Object.entries({ running: ' ', quitting: '<' }));

/**
 * One frame.
 *
 * @returns as many lines as the terminal has rows, none wider than it; and how many rows were really scrolled past
 */
export function frame(shown: Shown, view: View, { columns, rows }: Size): { lines: Line[]; offset: number } {
  const { status } = shown;
  // The help needs the height of 24 rows.
  const head = view.help ? [] : [headline(status, columns), secondLine(shown, view.paused)];
  const foot: Line[] = [[{ text: view.help ? 'any key goes back' : FOOTER, tone: 'dim' }]];
  const room = Math.max(0, rows - head.length - foot.length);
  const { lines, offset } = view.help ? { lines: helpLines(), offset: view.offset } : body(status, view, columns, room);
  const all = [...head, ...filled(lines.slice(0, room), room), ...foot];
  return { lines: all.slice(0, Math.max(0, rows)).map((line) => fitLine(line, columns)), offset };
}

/** The table of the workers. */
export function workersTable(status: Status, { sorts }: View): Table<WorkerRow> {
  const rows = sortedRows(workerRows(status), WORKER_COLUMNS, sorts.workers);
  return { columns: WORKER_COLUMNS, rows, sort: sorts.workers, mark: ({ state }) => OF_STATES.get(state) ?? '!' };
}

/** The table of the routes. */
export function routesTable({ routes }: Status, { sorts }: View) {
  return { columns: ROUTE_COLUMNS, rows: sortedRows(routes, ROUTE_COLUMNS, sorts.routes), sort: sorts.routes };
}

/** The table of the events. */
export function eventsTable(status: Status) {
  return { columns: EVENT_COLUMNS, rows: eventRows(status) };
}

function body(status: Status, view: View, columns: number, room: number): Scrolled {
  if (view.tab === 'events') return scrolled(tableLines(eventsTable(status), columns), view.offset, room);
  const events = lastEvents(status);
  const height = room - 1;
  const routes = tableLines(routesTable(status, view), columns);
  if (view.tab === 'routes') {
    const { lines, offset } = scrolled(routes, view.offset, height);
    return { lines: [...filled(lines, height), events], offset };
  }
  const workers = tableLines(workersTable(status, view), columns);
  // An empty line is between the tables.
  const above = Math.max(Math.ceil(height / 2), height - Math.min(routes.length, ROUTES_BELOW) - 1);
  const { lines, offset } = scrolled(workers, view.offset, above);
  const below = height - lines.length - 1;
  const bottom = below > 1 ? [[], ...scrolled(routes, 0, below).lines] : [];
  return { lines: [...filled([...lines, ...bottom], height), events], offset };
}

interface Scrolled {
  readonly lines: Line[];
  readonly offset: number;
}

// The title stays; where not all rows can be shown a line says which are.
function scrolled([title = [], ...rows]: Line[], offset: number, room: number): Scrolled {
  if (room < 1) return { lines: [], offset: 0 };
  if (rows.length < room) return { lines: [title, ...rows], offset: 0 };
  const height = Math.max(0, room - 2);
  const first = Math.min(offset, rows.length - height);
  if (height === 0) return { lines: [title].slice(0, room), offset: first };
  const which: Line = [{ text: `  ${first + 1} to ${first + height} of ${rows.length}`, tone: 'dim' }];
  return { lines: [title, ...rows.slice(first, first + height), which].slice(0, room), offset: first };
}

function filled(lines: Line[], height: number): Line[] {
  return [...lines, ...Array.from({ length: Math.max(0, height - lines.length) }, () => [])];
}

// Whose address it is stands in the line above while all is well.
function whyOf({ why }: Trouble): string {
  return printable(why).replace(/^https?:\S+ /, '');
}

function secondLine({ status, url, trouble, nowMs }: Shown, paused: boolean): Line {
  if (trouble) {
    const ago = ageText((nowMs - trouble.sinceMs) / 1000);
    return [{ text: `! away for ${ago}, trying again: ${whyOf(trouble)}`, tone: 'bad' }];
  }
  const place: Line = [{ text: printable(url), tone: 'dim' }];
  return paused ? [{ text: 'PAUSED ', tone: 'bar' }, { text: ' ' }, ...place] : factsLine(status, printable(url));
}

function helpLines(): Line[] {
  const told = (name: string, meaning: string): Line => [
    { text: `  ${name.padEnd(12)} `, tone: 'bold' },
    { text: meaning },
  ];
  return [
    ...KEY_HELP.map(([keys, meaning]) => told(keys, meaning)),
    ...WORKER_COLUMNS.map(({ name, meaning }) => told(name, meaning)),
  ];
}
