/** The threads of this process that are members of its group: sees each end, and marks its file as that of a dead one. */
import { channel } from 'node:diagnostics_channel';
import { errorMonitor } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { markEnded, snapshotFile } from '../snapshot/directory.ts';
import { EXIT_CAUSES, type ExitCause } from '../snapshot/exit-events.ts';
import type { Identity } from '../snapshot/layout.ts';
import { monotonicMs } from '../snapshot/monotonic.ts';
import type { ProcessMark } from '../snapshot/process-mark.ts';
import { SnapshotReader } from '../snapshot/reader.ts';
import type { ExitedWorker } from './cluster.ts';
import { type Exit, type Exits, idOf } from './exits.ts';
import { Succession, WINDOW_MS } from './succession.ts';

export interface ThreadsOptions {
  readonly exits: Exits;
  /** The group's directory, and whose threads these are. */
  readonly directory: string;
  readonly mark: ProcessMark;
  /** Of this process in its cluster; 0 without one. */
  readonly clusterId: number;
  /** Pid of its primary, where that is not the group's owner; else 0. */
  readonly parent: number;
  readonly changed: () => void;
  readonly onExit: (worker: ExitedWorker) => void;
  /** Something went wrong with a file. */
  readonly onError: (error: unknown) => void;
}

/** Marks a thread of this package's own, on its class: it is there when the thread is told of, which is in its constructor. */
export const OWN_THREAD = Symbol('gunicorn-otel.own-thread');

// Held here: a channel without a strong reference may be collected, subscribers included (Node 20).
const threadStart = channel('worker_threads');

/**
 * Begins to watch.
 *
 * @returns `look`, to be called now and then: nothing but its file tells that a thread has become a member
 * @throws never
 */
export function watchThreads(options: ThreadsOptions): { look(): void; stop(): void } {
  const succession = new Succession<Exit>();
  /** When threads were started that are no members yet, by thread id: pools of others, or our own exporter, replace nobody. */
  const strangers = new Map<number, number>();
  /** When the first member ran: who was started before is of the first fleet. */
  let firstOnlineMs = Number.POSITIVE_INFINITY;
  const onlineMs = new Map<number, number>();

  const onStart = (message: unknown) => {
    try {
      watch((message as { worker: Worker }).worker);
    } catch (error) {
      // A channel's subscriber that throws crashes the process.
      options.onError(error);
    }
  };

  function watch(worker: Worker): void {
    if (OWN_THREAD in worker) return;
    const { threadId } = worker;
    let failed = false;
    // Sees an error without being a listener for it: one that nobody listens to still ends the process.
    worker.once(errorMonitor, () => {
      failed = true;
    });
    worker.once('online', () => strangers.has(threadId) && onlineMs.set(threadId, monotonicMs()));
    worker.once('exit', (code) => {
      try {
        onEnd(threadId, code, failed);
      } catch (error) {
        options.onError(error);
      }
    });
    strangers.set(threadId, monotonicMs());
  }

  const look = () => {
    const nowMs = monotonicMs();
    for (const [threadId, startedMs] of strangers) {
      const isMember = existsSync(join(options.directory, snapshotFile(options.mark, threadId)));
      if (!isMember && nowMs - startedMs <= WINDOW_MS) continue;
      if (isMember) arrived(threadId, startedMs, onlineMs.get(threadId) ?? nowMs);
      forget(threadId);
    }
  };

  function arrived(threadId: number, startedMs: number, ranMs: number): void {
    if (startedMs > firstOnlineMs) succession.settle();
    firstOnlineMs = Math.min(firstOnlineMs, ranMs);
    const exit = succession.arrived(threadId, startedMs);
    if (!exit) return;
    options.exits.succeeded(exit);
    options.changed();
  }

  function forget(threadId: number): void {
    strangers.delete(threadId);
    onlineMs.delete(threadId);
  }

  function onEnd(threadId: number, code: number, failed: boolean): void {
    const { exits, directory, mark, clusterId, parent, changed, onExit } = options;
    look();
    forget(threadId);
    const identity = identityIn(join(directory, snapshotFile(mark, threadId)));
    // A thread that measured nothing has no file and was no member.
    if (identity === undefined) return;
    const { startSeconds, ended: endedItself = false } = identity;
    markEnded(directory, mark, threadId);
    const nowMs = monotonicMs();
    const ended = { clusterId, threadId, startSeconds, parent };
    const why = causeOfThreadExit(code, failed, endedItself);
    const exit = exits.ended(ended, why, nowMs);
    if (succession.leaving(threadId, nowMs)) exits.succeeded(exit);
    else succession.vacated(exit, nowMs);
    changed();
    onExit({ id: clusterId, pid: process.pid, threadId, workerId: idOf(ended), code, signal: null, ...why });
  }

  threadStart.subscribe(onStart);
  return {
    look,
    stop() {
      threadStart.unsubscribe(onStart);
    },
  };
}

// terminate() ends a thread with code 1, but runs none of its code: one that could still say that it ends did so itself.
function causeOfThreadExit(code: number, failed: boolean, endedItself: boolean): ExitCause {
  const terminated = code === 1 && !failed && !endedItself;
  const reason = terminated ? 'kill' : code === 0 ? 'quit' : 'crash';
  return EXIT_CAUSES.find((cause) => cause.reason === reason)!;
}

function identityIn(path: string): Identity | undefined {
  try {
    return new SnapshotReader(path).read().identity;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
