/** How the end of a worker is told in numbers: one event per exit, in a ring, so that restarts need no room for ever. */

/** Why a worker ended, and whether it had the time to end well. */
export interface ExitCause {
  readonly reason: 'quit' | 'term' | 'abort' | 'kill' | 'crash';
  readonly restartType: 'graceful' | 'forced';
}

/** Every cause; an event names it by its place in here. */
export const EXIT_CAUSES: readonly ExitCause[] = [
  { reason: 'quit', restartType: 'graceful' },
  { reason: 'term', restartType: 'graceful' },
  { reason: 'abort', restartType: 'forced' },
  { reason: 'kill', restartType: 'forced' },
  { reason: 'crash', restartType: 'forced' },
];

/**
 * What the numbers of an exit event tell: who, why (place in EXIT_CAUSES), when its successor came (0: none has), when (see
 * monotonic.ts), and the pid of its primary where that is not the group's owner (else 0).
 */
export const EXIT_FIELDS = [
  'clusterId',
  'threadId',
  'startSeconds',
  'cause',
  'replaced',
  'atMonotonicMs',
  'parent',
] as const;

/** Exits that a process keeps; the oldest gives way. */
export const MAX_EXITS = 100;

/**
 * How a cluster worker is told from those of other primaries in one group.
 *
 * @param parent - pid of its primary, 0 where that is the group's owner
 */
export function clusterName(clusterId: number, parent: number): string {
  return parent === 0 ? String(clusterId) : `${parent}-${clusterId}`;
}

/** `worker_id` of a cluster worker (`threadId` 0) or of one of its threads. @param clusterId - see clusterName; 0 without one */
export function workerIdOf(clusterId: number | string, threadId: number, startSeconds: number): string {
  return threadId === 0 ? `worker_${clusterId}_${startSeconds}` : `worker_${clusterId}.${threadId}_${startSeconds}`;
}
