/** Holds src/record/exits.ts: what is kept of exits does not grow with their number, and each is told as what it was. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type EndedWorker, Exits, idOf } from '../src/record/exits.ts';
import { EXIT_CAUSES, EXIT_FIELDS, type ExitCause, MAX_EXITS } from '../src/snapshot/exit-events.ts';
import { monotonicMs } from '../src/snapshot/monotonic.ts';
import { SeriesTable } from '../src/snapshot/series-table.ts';
import { seriesIn } from './scenes.ts';

const [QUIT, TERM, ABORT, KILL, CRASH] = (['quit', 'term', 'abort', 'kill', 'crash'] as const).map(
  (reason) => EXIT_CAUSES.find((cause) => cause.reason === reason)!,
) as [ExitCause, ExitCause, ExitCause, ExitCause, ExitCause];

describe('an exit', () => {
  it('is one event: who, why, when, and not replaced', () => {
    const { exits, events } = newExits();
    exits.ended({ clusterId: 3, threadId: 2, startSeconds: 1000 }, KILL, 5000);
    exits.ended(worker(4), ABORT, 6000);
    assert.deepEqual(events(), [
      {
        clusterId: 3,
        threadId: 2,
        startSeconds: 1000,
        cause: EXIT_CAUSES.indexOf(KILL),
        replaced: 0,
        atMonotonicMs: 5000,
        parent: 0,
      },
      {
        clusterId: 4,
        threadId: 0,
        startSeconds: 4,
        cause: EXIT_CAUSES.indexOf(ABORT),
        replaced: 0,
        atMonotonicMs: 6000,
        parent: 0,
      },
    ]);
  });

  it('happens now unless told', () => {
    const { exits, events } = newExits();
    const before = monotonicMs();
    exits.ended(worker(1), KILL);
    const { atMonotonicMs } = events()[0]!;
    assert.ok(atMonotonicMs! >= before && atMonotonicMs! <= monotonicMs());
  });

  it('that had a successor says when that came, and is counted by its reason', () => {
    const { exits, events, restarts } = newExits();
    const [, second] = [exits.ended(worker(1), TERM), exits.ended(worker(2), TERM), exits.ended(worker(3), CRASH)];
    exits.succeeded(second, 7000);
    assert.deepEqual(
      events().map(({ replaced }) => replaced),
      [0, 7000, 0],
    );
    assert.deepEqual(restarts(), { term: 1 });
  });

  it('that was not seen yet stands at zero for every reason once the group has begun', () => {
    const { exits, events, restarts } = newExits();
    assert.deepEqual(restarts(), {});
    exits.begin();
    assert.deepEqual(restarts(), { quit: 0, term: 0, abort: 0, kill: 0, crash: 0 });
    assert.deepEqual(events(), []);
  });
});

describe('the ring of exits', () => {
  it(`holds the last ${MAX_EXITS}, the oldest of which gives way`, () => {
    const { exits, events } = newExits();
    for (let n = 1; n <= MAX_EXITS; n += 1) exits.ended(worker(n), QUIT, n);
    assert.deepEqual([events().length, events()[0]!.clusterId, events().at(-1)!.clusterId], [MAX_EXITS, 1, MAX_EXITS]);
    exits.ended(worker(MAX_EXITS + 1), QUIT, 0);
    assert.equal(events().length, MAX_EXITS);
    assert.deepEqual([events()[0]!.clusterId, events()[1]!.clusterId], [MAX_EXITS + 1, 2]);
  });

  it('takes no more room after it has gone round, however many end', () => {
    const { table, exits, restarts } = newExits();
    const end = (n: number) => exits.succeeded(exits.ended(worker(n), EXIT_CAUSES[n % EXIT_CAUSES.length]!));
    for (let n = 0; n < MAX_EXITS; n += 1) end(n);
    const before = [table.used, table.dictionary.length];
    for (let n = 0; n < 10 * MAX_EXITS; n += 1) end(n);
    assert.deepEqual([table.used, table.dictionary.length], before);
    assert.equal(restarts()['quit'], (11 * MAX_EXITS) / EXIT_CAUSES.length);
  });

  it('does not take a successor for that of the exit that has come to lie in the same place', () => {
    const { exits, events, restarts } = newExits();
    const first = exits.ended(worker(1), QUIT);
    const second = exits.ended(worker(2), QUIT);
    for (let n = 0; n < MAX_EXITS - 1; n += 1) exits.ended(worker(100 + n), CRASH);
    // One has gone round the ring: the first exit's place is another's, the second's is still its own.
    exits.succeeded(first);
    exits.succeeded(second);
    assert.deepEqual(
      events().map(({ clusterId, replaced }) => (replaced ? clusterId : undefined)),
      [undefined, 2, ...new Array(MAX_EXITS - 2).fill(undefined)],
    );
    assert.deepEqual(restarts(), { quit: 2 });
  });

  it('does not say of an exit that it was replaced because the one before in its place was', () => {
    const { exits, events } = newExits();
    for (let n = 0; n < MAX_EXITS; n += 1) exits.succeeded(exits.ended(worker(n), QUIT), 7000);
    exits.ended(worker(500), QUIT);
    assert.deepEqual([events()[0]!.clusterId, events()[0]!.replaced, events()[1]!.replaced], [500, 0, 7000]);
  });

  it('tells the same as a list that is never cut, however exits and successors follow each other', () => {
    const steps = fc.array(fc.oneof(fc.constant(undefined), fc.nat(260)), { maxLength: 600, size: 'max' });
    fc.assert(
      fc.property(steps, (history) => {
        const { exits, events } = newExits();
        const all: { exit: ReturnType<Exits['ended']>; id: number; replaced: number }[] = [];
        for (const [at, step] of history.entries()) {
          const chosen = step === undefined ? undefined : all[step % Math.max(1, all.length)];
          if (chosen) {
            chosen.replaced = 1 + at;
            exits.succeeded(chosen.exit, 1 + at);
          } else {
            all.push({ exit: exits.ended(worker(all.length), KILL), id: all.length, replaced: 0 });
          }
        }
        const told = events().map(({ clusterId, replaced }) => ({ id: clusterId, replaced }));
        told.sort((a, b) => a.id! - b.id!);
        assert.deepEqual(
          told,
          all.slice(-MAX_EXITS).map(({ id, replaced }) => ({ id, replaced })),
        );
      }),
      { numRuns: 50 },
    );
  });
});

describe('an exit of a worker whose id comes back', () => {
  it('is added to those of its id by reason, with no event, and so is its successor', () => {
    const { exits, events, byWorker, restarts } = newExits();
    const slot = { ...worker(1), lastingId: 'worker_1' };
    exits.succeeded(exits.ended(slot, TERM));
    exits.ended({ ...slot, clusterId: 9 }, TERM);
    exits.ended(slot, KILL);
    exits.ended({ ...slot, lastingId: 'worker_2' }, KILL);
    assert.deepEqual(events(), []);
    assert.deepEqual(byWorker('exits_by_worker'), { 'worker_1 term': 2, 'worker_1 kill': 1, 'worker_2 kill': 1 });
    assert.deepEqual(byWorker('restarts_by_worker'), { 'worker_1 term': 1 });
    assert.deepEqual(restarts(), { term: 1 });
  });

  it('is told with its time, and so is its successor, in rings of their own', () => {
    const { table, exits } = newExits();
    const slot = { ...worker(1), lastingId: 'worker_1' };
    assert.ok(!table.dictionary.some((line) => line.includes('_times')), 'nothing is there before the first');
    exits.succeeded(exits.ended(slot, TERM, 5000), 5100);
    exits.ended({ ...slot, lastingId: 'worker_2' }, KILL, 6000);
    assert.deepEqual(
      seriesIn(table, 'exit_times').map(({ values }) => values[1]),
      [5000, 6000],
    );
    assert.deepEqual(
      seriesIn(table, 'restart_times').map(({ values }) => values[1]),
      [5100],
    );
    for (let n = 0; n < 3 * MAX_EXITS; n += 1) exits.ended(slot, QUIT, 7000);
    assert.equal(seriesIn(table, 'exit_times').length, MAX_EXITS);
  });

  it('leaves the ring to the others', () => {
    const { exits, events } = newExits();
    const first = exits.ended(worker(1), QUIT);
    for (let n = 0; n < 3 * MAX_EXITS; n += 1) exits.ended({ ...worker(2), lastingId: 'worker_1' }, QUIT);
    exits.succeeded(first, 7000);
    assert.deepEqual(
      events().map(({ clusterId, replaced }) => [clusterId, replaced]),
      [[1, 7000]],
    );
  });

  it('is one of the others when there are a thousand ids already, and none is lost', () => {
    const { exits, byWorker } = newExits();
    for (let n = 0; n < 1200; n += 1) exits.succeeded(exits.ended({ ...worker(n), lastingId: `w${n}` }, CRASH));
    for (const name of ['exits_by_worker', 'restarts_by_worker']) {
      const counts = byWorker(name);
      assert.equal(Object.keys(counts).length, 1001);
      assert.equal(counts['_OTHER crash'], 200);
      assert.equal(counts['w999 crash'], 1);
    }
  });

  it('has that id, and any other the one that the worker had', () => {
    assert.equal(idOf({ clusterId: 3, threadId: 0, startSeconds: 50 }), 'worker_3_50');
    assert.equal(idOf({ clusterId: 3, threadId: 2, startSeconds: 50 }), 'worker_3.2_50');
    assert.equal(idOf({ clusterId: 3, threadId: 0, startSeconds: 50, lastingId: 'worker_1' }), 'worker_1');
  });
});

function worker(clusterId: number): EndedWorker {
  return { clusterId, threadId: 0, startSeconds: clusterId };
}

function newExits() {
  const table = new SeriesTable();
  const exits = new Exits(table);
  const events = () =>
    seriesIn(table, 'exits').map(
      ({ values }) =>
        Object.fromEntries(EXIT_FIELDS.map((field, i) => [field, values[i]!])) as Record<string, number | undefined>,
    );
  const counts = (name: string, ...labels: string[]): Record<string, number> =>
    Object.fromEntries(
      seriesIn(table, name).map((entry) => [labels.map((label) => entry.labels[label]).join(' '), entry.values[0]!]),
    );
  return {
    table,
    exits,
    events,
    restarts: () => counts('restarts', 'reason'),
    byWorker: (name: string) => counts(name, 'worker_id', 'reason'),
  };
}
