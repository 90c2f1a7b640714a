/** The same as text that is read once: by a person in a file or a mail, by `awk` and `grep`. */
import type { Status } from '../status-document.ts';
import { eventsTable, routesTable, workersTable } from './frame.ts';
import { factsLine, headline } from './headline.ts';
import { type Line, textOfLine } from './line.ts';
import { tableLines } from './table.ts';
import { cut } from './text.ts';
import type { View } from './view.ts';

/**
 * @param only - the tables that are shown
 * @param columns - none is wider; Infinity: every column, no name cut
 * @returns lines, the last one ended, too
 */
export function plainText(
  status: Status,
  url: string,
  view: View,
  only: readonly ('workers' | 'routes' | 'events')[],
  columns: number,
): string {
  const tables: Record<'workers' | 'routes' | 'events', () => Line[]> = {
    workers: () => tableLines(workersTable(status, view), columns),
    routes: () => tableLines(routesTable(status, view), columns),
    events: () => tableLines(eventsTable(status), columns),
  };
  // Titles with nothing below them are for programs, and none reads events here.
  const shown = only.filter((name) => name !== 'events' || status.events.length > 0);
  const sections = shown.map((name) => [[], ...tables[name]()]);
  return [headline(status, columns), factsLine(status, url), ...sections.flat()]
    .map((line) => `${cut(textOfLine(line), columns).trimEnd()}\n`)
    .join('');
}
