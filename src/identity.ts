/** Who a process or thread is in its group, and by which worker_id it is known. */
import cluster from 'node:cluster';
import { performance } from 'node:perf_hooks';
import { threadId } from 'node:worker_threads';
import { BIRTH_VARIABLE, parseBirth } from './record/birth.ts';
import { workerIdOf } from './snapshot/exit-events.ts';
import type { Identity, Role } from './snapshot/layout.ts';
import { ownMark } from './snapshot/process-mark.ts';

// Tells a worker's threads the cluster id of their worker, which they cannot see.
const WORKER_ID_VARIABLE = 'GUNICORN_OTEL_CLUSTER_WORKER';

/**
 * Who this process or thread is.
 *
 * @param version - of this package
 * @param slots - whether worker ids come back; see GUNICORN_OTEL_WORKER_ID
 */
export function identify(role: Role, version: string, slots: boolean): Identity {
  const { worker } = cluster;
  if (worker) process.env[WORKER_ID_VARIABLE] = String(worker.id);
  // The primary has named it already: both count under one id.
  const birth = worker && role === 'worker' ? parseBirth(process.env[BIRTH_VARIABLE]) : undefined;
  const startSeconds = birth?.startSeconds ?? Math.floor(performance.timeOrigin / 1000);
  const clusterId = worker?.id ?? process.env[WORKER_ID_VARIABLE] ?? 0;
  const slot = slots ? birth?.slot : undefined;
  const first = role === 'thread' ? clusterId : role === 'child' ? process.pid : (worker?.id ?? 0);
  return {
    ...ownMark(),
    role,
    threadId,
    startSeconds,
    workerId: slot === undefined ? workerIdOf(first, threadId, startSeconds) : `worker_${slot}`,
    version,
    ...(slot !== undefined && { lasting: true }),
  };
}
