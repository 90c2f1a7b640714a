/** The threads of this process that are members of its group: sees each end, and marks its file as that of a dead one. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { markEnded, snapshotFile } from '../snapshot/directory.ts';
import { EXIT_CAUSES, type ExitCause } from '../snapshot/exit-events.ts';
import type { Identity } from '../snapshot/layout.ts';
import { monotonicMs } from '../snapshot/monotonic.ts';
import type { ProcessMark } from '../snapshot/process-mark.ts';
import { SnapshotReader } from '../snapshot/reader.ts';
import { forgetThread, lookAtStarts, now, type StartedThread, startedThreads } from '../started-threads.ts';
import type { ExitedWorker } from './cluster.ts';
import { type Exit, type Exits, idOf } from './exits.ts';
import { Succession, WINDOW_MS } from './succession.ts';

// What Node says of a thread that was terminated.
const KILLED_CODE = 1;

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

/**
 * Begins to watch, also those that were started before.
 *
 * @returns `look`, to be called now and then: nothing tells that a thread has become a member, or has ended
 * @throws never
 */
export function watchThreads(options: ThreadsOptions): { look(): void; stop(): void } {
  const succession = new Succession<Exit>();
  /** Members, and those who will hardly become one: pools of others replace nobody. */
  const placed = new WeakSet<StartedThread>();
  /** When the first member was seen: who was started before is of the first fleet. */
  let firstSeenMs = Number.POSITIVE_INFINITY;

  const look = () => {
    const nowMs = now();
    const threads = startedThreads();
    // In this order: who ends and who is there already are of one fleet.
    for (const thread of threads) guarded(() => place(thread, nowMs));
    for (const thread of threads.filter((each) => each.hasEnded())) {
      forgetThread(thread);
      guarded(() => ended(thread, nowMs));
    }
  };

  function place(thread: StartedThread, nowMs: number): void {
    if (placed.has(thread)) return;
    const isMember = existsSync(fileOf(thread));
    if (!isMember && nowMs - thread.startedMs <= WINDOW_MS) return;
    placed.add(thread);
    if (isMember) arrived(thread, nowMs);
  }

  function arrived({ threadId, startedMs }: StartedThread, nowMs: number): void {
    if (startedMs > firstSeenMs) succession.settle();
    firstSeenMs = Math.min(firstSeenMs, nowMs);
    const exit = succession.arrived(threadId, startedMs);
    if (!exit) return;
    options.exits.succeeded(exit);
    options.changed();
  }

  function ended(thread: StartedThread, nowMs: number): void {
    const { exits, directory, mark, clusterId, parent, changed, onExit } = options;
    const identity = identityIn(fileOf(thread));
    // A thread that measured nothing has no file and was no member.
    if (identity === undefined) return;
    const { threadId } = thread;
    markEnded(directory, mark, threadId);
    const worker = { clusterId, threadId, startSeconds: identity.startSeconds, parent };
    const why = causeOf(identity);
    const code = identity.ended ? (identity.exitCode ?? 0) : KILLED_CODE;
    const exit = exits.ended(worker, why, monotonicMs());
    if (succession.leaving(threadId, nowMs)) exits.succeeded(exit);
    else succession.vacated(exit, nowMs);
    changed();
    onExit({ id: clusterId, pid: process.pid, threadId, workerId: idOf(worker), code, signal: null, ...why });
  }

  function fileOf({ threadId }: StartedThread): string {
    return join(options.directory, snapshotFile(options.mark, threadId));
  }

  function guarded(step: () => void): void {
    try {
      step();
    } catch (error) {
      options.onError(error);
    }
  }

  return { look, stop: lookAtStarts(look) };
}

// What is terminated, or has no memory left, runs none of its code any more: one that could still say that it ends did so.
function causeOf({ ended, exitCode = 0 }: Identity): ExitCause {
  const reason = !ended ? 'kill' : exitCode === 0 ? 'quit' : 'crash';
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
