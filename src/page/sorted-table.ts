/** A table that is sorted by any of its columns and changed in place: a row is made once, a cell written when its text changes. */
import { type Line, Sparkline } from './sparkline.ts';

export interface Column<Row> {
  readonly title: string;
  /** What the title is short for. */
  readonly about: string;
  /** What rows are sorted by; what is null comes last either way. */
  readonly value: (row: Row) => number | string | null;
  /** What is shown; the value where it is a name. */
  readonly text: (row: Row) => string;
  /** A name others have chosen: kept apart from what is around it, whichever way it is written. */
  readonly isName?: boolean;
  /** 'bad' or 'warn' where one should look. */
  readonly tone?: (row: Row) => string;
  /** Part of the largest in the column, 0 to 1: shown behind the number. */
  readonly share?: (row: Row) => number;
  readonly trend?: (row: Row) => Line | undefined;
}

export interface TableOptions<Row> {
  readonly table: HTMLTableElement;
  readonly columns: readonly Column<Row>[];
  readonly key: (row: Row) => string;
  /** The column of this title sorts at first: names upwards, numbers downwards. */
  readonly sortedBy: string;
  /** The place of the column that names the row. */
  readonly rowHeader: number;
}

interface Cell {
  readonly element: HTMLTableCellElement;
  readonly text: HTMLElement;
  readonly spark?: Sparkline;
  shown: string;
  tone: string;
  share: number;
}

interface RowView<Row> {
  readonly element: HTMLTableRowElement;
  readonly cells: readonly Cell[];
  row: Row;
  isSeen: boolean;
}

const collator = new Intl.Collator(undefined, { numeric: true });

/** Sorts by the header that was pressed last; the rows of the status are what is shown, none is made up. */
export class SortedTable<Row> {
  readonly #options: TableOptions<Row>;
  readonly #body: HTMLTableSectionElement;
  readonly #views = new Map<string, RowView<Row>>();
  readonly #byElement = new WeakMap<Element, RowView<Row>>();
  readonly #watch: IntersectionObserver;
  readonly #headers: HTMLTableCellElement[];
  #rows: readonly Row[] = [];
  #sortColumn: Column<Row>;
  #descending: boolean;

  constructor(options: TableOptions<Row>) {
    this.#options = options;
    this.#sortColumn = options.columns.find(({ title }) => title === options.sortedBy)!;
    this.#descending = !this.#sortColumn.isName;
    this.#body = options.table.createTBody();
    this.#headers = options.columns.map((column) => this.#header(column));
    const head = options.table.createTHead();
    const titles = head.insertRow();
    titles.append(...this.#headers);
    // Where rows are cards some browsers would take them for no table any more.
    for (const [element, role] of [
      [options.table, 'table'],
      [head, 'rowgroup'],
      [titles, 'row'],
      [this.#body, 'rowgroup'],
    ] as const) {
      element.role = role;
    }
    this.#showOrder();
    // Lines are drawn where one sees them: most of two hundred workers are out of sight.
    this.#watch = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        const view = this.#byElement.get(target);
        if (!view) continue;
        view.isSeen = isIntersecting;
        if (isIntersecting) this.#draw(view);
      }
    });
  }

  /** @param rows - all of them; those that are gone are removed */
  show(rows: readonly Row[]): void {
    const { key } = this.#options;
    this.#rows = rows;
    const keys = new Set(rows.map(key));
    for (const [id, view] of this.#views) {
      if (keys.has(id)) continue;
      this.#views.delete(id);
      this.#watch.unobserve(view.element);
      view.element.remove();
    }
    for (const row of rows) {
      const view = this.#views.get(key(row)) ?? this.#add(row);
      view.row = row;
      this.#write(view);
      if (view.isSeen) this.#draw(view);
    }
    this.#order();
  }

  /** Draws what is out of sight, too: for paper. */
  drawAll(): void {
    for (const view of this.#views.values()) this.#draw(view);
  }

  #add(row: Row): RowView<Row> {
    const element = document.createElement('tr');
    element.role = 'row';
    const cells = this.#options.columns.map((column, i): Cell => {
      const isHeader = i === this.#options.rowHeader;
      const cell = document.createElement(isHeader ? 'th' : 'td');
      if (isHeader) cell.scope = 'row';
      cell.role = isHeader ? 'rowheader' : 'cell';
      cell.dataset['title'] = column.title;
      if (!column.isName) cell.className = 'number';
      const text = document.createElement(column.isName ? 'bdi' : 'span');
      cell.append(text);
      element.append(cell);
      if (!column.trend) return { element: cell, text, shown: '', tone: '', share: 0 };
      const spark = new Sparkline();
      cell.classList.add('trend');
      cell.append(spark.element);
      return { element: cell, text, spark, shown: '', tone: '', share: 0 };
    });
    const view = { element, cells, row, isSeen: false };
    this.#views.set(this.#options.key(row), view);
    this.#byElement.set(element, view);
    if (this.#options.columns.some(({ trend }) => trend)) this.#watch.observe(element);
    return view;
  }

  #write({ cells, row }: RowView<Row>): void {
    this.#options.columns.forEach((column, i) => {
      const cell = cells[i]!;
      const text = column.text(row);
      if (text !== cell.shown) cell.text.textContent = cell.shown = text;
      const tone = column.tone?.(row) ?? '';
      if (tone !== cell.tone) cell.element.dataset['tone'] = cell.tone = tone;
      // In hundredths: less is not seen, and each change is a style to be computed.
      const share = Math.round((column.share?.(row) ?? 0) * 100);
      if (share === cell.share) return;
      cell.share = share;
      cell.element.style.setProperty('--share', `${share}%`);
    });
  }

  #draw({ cells, row }: RowView<Row>): void {
    const nowMs = performance.now();
    this.#options.columns.forEach(({ trend }, i) => {
      const line = trend?.(row);
      if (line) cells[i]!.spark?.draw(line, nowMs);
    });
  }

  #order(): void {
    const { value } = this.#sortColumn;
    const direction = this.#descending ? -1 : 1;
    const sorted = this.#rows.map((row) => ({ row, by: value(row) }));
    sorted.sort((a, b) => {
      if (a.by === null || b.by === null) return Number(a.by === null) - Number(b.by === null);
      if (typeof a.by === 'number' && typeof b.by === 'number') return direction * (a.by - b.by);
      return direction * collator.compare(String(a.by), String(b.by));
    });
    let place = this.#body.firstElementChild;
    for (const { row } of sorted) {
      const { element } = this.#views.get(this.#options.key(row))!;
      if (element === place) place = place.nextElementSibling;
      else this.#body.insertBefore(element, place);
    }
  }

  #header(column: Column<Row>): HTMLTableCellElement {
    const header = document.createElement('th');
    header.scope = 'col';
    header.role = 'columnheader';
    if (!column.isName) header.className = 'number';
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = column.title;
    button.title = column.about;
    button.addEventListener('click', () => {
      this.#descending = this.#sortColumn === column ? !this.#descending : !column.isName;
      this.#sortColumn = column;
      this.#showOrder();
      this.#order();
    });
    header.append(button);
    return header;
  }

  #showOrder(): void {
    this.#headers.forEach((header, i) => {
      const isSorted = this.#options.columns[i] === this.#sortColumn;
      header.setAttribute('aria-sort', !isSorted ? 'none' : this.#descending ? 'descending' : 'ascending');
    });
  }
}
