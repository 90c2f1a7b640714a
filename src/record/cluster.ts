/** The primary's view of its workers: gives each its birth, sees each end, and tells which of them were replaced. */
import cluster, { type Worker } from 'node:cluster';
import { EXIT_CAUSES, type ExitCause } from '../snapshot/exit-events.ts';
import { monotonicMs } from '../snapshot/monotonic.ts';
import { BIRTH_VARIABLE, type Birth, formatBirth } from './birth.ts';
import { type Exit, type Exits, idOf } from './exits.ts';
import { makeRoom } from './listener-room.ts';
import { Succession } from './succession.ts';

/** A worker that has ended, as the hook childExit is told of it. */
export interface ExitedWorker extends ExitCause {
  readonly id: number;
  readonly pid: number | undefined;
  readonly threadId: number;
  readonly workerId: string;
  readonly code: number | null;
  readonly signal: string | null;
}

export interface ClusterOptions {
  readonly exits: Exits;
  /** Whether worker ids come back; see GUNICORN_OTEL_WORKER_ID. */
  readonly slots: boolean;
  /** This primary's pid, or 0 where it owns the group. */
  readonly parent: number;
  /** Something was counted. */
  readonly changed: () => void;
  readonly onExit: (worker: ExitedWorker) => void;
}

// By signal, and by the exit code that stands for it where something caught the signal first.
const CAUSE_OF_SIGNAL: Readonly<Record<string, ExitCause>> = {
  SIGHUP: cause('quit'),
  SIGINT: cause('quit'),
  SIGQUIT: cause('quit'),
  SIGABRT: cause('abort'),
  SIGKILL: cause('kill'),
  SIGTERM: cause('term'),
};
const SIGNAL_OF_CODE: Readonly<Record<number, string>> = {
  129: 'SIGHUP',
  130: 'SIGINT',
  131: 'SIGQUIT',
  134: 'SIGABRT',
  137: 'SIGKILL',
  143: 'SIGTERM',
};

/** Why a process ended. @param asked - it was disconnected first, by worker.disconnect() or by itself */
export function causeOfExit(code: number | null, signal: string | null, asked: boolean): ExitCause {
  const ended = signal ?? SIGNAL_OF_CODE[code ?? -1];
  if (ended) return CAUSE_OF_SIGNAL[ended] ?? cause('crash');
  return asked || code === 0 ? cause('quit') : cause('crash');
}

/**
 * Begins to watch; there is one per primary.
 *
 * @returns `forking`, to be called before each fork, while the worker's environment can still be told something; `look`,
 *   to be called now and then: nothing tells when a worker is asked to disconnect, which may take it long
 * @throws never
 */
export function watchCluster({ exits, slots, parent, changed, onExit }: ClusterOptions): {
  forking(): void;
  look(): void;
  stop(): void;
} {
  const births = new Map<number, Birth>();
  /** Those that were asked to go, and those of them whose successor was there already. */
  const left = new Set<number>();
  const replaced = new Set<number>();
  const succession = new Succession<Exit>();
  let next: Birth | undefined;
  let newestId = Math.max(0, ...workerIds());

  // fork() enters a worker before it returns: the one that is there now and was not before was given `next`.
  const assign = () => {
    const id = Math.max(newestId, ...workerIds());
    if (id > newestId && next) births.set(id, next);
    newestId = id;
  };
  const onFork = (worker: Worker) => {
    assign();
    const exit = succession.arrived(worker.id, monotonicMs());
    if (!exit) return;
    exits.succeeded(exit);
    changed();
  };
  const onOnline = () => succession.settle();
  const look = () => {
    for (const worker of Object.values(cluster.workers ?? {})) {
      if (!worker?.exitedAfterDisconnect || left.has(worker.id)) continue;
      left.add(worker.id);
      if (succession.leaving(worker.id, monotonicMs())) replaced.add(worker.id);
    }
  };
  const onEnd = (worker: Worker, code: number | null, signal: string | null) => {
    assign();
    const { id } = worker;
    const nowMs = monotonicMs();
    const { slot, startSeconds } = births.get(id) ?? { slot: id, startSeconds: Math.floor(Date.now() / 1000) };
    const lasting = slots && parent === 0 && { lastingId: `worker_${slot}` };
    const ended = { clusterId: id, threadId: 0, startSeconds, parent, ...lasting };
    const why = causeOfExit(code, signal, worker.exitedAfterDisconnect === true);
    const exit = exits.ended(ended, why, nowMs);
    births.delete(id);
    succession.settle();
    left.delete(id);
    if (replaced.delete(id) || succession.leaving(id, nowMs)) exits.succeeded(exit);
    else succession.vacated(exit, nowMs);
    changed();
    onExit({ id, pid: worker.process.pid, threadId: 0, workerId: idOf(ended), code, signal, ...why });
  };

  const leaveRoom = makeRoom(cluster, ['fork', 'online', 'exit']);
  cluster.on('fork', onFork);
  cluster.on('online', onOnline);
  cluster.on('exit', onEnd);
  return {
    look,
    forking() {
      assign();
      const taken = new Set(livingIds().map((id) => births.get(id)?.slot));
      let slot = 1;
      while (taken.has(slot)) slot += 1;
      next = { slot, startSeconds: Math.floor(Date.now() / 1000), parent };
      process.env[BIRTH_VARIABLE] = formatBirth(next);
    },
    stop() {
      leaveRoom();
      cluster.off('fork', onFork);
      cluster.off('online', onOnline);
      cluster.off('exit', onEnd);
    },
  };
}

function workerIds(): number[] {
  return Object.keys(cluster.workers ?? {}).map(Number);
}

// An app that forks in its own exit listener does so before ours has seen the end.
function livingIds(): number[] {
  return Object.values(cluster.workers ?? {}).flatMap((worker) => (worker && !worker.isDead() ? [worker.id] : []));
}

function cause(reason: ExitCause['reason']): ExitCause {
  return EXIT_CAUSES.find((known) => known.reason === reason)!;
}
