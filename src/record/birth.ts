/**
 * What a primary gives a worker with its birth, by environment: a slot, and the second in which it was forked. Both ends
 * make the same worker_id of it, so that what the primary tells of a worker is told under the worker's own name.
 */

/** Holds a worker's birth; read once, when the worker starts. */
export const BIRTH_VARIABLE = 'GUNICORN_OTEL_WORKER_BIRTH';

export interface Birth {
  /** The smallest number, from 1, that no living sibling had. */
  readonly slot: number;
  /** Unix seconds. */
  readonly startSeconds: number;
  /** Pid of the primary, 0 where that is the group's owner. */
  readonly parent: number;
}

/** @returns the text for the variable */
export function formatBirth({ slot, startSeconds, parent }: Birth): string {
  return `${slot}-${startSeconds}-${parent}`;
}

/** @returns undefined for what no primary has written */
export function parseBirth(text: string | undefined): Birth | undefined {
  const match = /^(\d+)-(\d+)-(\d+)$/.exec(text ?? '');
  return match ? { slot: Number(match[1]), startSeconds: Number(match[2]), parent: Number(match[3]) } : undefined;
}
