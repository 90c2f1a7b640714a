/** Holds src/export/status-window.ts: one window for all who look, bounded, never below zero, and nothing kept for nobody. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Counts } from '../src/export/status-load.ts';
import { StatusWindow } from '../src/export/status-window.ts';

describe('the window', () => {
  it('is not there at the first look, nor at a second one in the same moment', () => {
    const { look } = newWindow();
    assert.equal(look(0), null);
    assert.equal(look(500), null);
    assert.equal(look(1000), 1);
  });

  it('grows to ten seconds with those who look, and is no longer', () => {
    const { look } = newWindow();
    const seconds = Array.from({ length: 21 }, (_, i) => look(i * 2000));
    assert.deepEqual(seconds.slice(0, 7), [null, 2, 4, 6, 8, 10, 10]);
    assert.equal(seconds.at(-1), 10);
  });

  it('of who looks less often is since the last look, up to a minute', () => {
    const { look } = newWindow();
    assert.deepEqual([0, 30_000, 60_000, 120_000, 180_001].map(look), [null, 30, 30, 60, null]);
  });

  it('is shortened by nobody who looks as well, however often', () => {
    const { look } = newWindow();
    const slow: (number | null)[] = [];
    for (let atMs = 0; atMs <= 40_000; atMs += 100) {
      const seconds = look(atMs);
      if (atMs % 2000 === 0 && atMs > 12_000) slow.push(seconds);
    }
    assert.ok(
      slow.every((seconds) => seconds! > 9 && seconds! <= 10),
      String(slow),
    );
  });

  it('whoever looks when is never shorter than a second, nor longer than ten or the longest time that nobody looked', () => {
    const gaps = fc.array(fc.oneof(fc.nat(300), fc.nat(3000), fc.nat(70_000)), { maxLength: 60 });
    fc.assert(
      fc.property(gaps, (gapsMs) => {
        const { look } = newWindow();
        look(0);
        let atMs = 0;
        for (const [i, gapMs] of gapsMs.entries()) {
          atMs += gapMs;
          const seconds = look(atMs);
          if (seconds === null) continue;
          // What was kept last, and the one before it, may each be of a moment before.
          const longest = Math.max(10, Math.max(...gapsMs.slice(0, i + 1)) / 1000 + 2 * 0.95);
          assert.ok(seconds >= 0.95 && seconds <= longest, `${seconds} after ${gapsMs}`);
        }
      }),
    );
  });
});

describe('what was counted in the window', () => {
  it('is the difference, in requests, failures and buckets', () => {
    const window = new StatusWindow();
    window.begin(0);
    window.keep(0, new Map([['a', counts(1, [3, 1])]]), true);
    const growth = window.begin(2000)!.growthOf('a', counts(2, [5, 1]), false)!;
    assert.deepEqual([growth.seconds, growth.failedRequests, [...growth.cell].slice(1)], [2, 1, [2, 0]]);
  });

  it('of who was not there is all of it where it is new, and else not known', () => {
    const window = new StatusWindow();
    window.begin(0);
    window.keep(0, new Map(), false);
    const { complete, growthOf } = window.begin(2000)!;
    assert.equal(complete, false);
    assert.deepEqual([...growthOf('a', counts(1, [3, 1]), true)!.cell].slice(1), [3, 1]);
    assert.equal(growthOf('a', counts(1, [3, 1]), false), undefined);
  });

  it('is never below zero, whatever has begun anew or got other buckets: then it is not known', () => {
    const loads = fc.record({ failed: fc.nat(5), buckets: fc.array(fc.nat(5), { minLength: 1, maxLength: 4 }) });
    fc.assert(
      fc.property(loads, loads, fc.boolean(), (before, after, isNew) => {
        const window = new StatusWindow();
        window.begin(0);
        window.keep(0, new Map([['a', counts(before.failed, before.buckets)]]), true);
        const growth = window.begin(1000)!.growthOf('a', counts(after.failed, after.buckets), isNew);
        const fell =
          after.failed < before.failed ||
          (after.buckets.length !== before.buckets.length && [before.failed, ...before.buckets].some(Boolean)) ||
          after.buckets.some((count, i) => count < (before.buckets[i] ?? 0));
        assert.equal(growth === undefined, fell);
        assert.ok(!growth || (growth.failedRequests >= 0 && growth.cell.every((count) => count >= 0)));
      }),
    );
  });
});

describe('what is kept', () => {
  it('is given back a minute after the last look', () => {
    const { window, look } = newWindow();
    look(0);
    window.forget(60_000);
    assert.equal(look(60_000), 60);
    window.forget(120_001);
    assert.equal(look(120_002), null);
  });
});

function newWindow() {
  const window = new StatusWindow();
  const look = (atMs: number) => {
    const seconds = window.begin(atMs)?.seconds ?? null;
    window.keep(atMs, new Map([['a', counts(0, [0])]]), true);
    return seconds;
  };
  return { window, look };
}

function counts(failedRequests: number, buckets: readonly number[]): Counts {
  return { requests: 0, failedRequests, cell: Float64Array.of(99, ...buckets), bounds: [] };
}
