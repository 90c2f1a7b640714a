/** Who a process or thread is in its group, and by which worker_id it is known. */
import cluster from 'node:cluster';
import { performance } from 'node:perf_hooks';
import { threadId } from 'node:worker_threads';
import { environment } from './process-environment.ts';
import { BIRTH_VARIABLE, type Birth, parseBirth } from './record/birth.ts';
import { clusterName, workerIdOf } from './snapshot/exit-events.ts';
import { namesakeOf } from './snapshot/group.ts';
import type { Identity, Role } from './snapshot/layout.ts';
import { monotonicMs } from './snapshot/monotonic.ts';
import { isSameProcess, ownMark, ownTask } from './snapshot/process-mark.ts';

// Tells the threads of a process its name in the group, which they cannot see; with its pid, since its children see it, too.
const WORKER_ID_VARIABLE = 'GUNICORN_OTEL_CLUSTER_WORKER';

/** Where a process stands among those that fork: its number in its cluster, and whose cluster that is. */
export interface ClusterPlace {
  /** Of the cluster worker; 0 for the process that the group is named after; the pid of any other. */
  readonly clusterId: number;
  /** Pid of the primary, where that is not the first of its group; else 0. */
  readonly parent: number;
}

/** Where this process stands. @param role - of the process, or of one of its threads @param directory - of the group */
export function placeOf(role: Role, directory: string): ClusterPlace {
  const { worker } = cluster;
  const birth = birthOf(role);
  if (worker && birth) return { clusterId: worker.id, parent: birth.parent };
  const namesake = namesakeOf(directory);
  if (namesake && isSameProcess(namesake, ownMark())) return { clusterId: 0, parent: 0 };
  // Siblings below a primary that is not instrumented, or strangers who have but their group's name in common.
  return { clusterId: worker && namesake ? worker.id : process.pid, parent: 0 };
}

/**
 * Who this process or thread is.
 *
 * @param directory - of its group
 * @param version - of this package
 * @param slots - whether worker ids come back; see GUNICORN_OTEL_WORKER_ID
 */
export function identify(role: Role, directory: string, version: string, slots: boolean): Identity {
  const { clusterId, parent } = placeOf(role, directory);
  const birth = birthOf(role);
  // The primary has named it already: both count under one id.
  const startSeconds = birth?.startSeconds ?? Math.floor(startOf(role) / 1000);
  const name = (role === 'thread' && nameOfProcess()) || clusterName(clusterId, parent);
  process.env[WORKER_ID_VARIABLE] = `${process.pid}:${name}`;
  const task = threadId === 0 ? undefined : ownTask();
  // With the pid of a primary in it, an id would never come back.
  const lasting = slots && birth !== undefined && parent === 0;
  return {
    ...ownMark(),
    role,
    threadId,
    ...(task && { task }),
    startSeconds,
    startedMonotonicMs: monotonicMs() - performance.now(),
    workerId: lasting ? `worker_${birth.slot}` : workerIdOf(name, threadId, startSeconds),
    version,
    ...(lasting && { lasting }),
  };
}

// In unix ms. The origin of time in a thread is that of its process.
function startOf(role: Role): number {
  return performance.timeOrigin + (role === 'thread' ? performance.nodeTiming.environment : 0);
}

function nameOfProcess(): string | undefined {
  const [pid, name] = (environment()[WORKER_ID_VARIABLE] ?? '').split(':');
  return Number(pid) === process.pid ? name : undefined;
}

function birthOf(role: Role): Birth | undefined {
  return cluster.worker && role === 'worker' ? parseBirth(process.env[BIRTH_VARIABLE]) : undefined;
}
