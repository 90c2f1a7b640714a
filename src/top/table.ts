/** A table of rows in a given width: columns go by their priority, the one that may be cut gives and takes what is left. */
import { alignOf, type Column, cellOf } from './columns.ts';
import { fitLine, type Line, type Span } from './line.ts';
import { pad, widthOf } from './text.ts';

export interface Sort {
  /** Name of a column. */
  readonly column: string;
  readonly reversed: boolean;
}

export interface Table<Row> {
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  /** The column that is marked as the one sorted by. */
  readonly sort?: Sort;
  /** One sign in front of a row. */
  mark?(row: Row): string;
}

const GAP = ' ';
const MARK_WIDTH = 1;

/** The rows in order: texts from the least on, with numbers in them as numbers; numbers from the most on; unknown ones last. */
export function sortedRows<Row>(rows: readonly Row[], columns: readonly Column<Row>[], sort: Sort): Row[] {
  const column = columns.find(({ name }) => name === sort.column);
  if (!column) return [...rows];
  const collator = new Intl.Collator('en', { numeric: true });
  const sign = sort.reversed ? -1 : 1;
  const known = rows.filter((row) => column.value(row) !== null);
  const unknown = rows.filter((row) => column.value(row) === null);
  const compare = (a: Row, b: Row) => {
    const [one, other] = [column.value(a), column.value(b)];
    if (typeof one === 'number' && typeof other === 'number') return sign * (other - one);
    return sign * collator.compare(String(one), String(other));
  };
  return [...known.sort(compare), ...unknown];
}

/**
 * The title line and the rows.
 *
 * @param width - of the terminal; Infinity: all columns, nothing is cut
 * @returns lines of at most that width
 */
export function tableLines<Row>({ columns, rows, sort, mark }: Table<Row>, width: number): Line[] {
  const cells = columns.map((column) => {
    const texts = rows.map((row) => cellOf(column, row));
    const title = titleOf(column, sort);
    const natural = Math.max(column.width, widthOf(title), ...texts.map(widthOf));
    return { column, title, texts, natural, width: column.mayBeCut ? column.width : natural };
  });
  const shown = fitting(cells, width, sort);
  const spare = Math.max(0, width - totalOf(shown));
  for (const one of shown) if (one.column.mayBeCut) one.width = Math.min(one.natural, one.width + spare);
  const lineOf = (front: string, spans: Span[]): Line =>
    fitLine([{ text: pad(front, MARK_WIDTH, 'left') }, ...spans.flatMap((span) => [{ text: GAP }, span])], width);
  const titles = shown.map(({ column, title, width }): Span => {
    return { text: pad(title, width, alignOf(column)), tone: column.name === sort?.column ? 'bar' : 'bold' };
  });
  const lines = rows.map((row, i) =>
    lineOf(
      mark?.(row) ?? '',
      shown.map(({ column, texts, width }) => {
        const tone = column.tone?.(row);
        const text = pad(texts[i]!, width, alignOf(column));
        return tone ? { text, tone } : { text };
      }),
    ),
  );
  return [lineOf('', titles), ...lines];
}

// In their order, as many as fit; the one sorted by stays, for the order would have no reason.
function fitting<Shown extends { column: { name: string; priority: number }; width: number }>(
  all: Shown[],
  width: number,
  sort: Sort | undefined,
): Shown[] {
  const priorityOf = ({ column }: Shown) => (column.name === sort?.column ? 0 : column.priority);
  let shown = all;
  while (shown.length > 1 && totalOf(shown) > width) {
    const last = Math.max(...shown.map(priorityOf));
    shown = shown.filter((one) => priorityOf(one) !== last);
  }
  return shown;
}

function totalOf(shown: readonly { width: number }[]): number {
  return shown.reduce((sum, { width }) => sum + GAP.length + width, MARK_WIDTH);
}

function titleOf<Row>(column: Column<Row>, sort: Sort | undefined): string {
  const { name } = column;
  if (name !== sort?.column) return name;
  const greatestFirst = (alignOf(column) === 'right') !== sort.reversed;
  return `${name}${greatestFirst ? '▼' : '▲'}`;
}
