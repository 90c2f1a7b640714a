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
  /** What they are short of the sum, slot by slot; not there while nothing was rounded. */
  rest?: Float64Array | undefined;
}

/** Adds a cell; `settle` when all are in. Whole numbers cost an addition and two comparisons. */
export function addExactly(sum: ExactSum, cell: Float64Array): void {
  const { values } = sum;
  for (let i = 0; i < cell.length; i += 1) {
    const a = values[i]!;
    const b = cell[i]!;
    const rounded = a + b;
    values[i] = rounded;
    if (rounded - a === b && rounded - b === a) continue;
    sum.rest ??= new Float64Array(values.length);
    sum.rest[i]! += lostIn(a, b, rounded);
  }
}

/** Adds another sum, what it has rounded away included. */
export function addSum(to: ExactSum, { values, rest }: ExactSum): void {
  addExactly(to, values);
  if (rest) addExactly(to, rest);
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
