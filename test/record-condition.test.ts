/** Holds src/record/condition.ts: a state is told when it is entered, with the second in which it was. */
import assert from 'node:assert/strict';
import cluster, { type Worker } from 'node:cluster';
import { describe, it, type TestContext } from 'node:test';
import { Condition, lookForDisconnect, STATE_SIGNALS } from '../src/record/condition.ts';
import type { WorkerCondition } from '../src/snapshot/layout.ts';

const SECOND = 1_700_000_000;

describe('the condition of a worker', () => {
  it('is told once when it is entered, with the second', (t) => {
    const { condition, told, at } = watched(t);
    condition.enter('running');
    assert.deepEqual(told, []);
    at(5.9);
    condition.enter('quitting');
    at(7);
    condition.enter('quitting');
    assert.deepEqual(told, [{ name: 'quitting', sinceSeconds: SECOND + 5 }]);
    condition.enter('running');
    assert.deepEqual(told.at(-1), { name: 'running', sinceSeconds: SECOND + 7 });
  });

  it('changes with the signals that end a worker, and with no other', (t) => {
    assert.deepEqual([...STATE_SIGNALS].sort(), ['ABRT', 'INT', 'QUIT', 'TERM']);
    for (const [signal, name] of [
      ['TERM', 'quitting'],
      ['INT', 'quitting'],
      ['QUIT', 'quitting'],
      ['ABRT', 'aborting'],
      ['HUP', undefined],
      ['CHLD', undefined],
      ['USR2', undefined],
    ] as const) {
      const { condition, told } = watched(t);
      condition.signalled(signal);
      assert.deepEqual(
        told.map(({ name }) => name),
        name ? [name] : [],
        signal,
      );
    }
  });

  it('is to abort for who quits, but who aborts does not quit any more', (t) => {
    const { condition, told, at } = watched(t);
    condition.signalled('TERM');
    at(1);
    condition.signalled('INT');
    condition.signalled('ABRT');
    at(2);
    condition.signalled('TERM');
    assert.deepEqual(told, [
      { name: 'quitting', sinceSeconds: SECOND },
      { name: 'aborting', sinceSeconds: SECOND + 1 },
    ]);
  });

  it('is told again, with the second, when the worker is back from being unresponsive', (t) => {
    const { condition, told, at } = watched(t);
    at(10);
    condition.resumed();
    condition.signalled('QUIT');
    at(20);
    condition.resumed();
    assert.deepEqual(told, [
      { name: 'running', sinceSeconds: SECOND + 10 },
      { name: 'quitting', sinceSeconds: SECOND + 10 },
      { name: 'quitting', sinceSeconds: SECOND + 20 },
    ]);
  });
});

describe('a worker that was asked to disconnect', () => {
  it('quits from when it is seen, once', (t) => {
    const { condition, told, at } = watched(t);
    asWorker(t, { exitedAfterDisconnect: true });
    lookForDisconnect(condition);
    at(1);
    lookForDisconnect(condition);
    assert.deepEqual(told, [{ name: 'quitting', sinceSeconds: SECOND }]);
  });

  it('and aborts meanwhile does not quit any more', (t) => {
    const { condition, told } = watched(t);
    asWorker(t, { exitedAfterDisconnect: true });
    condition.signalled('ABRT');
    lookForDisconnect(condition);
    assert.deepEqual(
      told.map(({ name }) => name),
      ['aborting'],
    );
  });

  it('is none that was not asked, and no process without a cluster', (t) => {
    const { condition, told } = watched(t);
    lookForDisconnect(condition);
    for (const exitedAfterDisconnect of [undefined, false]) {
      asWorker(t, { exitedAfterDisconnect });
      lookForDisconnect(condition);
    }
    assert.deepEqual(told, []);
  });
});

function watched(t: TestContext) {
  const told: WorkerCondition[] = [];
  let nowMs = SECOND * 1000;
  t.mock.method(Date, 'now', () => nowMs);
  const at = (seconds: number) => {
    nowMs = (SECOND + seconds) * 1000;
  };
  return { condition: new Condition((state) => told.push(state)), told, at };
}

// As a worker that its primary has told: nothing else is known of it here.
function asWorker(t: TestContext, worker: { exitedAfterDisconnect: boolean | undefined }): void {
  t.after(() => Object.assign(cluster, { worker: undefined }));
  Object.assign(cluster, { worker: worker as Worker });
}
