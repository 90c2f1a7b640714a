/** Holds src/aggregate/worker-ids.ts: no series twice, though two containers name a worker alike. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { WorkerIds } from '../src/aggregate/worker-ids.ts';
import type { WorkerState } from '../src/aggregate/workers.ts';
import { decodeSnapshot, encodeSnapshot } from '../src/snapshot/layout.ts';
import { SeriesTable } from '../src/snapshot/series-table.ts';
import { IDENTITY } from './arbitrary-tables.ts';

function member(
  namespace: number,
  workerId = 'worker_1_100',
  more: { threadId?: number; lasting?: boolean } = {},
): WorkerState {
  const { threadId = 0, lasting = false } = more;
  const identity = { ...IDENTITY, workerId, threadId, ...(lasting && { lasting }) };
  const snapshot = decodeSnapshot(encodeSnapshot(identity, new SeriesTable(), 1));
  const mark = { pid: 1, processStart: 5, namespace };
  return { file: `1-5-${namespace}-${threadId}.snapshot`, mark, snapshot, alive: true };
}

const idsOf = (states: readonly WorkerState[]) => states.map(({ snapshot }) => snapshot.identity.workerId);

describe('worker ids', () => {
  it('are what members call themselves, as long as no two do alike', () => {
    const states = [member(7), member(8, 'worker_1_101')];
    const given = new WorkerIds().apply(states);
    assert.deepEqual(idsOf(given), ['worker_1_100', 'worker_1_101']);
    assert.equal(given[0], states[0]);
  });

  it('have the pid namespace behind them for the second of one name, also when the first has gone', () => {
    const ids = new WorkerIds();
    const [first, second] = [member(7), member(8)];
    assert.deepEqual(idsOf(ids.apply([first])), ['worker_1_100']);
    // In whatever order they are found.
    assert.deepEqual(idsOf(ids.apply([second, first])), ['worker_1_100_8', 'worker_1_100']);
    assert.deepEqual(idsOf(ids.apply([second])), ['worker_1_100_8']);
    assert.deepEqual(idsOf(ids.apply([member(9), second])), ['worker_1_100', 'worker_1_100_8']);
  });

  it('are shared by those that come back in a slot, and by the runs of one process', () => {
    const slots = [member(7, 'worker_1', { lasting: true }), member(8, 'worker_1', { lasting: true })];
    assert.deepEqual(idsOf(new WorkerIds().apply(slots)), ['worker_1', 'worker_1']);
    assert.deepEqual(idsOf(new WorkerIds().apply([member(7), { ...member(7), file: 'run' }])), [
      'worker_1_100',
      'worker_1_100',
    ]);
  });
});
