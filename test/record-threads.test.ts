/** Holds src/record/threads.ts with real threads of this process, whose files are written for them: each end is seen once. */
import assert from 'node:assert/strict';
import { channel } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { Worker } from 'node:worker_threads';
import type { ExitedWorker } from '../src/record/cluster.ts';
import { Exits } from '../src/record/exits.ts';
import { OWN_THREAD, watchThreads } from '../src/record/threads.ts';
import { listSnapshots, snapshotFile } from '../src/snapshot/directory.ts';
import { encodeSnapshot } from '../src/snapshot/layout.ts';
import { ownMark } from '../src/snapshot/process-mark.ts';
import { SeriesTable } from '../src/snapshot/series-table.ts';
import { IDENTITY } from './arbitrary-tables.ts';
import { freshDirectory } from './processes.ts';
import { seriesIn } from './scenes.ts';

const THREAD = `
  const { parentPort } = require('node:worker_threads');
  parentPort.once('message', ({ code, message }) => {
    if (message) throw new Error(message);
    process.exit(code);
  });`;
const CRASH = { reason: 'crash', restartType: 'forced' };
const KILL = { reason: 'kill', restartType: 'forced' };
const QUIT = { reason: 'quit', restartType: 'graceful' };

describe('a thread of the group that ends', () => {
  it('is told as what it ended by, with the code, and counted so', async (t) => {
    const { begin, told, exits } = watched(t, 7);
    for (const [end, why, code] of [
      [(worker: Worker) => worker.terminate(), KILL, 1],
      [(worker: Worker) => worker.postMessage({ message: 'from the app' }), CRASH, 1],
      [(worker: Worker) => worker.postMessage({ code: 0 }), QUIT, 0],
      [(worker: Worker) => worker.postMessage({ code: 3 }), CRASH, 3],
    ] as const) {
      const worker = await begin();
      const { threadId } = worker;
      worker.on('error', () => {});
      const exit = new Promise((resolve) => worker.once('exit', resolve));
      end(worker);
      await exit;
      assert.deepEqual(told.at(-1), {
        id: 7,
        pid: process.pid,
        threadId,
        workerId: `worker_7.${threadId}_${IDENTITY.startSeconds}`,
        code,
        signal: null,
        ...why,
      });
    }
    assert.equal(told.length, 4);
    assert.equal(exits().length, 4);
  });

  it('with code 1 by itself has crashed, which only its own last word tells from being terminated', async (t) => {
    const { begin, told } = watched(t);
    await ends(await begin({ ended: true }), 1);
    await ends(await begin(), 1);
    assert.deepEqual(
      told.map(({ reason }) => reason),
      ['crash', 'kill'],
    );
  });

  it('has its file marked as that of a dead one', async (t) => {
    const { begin, directory } = watched(t);
    const [first, second] = [await begin(), await begin()];
    const { threadId } = first;
    await ends(first, 0);
    assert.deepEqual(
      listSnapshots(directory)
        .filter(({ ended }) => ended)
        .map((file) => file.threadId),
      [threadId],
    );
    await second.terminate();
  });

  it('is published at once', async (t) => {
    const { begin, changes } = watched(t);
    await ends(await begin(), 0);
    assert.equal(changes(), 1);
  });

  it('without a file was no member, and leaves no mark', async (t) => {
    const { begin, told, errors, directory, exits } = watched(t);
    const worker = await begin('no member');
    const mark = join(directory, `${snapshotFile(ownMark(), worker.threadId)}.ended`);
    await ends(worker, 3);
    assert.deepEqual([told, errors, exits(), existsSync(mark)], [[], [], [], false]);
  });

  it('with a damaged file is told as trouble, and crashes nothing', async (t) => {
    const { begin, told, errors } = watched(t);
    await ends(await begin('damaged'), 0);
    assert.equal(told.length, 0);
    assert.deepEqual(
      errors.map((error) => (error as NodeJS.ErrnoException).code),
      ['GUNICORN_OTEL_ERR_SNAPSHOT_TORN'],
    );
  });

  it('is not seen any more after the end of watching, nor is one that began after it', async (t) => {
    const { stop, begin, told, exits } = watched(t);
    stop();
    await ends(await begin(), 0);
    assert.deepEqual([told, exits()], [[], []]);
  });

  it('keeps the error that nobody listens to for its process', async (t) => {
    const { begin } = watched(t);
    const worker = await begin();
    assert.equal(worker.listenerCount('error'), 0);
    await ends(worker, 0);
  });
});

describe('a thread that takes the place of one', () => {
  it('that has crashed is its successor', async (t) => {
    const { begin, exits } = watched(t);
    await ends(await begin(), 3);
    assert.deepEqual(exits(), [0]);
    await ends(await begin(), 3);
    assert.deepEqual(exits(), [1, 0]);
  });

  it('that leaves later is its successor, unless both are of the first', async (t) => {
    const { begin, exits } = watched(t);
    const first = await Promise.all([begin(), begin()]);
    for (const worker of first) await ends(worker, 0);
    assert.deepEqual(exits(), [0, 0]);
    const second = [await begin(), await begin()];
    assert.deepEqual(exits(), [1, 1]);
    await begin();
    for (const worker of second) await ends(worker, 0);
    assert.deepEqual(exits(), [1, 1, 1, 0]);
  });

  it('is not itself', async (t) => {
    const { begin, exits } = watched(t);
    await begin();
    await ends(await begin(), 0);
    assert.deepEqual(exits(), [0]);
  });

  it('is no thread of this package, nor does one make the first of the app later ones', async (t) => {
    class OwnThread extends Worker {
      get [OWN_THREAD]() {
        return true;
      }
    }
    const { begin, exits } = watched(t);
    const own = async () => {
      const worker = new OwnThread(THREAD, { eval: true });
      t.after(() => worker.terminate());
      await once(worker, 'online');
    };
    await own();
    const first = await Promise.all([begin(), begin()]);
    await ends(first[0]!, 0);
    await own();
    assert.deepEqual(exits(), [0]);
  });
});

it('what is published in the name of threads and is none is told as trouble, and crashes nothing', (t) => {
  const { errors } = watched(t);
  channel('worker_threads').publish(undefined);
  channel('worker_threads').publish({ worker: {} });
  assert.equal(errors.length, 2);
});

function watched(t: TestContext, clusterId = 0) {
  const directory = freshDirectory(t);
  const table = new SeriesTable();
  const told: ExitedWorker[] = [];
  const errors: unknown[] = [];
  let changes = 0;
  const { look, stop } = watchThreads({
    exits: new Exits(table),
    directory,
    mark: ownMark(),
    clusterId,
    parent: 0,
    changed: () => {
      changes += 1;
    },
    onExit: (worker) => told.push(worker),
    onError: (error) => errors.push(error),
  });
  t.after(stop);
  // A thread that runs, and its file as the thread would have written it.
  const begin = async (file: { ended?: boolean } | 'no member' | 'damaged' = {}) => {
    const worker = new Worker(THREAD, { eval: true });
    t.after(() => worker.terminate());
    await once(worker, 'online');
    const path = join(directory, snapshotFile(ownMark(), worker.threadId));
    if (file === 'damaged') writeFileSync(path, 'x');
    else if (file !== 'no member') writeFileSync(path, encodeSnapshot({ ...IDENTITY, ...file }, new SeriesTable(), 0));
    // As with the next heartbeat.
    look();
    return worker;
  };
  /** Of each exit, whether it had a successor. */
  const exits = () => seriesIn(table, 'exits').map(({ values }) => values[4]);
  return { directory, told, errors, stop, begin, exits, changes: () => changes };
}

async function ends(worker: Worker, code: number): Promise<void> {
  const exit = once(worker, 'exit');
  worker.postMessage({ code });
  await exit;
}
