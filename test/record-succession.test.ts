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
    assert.equal(succession.arrived(1, 20), 'first');
    assert.equal(succession.arrived(2, 20), 'second');
    assert.equal(succession.arrived(3, 20), undefined);
  });

  it('knows that the successor of one who leaves is there already, once for each', () => {
    const succession = settled();
    succession.arrived(8, 0);
    succession.arrived(9, 10);
    assert.deepEqual(
      [1, 2, 3].map((worker) => succession.leaving(worker, 20)),
      [true, true, false],
    );
  });

  it('takes none of the first fleet for a successor', () => {
    const succession = new Succession<string>();
    succession.arrived(1, 0);
    succession.arrived(2, 0);
    assert.equal(succession.leaving(1, 1), false);
    succession.settle();
    assert.equal(succession.leaving(2, 2), false);
    succession.arrived(3, 3);
    assert.equal(succession.leaving(2, 4), true);
  });

  it('takes no worker for its own successor, nor one that has left for that of another', () => {
    const succession = settled();
    succession.arrived(5, 0);
    assert.equal(succession.leaving(5, 1), false);
    assert.equal(succession.leaving(1, 2), false);
  });

  it('pairs what is up to a minute apart, both ways, and nothing that is further', () => {
    for (const [apart, expected] of [
      [WINDOW_MS, true],
      [WINDOW_MS + 1, false],
    ] as const) {
      const before = settled();
      before.arrived(2, 1000);
      assert.equal(before.leaving(1, 1000 + apart), expected);
      const after = settled();
      after.vacated('exit', 1000);
      assert.equal(after.arrived(2, 1000 + apart) === 'exit', expected);
    }
  });

  it('gives a worker that has replaced an exit to nobody else', () => {
    const succession = settled();
    succession.vacated('exit', 0);
    assert.equal(succession.arrived(2, 1), 'exit');
    assert.equal(succession.leaving(1, 2), false);
  });

  it('pairs as many as a list that is gone through by hand, whatever happens in whatever order', () => {
    const steps = fc.array(
      fc.record({
        what: fc.constantFrom('arrived', 'arrived', 'ended', 'left', 'settle'),
        afterMs: fc.constantFrom(0, 1, 1000, 29_999, 30_000, WINDOW_MS, WINDOW_MS + 1),
        which: fc.nat(9),
      }),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(steps, (history) => {
        const succession = new Succession<number>();
        // Everything that ever happened; `free` until it has its counterpart, or will never have one.
        const exits: { atMs: number; free: boolean }[] = [];
        const workers: { atMs: number; free: boolean }[] = [];
        let isSettled = false;
        let nowMs = 0;
        const oldest = (list: typeof exits) => list.find(({ atMs, free }) => free && nowMs - atMs <= WINDOW_MS);
        for (const { what, afterMs, which } of history) {
          nowMs += afterMs;
          if (what === 'settle') {
            isSettled = true;
            succession.settle();
          } else if (what === 'arrived') {
            const exit = oldest(exits);
            assert.equal(succession.arrived(workers.length, nowMs), exit && exits.indexOf(exit));
            if (exit) exit.free = false;
            workers.push({ atMs: nowMs, free: !exit && isSettled });
          } else if (what === 'left') {
            // Also one that nobody has seen come.
            const leaver = workers[which];
            if (leaver) leaver.free = false;
            const successor = oldest(workers);
            assert.equal(succession.leaving(which, nowMs), successor !== undefined);
            if (successor) successor.free = false;
            else succession.vacated(exits.length, nowMs);
            exits.push({ atMs: nowMs, free: !successor });
          } else {
            // Nobody has come for a crash beforehand.
            succession.vacated(exits.length, nowMs);
            exits.push({ atMs: nowMs, free: true });
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
