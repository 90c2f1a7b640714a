/** What the person at the terminal has chosen to see, and how keys change it. */
import { ROUTE_COLUMNS, WORKER_COLUMNS } from './columns.ts';
import type { Sort } from './table.ts';

/** What the height is given to first. */
export type Tab = 'workers' | 'routes' | 'events';

export interface View {
  readonly tab: Tab;
  readonly sorts: { readonly workers: Sort; readonly routes: Sort };
  /** Rows of the tab's table that are scrolled past; may be more than there are, until the next frame. */
  readonly offset: number;
  readonly paused: boolean;
  readonly help: boolean;
}

export type Action =
  | Tab
  | 'quit'
  | 'suspend'
  | 'tab'
  | 'left'
  | 'right'
  | 'reverse'
  | 'pause'
  | 'help'
  | 'other'
  | Scroll;
type Scroll = 'up' | 'down' | 'pageUp' | 'pageDown' | 'home' | 'end';

const TABS: readonly Tab[] = ['workers', 'routes', 'events'];
const PAGE_ROWS = 10;
const SCROLLED_ROWS: Readonly<Record<Scroll, number>> = {
  up: -1,
  down: 1,
  pageUp: -PAGE_ROWS,
  pageDown: PAGE_ROWS,
  home: Number.MIN_SAFE_INTEGER,
  end: Number.MAX_SAFE_INTEGER,
};
const COLUMNS = {
  workers: WORKER_COLUMNS.map(({ name }) => name),
  routes: ROUTE_COLUMNS.map(({ name }) => name),
};

/** Keys by what a terminal in raw mode sends for them (xterm's sequences, in both modes of the arrows). */
const KEYS: Readonly<Record<string, Action>> = {
  q: 'quit',
  '\u0003': 'quit',
  '\u001a': 'suspend',
  '\t': 'tab',
  w: 'workers',
  R: 'routes',
  e: 'events',
  r: 'reverse',
  ' ': 'pause',
  '?': 'help',
  h: 'help',
  '<': 'left',
  '>': 'right',
  k: 'up',
  j: 'down',
  ...arrows({ A: 'up', B: 'down', C: 'right', D: 'left', H: 'home', F: 'end' }),
  // As tmux, screen and the Linux console send them.
  '\u001b[1~': 'home',
  '\u001b[7~': 'home',
  '\u001b[4~': 'end',
  '\u001b[8~': 'end',
  '\u001b[5~': 'pageUp',
  '\u001b[6~': 'pageDown',
};

/** What `?` shows. */
export const KEY_HELP: readonly (readonly [keys: string, meaning: string])[] = [
  ['left, right', 'sort by the column before, behind'],
  ['r', 'reverse the order'],
  ['Tab', 'workers, routes, events; or w, R, e'],
  ['up, down', 'scroll; also j, k, PgUp, PgDn, Home, End'],
  ['Space', 'pause, and go on'],
  ['?', 'this help; any key closes it'],
  ['q, Ctrl-C', 'quit'],
];

/** The names that `--sort` takes, by table. */
export const SORTABLE: Readonly<Record<'workers' | 'routes', readonly string[]>> = COLUMNS;

/** What is shown first. @param sort - name of a column: the tables that have it are sorted by it */
export function firstView(sort: string | undefined): View {
  const by = (table: 'workers' | 'routes', fallback: string) => {
    return { column: sort !== undefined && COLUMNS[table].includes(sort) ? sort : fallback, reversed: false };
  };
  return {
    tab: 'workers',
    sorts: { workers: by('workers', 'worker'), routes: by('routes', 'req/s') },
    offset: 0,
    paused: false,
    help: false,
  };
}

/** The actions that a chunk of input asks for, one a key. */
export function actionsOf(input: string): Action[] {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one.
  const keys = input.match(/\u001b[[O][\d;]*[A-Za-z~]|[\s\S]/g) ?? [];
  return keys.map((key) => (Object.hasOwn(KEYS, key) ? KEYS[key]! : 'other'));
}

/** The view after an action; `quit` and `suspend` change nothing in it. */
export function nextView(view: View, action: Action): View {
  if (view.help) return { ...view, help: false };
  if (action in SCROLLED_ROWS) {
    return { ...view, offset: Math.max(0, view.offset + SCROLLED_ROWS[action as Scroll]) };
  }
  if (action === 'tab') return { ...view, tab: after(TABS, view.tab, 1), offset: 0 };
  if (action === 'workers' || action === 'routes' || action === 'events') return { ...view, tab: action, offset: 0 };
  if (action === 'pause') return { ...view, paused: !view.paused };
  if (action === 'help') return { ...view, help: true };
  if (view.tab === 'events') return view;
  const sort = view.sorts[view.tab];
  if (action === 'reverse') return withSort(view, { ...sort, reversed: !sort.reversed });
  if (action !== 'left' && action !== 'right') return view;
  const column = after(COLUMNS[view.tab], sort.column, action === 'left' ? -1 : 1);
  return withSort(view, { column, reversed: false });
}

function withSort(view: View, sort: Sort): View {
  return { ...view, sorts: { ...view.sorts, [view.tab]: sort }, offset: 0 };
}

function after<T>(all: readonly T[], one: T, step: number): T {
  return all[(all.indexOf(one) + step + all.length) % all.length]!;
}

function arrows(actions: Record<string, Action>): Record<string, Action> {
  return Object.fromEntries(
    Object.entries(actions).flatMap(([letter, action]) => [
      [`\u001b[${letter}`, action],
      [`\u001bO${letter}`, action],
    ]),
  );
}
