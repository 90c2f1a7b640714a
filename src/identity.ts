/** Who a process or thread is in its group, and by which worker_id it is known. */
import cluster from 'node:cluster';
import { performance } from 'node:perf_hooks';
import { threadId } from 'node:worker_threads';
import { BIRTH_VARIABLE, type Birth, parseBirth } from './record/birth.ts';
import { clusterName, workerIdOf } from './snapshot/exit-events.ts';
import type { Identity, Role } from './snapshot/layout.ts';
import { ownMark } from './snapshot/process-mark.ts';

// Tells the threads of a process its name in the group, which they cannot see.
const WORKER_ID_VARIABLE = 'GUNICORN_OTEL_CLUSTER_WORKER';

/** Where a process stands among those that fork: its number in its cluster, and whose cluster that is. */
export interface ClusterPlace {
  /** Of the cluster worker; the pid of another child; 0 without a parent. */
  readonly clusterId: number;
  /** Pid of the primary, where that is not the group's owner; else 0. */
  readonly parent: number;
}

/** Where this process stands. @param role - of the process, or of one of its threads */
export function placeOf(role: Role): ClusterPlace {
  const { worker } = cluster;
  if (worker) return { clusterId: worker.id, parent: birthOf(role)?.parent ?? 0 };
  return { clusterId: role === 'child' ? process.pid : 0, parent: 0 };
}

/**
 * Who this process or thread is.
 *
 * @param version - of this package
 * @param slots - whether worker ids come back; see GUNICORN_OTEL_WORKER_ID
 */
export function identify(role: Role, version: string, slots: boolean): Identity {
  const { clusterId, parent } = placeOf(role);
  const birth = birthOf(role);
  // The primary has named it already: both count under one id.
  const startSeconds = birth?.startSeconds ?? Math.floor(performance.timeOrigin / 1000);
  const name = role === 'thread' ? (process.env[WORKER_ID_VARIABLE] ?? '0') : clusterName(clusterId, parent);
  process.env[WORKER_ID_VARIABLE] = name;
  const lasting = slots && birth !== undefined;
  return {
    ...ownMark(),
    role,
    threadId,
    startSeconds,
    workerId: lasting ? `worker_${clusterName(birth.slot, parent)}` : workerIdOf(name, threadId, startSeconds),
    version,
    ...(lasting && { lasting }),
  };
}

function birthOf(role: Role): Birth | undefined {
  return cluster.worker && role === 'worker' ? parseBirth(process.env[BIRTH_VARIABLE]) : undefined;
}
