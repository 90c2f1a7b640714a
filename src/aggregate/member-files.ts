/**
 * The files that a group's members write: read again and again, deleted once what is in them is kept elsewhere. One that
 * cannot be deleted yet is nobody's any more. Only who leads the group deletes any.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { GunicornOtelError, messageOf } from '../errors.ts';
import { deleteSnapshot, type SnapshotFile } from '../snapshot/directory.ts';
import { foreign, type Snapshot } from '../snapshot/layout.ts';
import { SnapshotReader } from '../snapshot/reader.ts';
import { Silence } from './silence.ts';
import type { Troubles } from './troubles.ts';

/** Whose a file is by its name. */
export type Listed = Pick<SnapshotFile, 'file' | 'mark' | 'threadId'>;

/** Why there is no snapshot: what the file is and stays; or not now, and perhaps next time: no such file, no handle left. */
export type Missing = 'version' | 'unreadable' | 'later';

/** Of one group; files are told by their names in its directory. */
export class MemberFiles {
  readonly #directory: string;
  readonly #leads: () => boolean;
  readonly #troubles: Troubles;
  readonly #readers = new Map<string, SnapshotReader>();
  /** In the totals, and not deleted yet. */
  readonly #remains = new Set<string>();
  readonly #silence = new Silence();

  /** @param leads - whether this process leads the group still */
  constructor(directory: string, leads: () => boolean, troubles: Troubles) {
    this.#directory = directory;
    this.#leads = leads;
    this.#troubles = troubles;
  }

  /** What a member has published last. @throws never */
  read({ file, mark, threadId }: Listed): Snapshot | Missing {
    const path = join(this.#directory, file);
    let reader = this.#readers.get(file);
    if (!reader) {
      reader = new SnapshotReader(path, { mark, threadId });
      this.#readers.set(file, reader);
    }
    try {
      const snapshot = reader.read();
      if (snapshot.identity.role === 'totals') throw foreign('it holds totals');
      return snapshot;
    } catch (error) {
      // Deleted since it was listed.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'later';
      this.#troubles.unreadable(path, error);
      if (!(error instanceof GunicornOtelError)) return 'later';
      return error.code === 'GUNICORN_OTEL_ERR_SNAPSHOT_VERSION' ? 'version' : 'unreadable';
    }
  }

  /** Nobody looks at the snapshot any more; see SnapshotReader. A file that is read no more has no use for it. */
  giveBack(file: string, snapshot: Snapshot): void {
    this.#readers.get(file)?.giveBack(snapshot);
  }

  /** See Silence. */
  isSilent({ file, mark }: Listed, nowMonotonicMs: number): boolean {
    return this.#silence.isSilent(join(this.#directory, file), mark, nowMonotonicMs);
  }

  /** Whether it was deleted by somebody else. False without the directory: it comes back, or the group is over. */
  isGone(file: string): boolean {
    return !existsSync(join(this.#directory, file)) && existsSync(this.#directory);
  }

  /** It is in the totals: it counts no more, and is deleted now or later. */
  letGo(file: string): void {
    this.#remains.add(file);
    this.delete(file);
  }

  /** Whether it counts no more, and could not be deleted yet. */
  isLetGo(file: string): boolean {
    return this.#remains.has(file);
  }

  /** It can never be read. */
  giveUp(file: string): void {
    if (!this.#leads()) return;
    this.#troubles.lost(join(this.#directory, file));
    this.delete(file);
  }

  /** @throws never: one that cannot be deleted is told once */
  delete(file: string): void {
    this.#readers.delete(file);
    const path = join(this.#directory, file);
    this.#silence.forget(path);
    if (!this.#leads()) return;
    try {
      deleteSnapshot(this.#directory, file);
      this.#remains.delete(file);
    } catch (error) {
      this.#troubles.count('delete', `${path} cannot be deleted: ${messageOf(error)}; it counts once`);
    }
  }
}
