/** Holds src/aggregate/wall-clock.ts: a step of the wall clock is a jump, a slow adjustment is not, and labels stay as they are. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Clocks, WallClock } from '../src/aggregate/wall-clock.ts';
import { monotonicMs } from '../src/snapshot/monotonic.ts';

const HOUR_MS = 3_600_000;

describe('the wall clock', () => {
  it('is told of moments of the monotonic one', () => {
    const clock = new WallClock();
    assert.ok(Math.abs(clock.unixMsOf(monotonicMs()) - Date.now()) < 1000);
    assert.equal(clock.look(), 0);
  });

  it('has jumped when it was set, forward or back, and is right again after it', () => {
    const { clocks, wait, set } = fake();
    const clock = new WallClock(clocks);
    for (const byMs of [HOUR_MS, -2 * HOUR_MS, 1001, -1001]) {
      wait(1000);
      set(byMs);
      assert.equal(clock.look(), byMs);
      assert.equal(clock.unixMsOf(clocks.monotonicMs()), clocks.wallMs());
    }
    assert.equal(clock.jumps, 4);
  });

  it('has not jumped when it was adjusted slowly: what it tells of one moment stays until it is a second off', () => {
    const { clocks, wait, set } = fake();
    const clock = new WallClock(clocks);
    const [moment, unixMs] = [clocks.monotonicMs(), clock.unixMsOf(clocks.monotonicMs())];
    for (let second = 0; second < 1900; second += 1) {
      wait(1000);
      set(0.5);
      assert.equal(clock.look(), 0);
      if (second < 1900 / 2) assert.equal(clock.unixMsOf(moment), unixMs);
    }
    assert.equal(clock.jumps, 0);
    assert.ok(Math.abs(clock.unixMsOf(clocks.monotonicMs()) - clocks.wallMs()) <= 1000);
  });

  it('has not jumped when the process was stopped between the two clocks', () => {
    const { clocks, wait } = fake();
    let stopped = false;
    const stopping = {
      ...clocks,
      wallMs() {
        const wallMs = clocks.wallMs();
        if (!stopped) wait(5000);
        stopped = true;
        return wallMs;
      },
    };
    stopped = true;
    const clock = new WallClock(stopping);
    stopped = false;
    assert.equal(clock.look(), 0);
  });
});

function fake(): { clocks: Clocks; wait(ms: number): void; set(byMs: number): void } {
  let [nowMs, offsetMs] = [1000, 1_700_000_000_000];
  return {
    clocks: { monotonicMs: () => nowMs, wallMs: () => nowMs + offsetMs },
    wait(ms) {
      nowMs += ms;
    },
    set(byMs) {
      offsetMs += byMs;
    },
  };
}
