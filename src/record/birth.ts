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
}

/** @returns the text for the variable */
export function formatBirth({ slot, startSeconds }: Birth): string {
  return `${slot}-${startSeconds}`;
}

/** @returns undefined for what no primary has written */
export function parseBirth(text: string | undefined): Birth | undefined {
  const match = /^(\d+)-(\d+)$/.exec(text ?? '');
  return match ? { slot: Number(match[1]), startSeconds: Number(match[2]) } : undefined;
}
