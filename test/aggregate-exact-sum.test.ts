/** Holds src/aggregate/exact-sum.ts: a sum is the float next to what whole numbers say, in any order and any portions. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { addExactly, addSum, type ExactSum, settle } from '../src/aggregate/exact-sum.ts';

// Multiples of one power of two, so that integers can hold the sum to its last bit.
const UNIT = 2 ** -60;
const amounts = fc
  .double({ min: -(2 ** 20), max: 2 ** 20, noNaN: true })
  .map((value) => Number(BigInt(Math.round(value * 2 ** 32)) * 2n ** 28n + BigInt(Math.round(value) & 0xff)) * UNIT);
const cells = fc.array(fc.tuple(amounts, amounts), { minLength: 1, maxLength: 20 });

describe('a sum', () => {
  it('is rounded once, whatever is added', () => {
    fc.assert(
      fc.property(cells, (cells) => {
        assert.deepEqual([...sumOf(cells).values], exactly(cells));
      }),
    );
  });

  it('is the same in any order, and in any portions that are written down with what they are short of', () => {
    const cut = cells.chain((cells) =>
      fc.tuple(
        fc.constant(cells),
        fc.shuffledSubarray(cells, { minLength: cells.length }),
        fc.nat(cells.length),
        fc.nat(cells.length),
      ),
    );
    fc.assert(
      fc.property(cut, ([cells, shuffled, from, to]) => {
        const portions = [shuffled.slice(0, from), shuffled.slice(from, to), shuffled.slice(Math.max(from, to))];
        const whole = empty();
        for (const portion of portions) addSum(whole, sumOf(portion));
        settle(whole);
        assert.deepEqual([...whole.values], [...sumOf(cells).values]);
      }),
    );
  });

  it('of whole numbers needs nothing beside it', () => {
    assert.equal(
      sumOf([
        [1, 2 ** 52],
        [3, 2 ** 51],
      ]).rest,
      undefined,
    );
  });

  it('that has grown beyond all floats is Infinity, not what is no number', () => {
    assert.deepEqual(
      [
        ...sumOf([
          [1e308, 0.1],
          [1e308, 0.2],
          [-1e308, 0.3],
        ]).values,
      ],
      [Number.POSITIVE_INFINITY, 0.6],
    );
  });
});

function empty(): ExactSum {
  return { values: new Float64Array(2) };
}

function sumOf(cells: readonly (readonly number[])[]): ExactSum {
  const sum = empty();
  for (const cell of cells) addExactly(sum, Float64Array.from(cell));
  settle(sum);
  return sum;
}

function exactly(cells: readonly (readonly number[])[]): number[] {
  return [0, 1].map((slot) => {
    const whole = cells.reduce((sum, cell) => sum + BigInt(cell[slot]! / UNIT), 0n);
    return Number(whole) * UNIT;
  });
}
