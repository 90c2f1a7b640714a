/** Whether processes live that cannot be looked at, those of another pid namespace: they do while they write. */
import { statSync } from 'node:fs';
import type { Snapshot } from '../snapshot/layout.ts';
import { isForeign, type ProcessMark } from '../snapshot/process-mark.ts';

/** A file is written once a second; a loop that is blocked for longer than this is taken for a dead process's. */
export const SILENT_MS = 30_000;

/** Remembers when each of a group's foreign files was last seen to be another one than before. */
export class Silence {
  readonly #heard = new Map<string, { mtimeMs: number; atMonotonicMs: number }>();

  /**
   * @param path - of the process's snapshot file
   * @param nowMonotonicMs - see monotonic.ts
   * @returns false for processes of this namespace, which are looked at instead
   */
  isSilent(path: string, mark: ProcessMark, nowMonotonicMs: number): boolean {
    if (!isForeign(mark)) return false;
    const mtimeMs = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    const heard = this.#heard.get(path);
    if (heard?.mtimeMs === mtimeMs) return nowMonotonicMs - heard.atMonotonicMs >= SILENT_MS;
    // Of what was there before the first look, the file's own time tells how long.
    const silentMs = heard ? 0 : Math.min(Math.max(0, Date.now() - mtimeMs), SILENT_MS);
    this.#heard.set(path, { mtimeMs, atMonotonicMs: nowMonotonicMs - silentMs });
    return silentMs >= SILENT_MS;
  }

  /** The file is gone. */
  forget(path: string): void {
    this.#heard.delete(path);
  }
}

/**
 * Whether a member says itself that it has ended, where nobody can see it: a thread, or a process out of sight. Any other
 * is there as long as it is seen, though it has said so with its last breath.
 */
export function saysItself({ identity }: Snapshot, mark: ProcessMark): boolean {
  return identity.ended === true && (identity.threadId !== 0 || isForeign(mark));
}
