/** Holds src/record/threads.ts with real threads of this process, whose files are written for them: each end is seen once. */
import assert from 'node:assert/strict';
import { channel } from 'node:diagnostics_channel';
import { errorMonitor, once } from 'node:events';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { Worker } from 'node:worker_threads';
import type { ExitedWorker } from '../src/record/cluster.ts';
import { Exits } from '../src/record/exits.ts';
import { watchThreads } from '../src/record/threads.ts';
import { listSnapshots, snapshotFile } from '../src/snapshot/directory.ts';
import { encodeSnapshot, type Identity } from '../src/snapshot/layout.ts';
import { ownMark } from '../src/snapshot/process-mark.ts';
import { SeriesTable } from '../src/snapshot/series-table.ts';
import { noteThread, OWN_THREAD, startedThreads } from '../src/started-threads.ts';
import { IDENTITY } from './arbitrary-tables.ts';
import { atEnd, freshDirectory } from './processes.ts';
import { seriesIn } from './scenes.ts';

const THREAD = `require('node:worker_threads').parentPort.once('message', (code) => process.exit(code));`;
const CRASH = { reason: 'crash', restartType: 'forced' };
const KILL = { reason: 'kill', restartType: 'forced' };
const QUIT = { reason: 'quit', restartType: 'graceful' };

channel('worker_threads').subscribe(noteThread);

describe('a thread of the group that ends', () => {
  it('is told as what it ended by, with the code, and counted so', async (t) => {
    const { begin, told, exits, look } = watched(t, 7);
    for (const [last, why, code] of [
      [{}, KILL, 1],
      [{ ended: true, exitCode: 1 }, CRASH, 1],
      [{ ended: true, exitCode: 0 }, QUIT, 0],
      [{ ended: true, exitCode: 3 }, CRASH, 3],
      // Ended by stop(): what it did later it has told nobody.
      [{ ended: true }, QUIT, 0],
    ] as const) {
      const worker = await begin(last);
      const { threadId } = worker;
      await worker.terminate();
      look();
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
    assert.equal(told.length, 5);
    assert.equal(exits().length, 5);
  });

  it('has its file marked as that of a dead one', async (t) => {
    const { begin, directory, ends } = watched(t);
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
    const { begin, changes, ends } = watched(t);
    await ends(await begin(), 0);
    assert.equal(changes(), 1);
  });

  it('without a file was no member, and leaves no mark', async (t) => {
    const { begin, told, errors, directory, exits, ends } = watched(t);
    const worker = await begin('no member');
    const mark = join(directory, `${snapshotFile(ownMark(), worker.threadId)}.ended`);
    await ends(worker, 3);
    assert.deepEqual([told, errors, exits(), existsSync(mark)], [[], [], [], false]);
  });

  it('with a damaged file is told as trouble, and crashes nothing', async (t) => {
    const { begin, told, errors, ends } = watched(t);
    await ends(await begin('damaged'), 0);
    assert.equal(told.length, 0);
    assert.deepEqual(
      errors.map((error) => (error as NodeJS.ErrnoException).code),
      ['GUNICORN_OTEL_ERR_SNAPSHOT_TORN'],
    );
  });

  it('is not seen any more after the end of watching, nor is one that began after it', async (t) => {
    const { stop, begin, told, exits, ends } = watched(t);
    stop();
    await ends(await begin(), 0);
    assert.deepEqual([told, exits()], [[], []]);
  });

  it('is seen without a listener on it', async (t) => {
    const { begin, ends, told } = watched(t);
    const worker = await begin();
    for (const event of ['online', 'message', 'error', 'exit', errorMonitor])
      assert.equal(worker.listenerCount(event), 0);
    await ends(worker, 0);
    assert.equal(told.length, 1);
  });

  it('is forgotten when another one starts, also while nobody watches', async (t) => {
    const { stop, begin, ends } = watched(t);
    stop();
    const worker = await begin();
    const { threadId } = worker;
    await ends(worker, 0);
    await begin();
    assert.ok(!startedThreads().some((thread) => thread.threadId === threadId));
  });
});

describe('a thread that takes the place of one', () => {
  it('that has crashed is its successor', async (t) => {
    const { begin, exits, ends } = watched(t);
    await ends(await begin(), 3);
    assert.deepEqual(exits(), [0]);
    await ends(await begin(), 3);
    assert.deepEqual(exits(), [1, 0]);
  });

  it('that leaves later is its successor, unless both are of the first', async (t) => {
    const { begin, exits, ends } = watched(t);
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
    const { begin, exits, ends } = watched(t);
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
    const { begin, exits, ends } = watched(t);
    const own = async () => {
      const worker = new OwnThread(THREAD, { eval: true });
      atEnd(t, () => worker.terminate());
      await once(worker, 'online');
    };
    await own();
    const first = await Promise.all([begin(), begin()]);
    await ends(first[0]!, 0);
    await own();
    assert.deepEqual(exits(), [0]);
  });
});

it('what is published in the name of threads and is none is no thread, and crashes nothing', () => {
  const before = startedThreads();
  channel('worker_threads').publish(undefined);
  channel('worker_threads').publish({ worker: {} });
  assert.deepEqual(startedThreads(), before);
});

type Last = Pick<Identity, 'ended' | 'exitCode'>;

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
  atEnd(t, stop);
  let watching = true;
  // A thread that runs, and its file as the thread would have written it.
  const begin = async (file: Last | 'no member' | 'damaged' = {}) => {
    const worker = new Worker(THREAD, { eval: true });
    atEnd(t, () => worker.terminate());
    await once(worker, 'online');
    const path = join(directory, snapshotFile(ownMark(), worker.threadId));
    if (file === 'damaged') writeFileSync(path, 'x');
    else if (file !== 'no member') writeFileSync(path, encodeSnapshot({ ...IDENTITY, ...file }, new SeriesTable(), 0));
    // As with the next heartbeat.
    look();
    return worker;
  };
  // By itself, having said so if it is a member whose file can be read; seen with the next heartbeat.
  const ends = async (worker: Worker, code: number) => {
    const path = join(directory, snapshotFile(ownMark(), worker.threadId));
    const last = encodeSnapshot({ ...IDENTITY, ended: true, exitCode: code }, new SeriesTable(), 0);
    if (existsSync(path) && statSync(path).size > 1) writeFileSync(path, last);
    const exit = once(worker, 'exit');
    worker.postMessage(code);
    await exit;
    if (watching) look();
  };
  /** Of each exit, whether it had a successor. */
  const exits = () => seriesIn(table, 'exits').map(({ values }) => (values[4]! > 0 ? 1 : 0));
  const unwatch = () => {
    watching = false;
    stop();
  };
  return { directory, told, errors, stop: unwatch, look, begin, ends, exits, changes: () => changes };
}
