/** Holds src/record/succession.ts: each exit has one successor at the most, and each new worker replaces one at the most. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Succession } from '../src/record/succession.ts';

const WINDOW_MS = 60_000;

describe('a succession', () => {
  it('gives the exit that nobody has replaced yet to the next worker, the oldest first', () => {
    const succession = settled();
    succession.vacated('first', 0);
    succession.vacated('second', 10);
    assert.equal(succession.arrived(20), 'first');
    assert.equal(succession.arrived(20), 'second');
    assert.equal(succession.arrived(20), undefined);
  });

  it('knows that the successor of one who leaves is there already, once for each', () => {
    const succession = settled();
    succession.arrived(0);
    succession.arrived(10);
    assert.deepEqual(
      [1, 2, 3].map((at) => succession.leaving(20 + at)),
      [true, true, false],
    );
  });

  it('takes none of the first fleet for a successor', () => {
    const succession = new Succession<string>();
    succession.arrived(0);
    succession.arrived(0);
    assert.equal(succession.leaving(1), false);
    succession.settle();
    assert.equal(succession.leaving(2), false);
    succession.arrived(3);
    assert.equal(succession.leaving(4), true);
  });

  it('pairs what is up to a minute apart, both ways, and nothing that is further', () => {
    for (const [apart, expected] of [
      [WINDOW_MS, true],
      [WINDOW_MS + 1, false],
    ] as const) {
      const before = settled();
      before.arrived(1000);
      assert.equal(before.leaving(1000 + apart), expected);
      const after = settled();
      after.vacated('exit', 1000);
      assert.equal(after.arrived(1000 + apart) === 'exit', expected);
    }
  });

  it('gives a worker that has replaced an exit to nobody else', () => {
    const succession = settled();
    succession.vacated('exit', 0);
    assert.equal(succession.arrived(1), 'exit');
    assert.equal(succession.leaving(2), false);
  });

  it('pairs as many as a list that is gone through by hand, whatever happens in whatever order', () => {
    const steps = fc.array(
      fc.record({
        what: fc.constantFrom('arrived', 'arrived', 'ended', 'left', 'settle'),
        afterMs: fc.constantFrom(0, 1, 1000, 29_999, 30_000, WINDOW_MS, WINDOW_MS + 1),
      }),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(steps, (history) => {
        const succession = new Succession<number>();
        // Everything that ever happened; `free` until it has its counterpart.
        const exits: { atMs: number; free: boolean }[] = [];
        const comers: { atMs: number; free: boolean }[] = [];
        let isSettled = false;
        let nowMs = 0;
        const oldest = (list: { atMs: number; free: boolean }[]) =>
          list.find(({ atMs, free }) => free && nowMs - atMs <= WINDOW_MS);
        for (const { what, afterMs } of history) {
          nowMs += afterMs;
          if (what === 'settle') {
            isSettled = true;
            succession.settle();
          } else if (what === 'arrived') {
            const exit = oldest(exits);
            assert.equal(succession.arrived(nowMs), exit && exits.indexOf(exit));
            if (exit) exit.free = false;
            comers.push({ atMs: nowMs, free: !exit && isSettled });
          } else {
            // One who was asked to go may have its successor; nobody has come for a crash beforehand.
            const successor = what === 'left' ? oldest(comers) : undefined;
            if (what === 'left') assert.equal(succession.leaving(nowMs), successor !== undefined);
            if (successor) successor.free = false;
            else succession.vacated(exits.length, nowMs);
            exits.push({ atMs: nowMs, free: !successor });
          }
        }
      }),
      { numRuns: 500 },
    );
  });
});

function settled(): Succession<string> {
  const succession = new Succession<string>();
  succession.settle();
  return succession;
}
