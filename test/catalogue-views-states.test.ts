/** Holds what src/catalogue/views.ts makes of the state of a worker: its own word, unless it has not been heard of for too long. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { project } from '../src/catalogue/views.ts';
import { decodeSnapshot, encodeSnapshot, type WorkerCondition } from '../src/snapshot/layout.ts';
import { SeriesTable } from '../src/snapshot/series-table.ts';
import { parseExposition, select } from './exposition.ts';
import { EXPORTER, NOW_MONOTONIC_MS, NOW_MS, render, sceneOf, VIEW_OPTIONS } from './scenes.ts';

const AFTER_MS = VIEW_OPTIONS.unresponsiveAfterMs;
const STARTED = 1_700_000_000;
const QUITTING = { name: 'quitting', sinceSeconds: STARTED + 42 } as const;

interface Told {
  readonly state?: WorkerCondition;
  readonly alive?: boolean;
  /** How long ago it was heard of. */
  readonly agoMs?: number;
}

describe('the state of a worker', () => {
  it('is running since it started, until it says otherwise', async () => {
    assert.deepEqual(await states([{}]), [['w0', 'running', STARTED]]);
    const conditions = (['running', 'quitting', 'aborting'] as const).map((name, i) => ({ name, sinceSeconds: i + 7 }));
    assert.deepEqual(await states(conditions.map((state) => ({ state }))), [
      ['w0', 'running', 7],
      ['w1', 'quitting', 8],
      ['w2', 'aborting', 9],
    ]);
  });

  it('is unresponsive from the moment on that it has not been heard of for so long, since that moment', async () => {
    const since = Math.floor(NOW_MS / 1000);
    assert.deepEqual(await states([{ agoMs: AFTER_MS - 1 }, { agoMs: AFTER_MS }, { agoMs: AFTER_MS + 1000 }]), [
      ['w0', 'running', STARTED],
      ['w1', 'unresponsive', since],
      ['w2', 'unresponsive', since - 1],
    ]);
    assert.deepEqual(await states([{ agoMs: 2000 }], 2000), [['w0', 'unresponsive', since]]);
    assert.deepEqual(await states([{ agoMs: 60_000 }], 60_001), [['w0', 'running', STARTED]]);
  });

  it('is unresponsive whatever it said last, as long as that lasts', async () => {
    assert.deepEqual(await states([{ state: QUITTING, agoMs: AFTER_MS }, { state: QUITTING }]), [
      ['w0', 'unresponsive', Math.floor(NOW_MS / 1000)],
      ['w1', 'quitting', STARTED + 42],
    ]);
  });

  it('is no other for a clock that was set back', async () => {
    assert.deepEqual(await states([{ agoMs: -60_000, state: QUITTING }]), [['w0', 'quitting', STARTED + 42]]);
  });

  it('is the same series at every scrape while nothing happens to it', async () => {
    const silent = { agoMs: AFTER_MS + 300 };
    const [first, later] = [await states([silent]), await states([{ agoMs: silent.agoMs + 700 }], AFTER_MS, 700)];
    assert.deepEqual(later, first);
  });

  it('is one and only one of each living worker, and none of the dead', async () => {
    const state = fc.record({ name: fc.constantFrom('running', 'quitting', 'aborting'), sinceSeconds: fc.nat() });
    const worker = fc.record({ state, alive: fc.boolean(), agoMs: fc.constantFrom(0, AFTER_MS - 1, AFTER_MS, 1e6) });
    await fc.assert(
      fc.asyncProperty(fc.array(worker, { maxLength: 5 }), async (group) => {
        const expected = group.flatMap(({ state, alive, agoMs }, i) =>
          alive ? [[`w${i}`, agoMs >= AFTER_MS ? 'unresponsive' : state.name]] : [],
        );
        assert.deepEqual(
          (await states(group as Told[])).map(([id, name]) => [id, name]),
          expected,
        );
      }),
      { numRuns: 50 },
    );
  });
});

// Each as worker_id, state and the second of its timestamp.
async function states(group: readonly Told[], unresponsiveAfterMs = AFTER_MS, laterMs = 0) {
  const nowMonotonicMs = NOW_MONOTONIC_MS + laterMs;
  const table = new SeriesTable();
  const scene = sceneOf(
    group.map(({ alive = true }, i) => ({ table, alive, workerId: `w${i}`, startSeconds: STARTED })),
    { nowMs: NOW_MS + laterMs, nowMonotonicMs },
  );
  const workers = scene.members.map((member, i) => {
    const { state, agoMs = 0 } = group[i]!;
    const identity = { ...member.snapshot.identity, ...(state && { state }) };
    return { ...member, snapshot: decodeSnapshot(encodeSnapshot(identity, table, nowMonotonicMs - agoMs)) };
  });
  const metrics = project({ ...scene, workers }, EXPORTER, { ...VIEW_OPTIONS, unresponsiveAfterMs });
  return select(parseExposition(await render(metrics)), 'gunicorn_worker_state').map(({ labels, value }) => {
    assert.equal(value, 1);
    return [labels['worker_id'], labels['state'], Number(labels['timestamp'])];
  });
}
