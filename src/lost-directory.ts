/** What a member does where its file cannot be made because the directory of its group is gone. */
import { performance } from 'node:perf_hooks';
import { isOwnerGone, restoreGroup } from './snapshot/group.ts';

// From when it has deleted its group.
const OWNER_ENDS_MS = 500;

export interface LostDirectoryOptions {
  readonly directory: string;
  /** Whether this process leads the group. */
  readonly leads: () => boolean;
  /** Somebody has deleted it under those who live in it. */
  readonly onLost: (error: Error) => void;
}

/**
 * A group whose owner has ended is read by nobody: its last members need not complain. One whose directory somebody has
 * deleted gets it back, and the next write finds it: after a while, for an owner that ends deletes its group first.
 */
export class LostDirectory {
  readonly #options: LostDirectoryOptions;
  #missing: { error: Error; sinceMs: number } | undefined;

  constructor(options: LostDirectoryOptions) {
    this.#options = options;
  }

  /** Whether writing has come to fail, or to succeed again, for that reason and none that was told. */
  explains(error: Error | undefined): boolean {
    const known = this.#missing !== undefined;
    const isMissing = error !== undefined && (error as NodeJS.ErrnoException).code === 'ENOENT';
    this.#missing = isMissing ? { error, sinceMs: performance.now() } : undefined;
    return isMissing || (error === undefined && known);
  }

  /**
   * Writing fails.
   *
   * @param atOnce - whoever has come a moment ago need not think of an owner that ends
   * @throws never
   */
  restore(atOnce = false): void {
    const { directory, leads, onLost } = this.#options;
    const missing = this.#missing;
    if (missing && !atOnce && performance.now() - missing.sinceMs < OWNER_ENDS_MS) return;
    if (!leads() && isOwnerGone(directory)) return;
    restoreGroup(directory, true);
    this.#missing = undefined;
    if (missing) onLost(missing.error);
  }
}
