/** What a scrape says of the living workers, held against the processes that there are. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { endless } from './endless.ts';
import { type Sample, select } from './exposition.ts';
import { type Cluster, type Owner, type Running, until } from './processes.ts';

const NAME = 'gunicorn_worker_state';
const STATES = ['running', 'quitting', 'aborting', 'unresponsive'];
// Clocks of processes that start are told in whole seconds, by whoever rounds how.
const CLOCK_TOLERANCE_SECONDS = 2;
const STARTED_SECONDS = Date.now() / 1000;

export interface WorkerState {
  /** The cluster's id; with the thread's behind a dot. */
  id: string;
  workerId: string;
  state: string;
  /** Unix seconds. */
  enteredAt: number;
}

/** The one series of each living worker, by the cluster's id; fails when a worker has two, or one that cannot be. */
export function workerStates(samples: Sample[]): Map<string, WorkerState> {
  const states = new Map<string, WorkerState>();
  for (const { labels, value } of select(samples, NAME)) {
    const { worker_id: workerId = '', state = '', timestamp = '', ...others } = labels;
    const said = JSON.stringify(labels);
    assert.deepEqual(others, {}, said);
    assert.equal(value, 1, said);
    assert.ok(STATES.includes(state), said);
    const id = idOf(workerId);
    assert.ok(!states.has(id), `two states of one worker: ${said}`);
    const enteredAt = Number(timestamp);
    assert.ok(enteredAt >= STARTED_SECONDS - CLOCK_TOLERANCE_SECONDS, `entered before this test: ${said}`);
    assert.ok(enteredAt <= Date.now() / 1000 + CLOCK_TOLERANCE_SECONDS, `entered in the future: ${said}`);
    states.set(id, { id, workerId, state, enteredAt });
  }
  return states;
}

/** The cluster's id of a worker, or its slot. */
export function idOf(workerId: string): string {
  return /^worker_(\d+(?:\.\d+)?)(?:_\d+)?$/.exec(workerId)?.[1] ?? assert.fail(`no worker_id: ${workerId}`);
}

/** Waits until a worker is in a state. @returns that state */
export function enters(running: Running, id: string, state: string, deadlineMs?: number): Promise<WorkerState> {
  let states = new Map<string, WorkerState>();
  return until(
    async () => {
      states = workerStates(await running.scrape());
      const found = states.get(id);
      return found?.state === state && found;
    },
    () => `worker ${id} ${state}; there is ${JSON.stringify([...states.values()])}`,
    deadlineMs,
  );
}

/** Waits until exactly these workers are shown, in whatever state. */
export function areShown(running: Running, ids: string[]): Promise<Map<string, WorkerState>> {
  let states = new Map<string, WorkerState>();
  return until(
    async () => {
      states = workerStates(await running.scrape());
      return [...states.keys()].sort().join() === [...ids].sort().join() && states;
    },
    () => `the workers ${ids}; there is ${JSON.stringify([...states.values()])}`,
  );
}

/** How each worker has ended, by the cluster's id, as the fixtures say it: a signal or an exit code. */
export function endings(cluster: Running): Map<string, string> {
  return new Map([...cluster.output.stdout.matchAll(/^ended ([\d.]+) (\w+)$/gm)].map(([, id, how]) => [id!, how!]));
}

/** Those of its workers that have listened and are alive: not even zombies. */
export function living(cluster: Cluster): string[] {
  return [...cluster.workers()].filter(([, pid]) => isAlive(pid)).map(([id]) => id);
}

function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}

/**
 * Scrapes all the time, and holds each scrape against the processes: who was alive all through it is shown, and running
 * unless he was told to leave; who was dead before it began is not shown.
 *
 * @param leaving - ids that were told to leave; the caller adds to it
 */
export function watchStates(owner: Owner, cluster: Cluster, leaving: Set<string>): { stop(): Promise<number> } {
  return endless(owner, async (isStopped) => {
    let scrapes = 0;
    while (!isStopped()) {
      const everSeen = new Set(cluster.workers().keys());
      const before = living(cluster);
      const states = workerStates(await cluster.scrape());
      const after = new Set(living(cluster));
      scrapes += 1;
      const told = `${JSON.stringify([...states.values()])}; alive were ${before} and then ${[...after]}`;
      for (const id of before.filter((each) => after.has(each))) {
        assert.ok(states.has(id), `worker ${id} lives and is not shown: ${told}`);
        if (!leaving.has(id)) assert.equal(states.get(id)?.state, 'running', `worker ${id}: ${told}`);
      }
      for (const id of states.keys()) {
        assert.ok(before.includes(id) || !everSeen.has(id), `worker ${id} was dead and is shown: ${told}`);
      }
    }
    return scrapes;
  });
}
