/**
 * Sums of cells that are the same in whatever order they are made. Floats are not: whose share is added first shows in
 * the last digit, and a counter that falls by its last digit is for Prometheus one that began anew.
 *
 * @see Knuth, The Art of Computer Programming, volume 2, 4.2.2: what an addition of two floats has rounded away is a float
 */

/** A sum of cells, slot by slot. */
export interface ExactSum {
  /** Rounded, once `settle` was called. */
  readonly values: Float64Array;
  /** What they are short of the sum, slot by slot up to the last that is; not there while nothing was rounded. */
  rest?: number[] | undefined;
}

/**
 * Adds a cell; `settle` when all are in. Whole numbers cost an addition and two comparisons.
 *
 * @param cells - among which it lies, `width` values from `offset` on: a view of each would be most of a merge's garbage
 */
export function addExactly(sum: ExactSum, cells: Float64Array, offset = 0, width = cells.length): void {
  const { values } = sum;
  for (let i = 0; i < width; i += 1) {
    const a = values[i]!;
    const b = cells[offset + i]!;
    const rounded = a + b;
    values[i] = rounded;
    if (rounded - a === b && rounded - b === a) continue;
    // Of a histogram that is the first slot, and no other: an array of one is a quarter of what typed memory would be.
    sum.rest ??= [0];
    while (sum.rest.length <= i) sum.rest.push(0);
    sum.rest[i]! += lostIn(a, b, rounded);
  }
}

/** Adds another sum, what it has rounded away included. */
export function addSum(to: ExactSum, sum: ExactSum): void {
  addExactly(to, sum.values);
  const rest = restOf(sum);
  if (rest) addExactly(to, rest);
}

/** What is short as a cell, as wide as that of the sum. */
export function restOf({ values, rest }: ExactSum): Float64Array | undefined {
  if (!rest) return undefined;
  const cell = new Float64Array(values.length);
  cell.set(rest);
  return cell;
}

/** Rounds: from here on `values` are the floats next to the sums. May be called again after more was added. */
export function settle({ values, rest }: ExactSum): void {
  if (!rest) return;
  for (let i = 0; i < rest.length; i += 1) {
    const a = values[i]!;
    const b = rest[i]!;
    values[i] = a + b;
    rest[i] = lostIn(a, b, values[i]!);
  }
}

// Of what has grown beyond all floats nothing is short.
function lostIn(a: number, b: number, rounded: number): number {
  if (!Number.isFinite(rounded)) return 0;
  const shareOfB = rounded - a;
  return a - (rounded - shareOfB) + (b - shareOfB);
}
