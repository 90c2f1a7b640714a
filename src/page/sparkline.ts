/** A trend as a small line: SVG with words for those who do not see it. */

const SVG = 'http://www.w3.org/2000/svg';
const WIDTH = 100;
const HEIGHT = 24;
// Between two looks; a longer one was a pause, in which nobody knows.
const GAP_MS = 12_000;
// What does not begin at 0 shows at least this part of its height, or noise would look like mountains.
const MIN_RANGE = 0.2;

export interface Line {
  readonly atMs: readonly number[];
  /** NaN where nothing is known. */
  readonly values: readonly number[];
  /** From its left end to its right one. */
  readonly spanMs: number;
  /** What it is of, and how its numbers are written, for the words. */
  readonly name: string;
  readonly write: (value: number) => string;
  /** The axis begins at 0; else at the lowest. */
  readonly fromZero: boolean;
}

/** One line, drawn again and again. */
export class Sparkline {
  readonly element = document.createElementNS(SVG, 'svg');
  readonly #path = document.createElementNS(SVG, 'path');

  constructor() {
    this.element.setAttribute('viewBox', `0 -1 ${WIDTH} ${HEIGHT + 2}`);
    this.element.setAttribute('preserveAspectRatio', 'none');
    this.element.setAttribute('role', 'img');
    this.element.setAttribute('aria-label', 'no trend yet');
    this.element.setAttribute('class', 'spark');
    this.element.append(this.#path);
  }

  /** @param nowMs - the right end; performance.now() */
  draw({ atMs, values, spanMs, name, write, fromZero }: Line, nowMs: number): void {
    const { low, high } = rangeOf(values);
    if (low > high) return;
    const floor = fromZero ? 0 : Math.max(0, Math.min(low, high * (1 - MIN_RANGE)));
    const scale = HEIGHT / Math.max(high - floor, Number.MIN_VALUE);
    let path = '';
    let before = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < values.length; i += 1) {
      const value = values[i]!;
      if (Number.isNaN(value)) continue;
      const at = atMs[i]!;
      const x = Math.round(WIDTH * 10 * (1 - (nowMs - at) / spanMs)) / 10;
      const y = high === floor ? HEIGHT : Math.round(10 * (HEIGHT - (value - floor) * scale)) / 10;
      path += `${at - before > GAP_MS ? 'M' : 'L'}${x} ${y}`;
      before = at;
    }
    this.#path.setAttribute('d', path);
    this.element.setAttribute('aria-label', `${name} lately: ${write(low)} to ${write(high)}`);
  }
}

function rangeOf(values: readonly number[]): { low: number; high: number } {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return { low, high };
}
