/**
 * What the dead have left, added up and kept in the group's directory: one file for all of them, and one for each worker
 * id that comes back (slots), so that its counters go on. A file is replaced in one rename and names what it holds:
 * killed before that is deleted, nothing counts twice.
 */
import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { listTotals, TOTALS_FILE } from '../snapshot/directory.ts';
import { decodeSnapshot, encodeSnapshot, type Identity, type Snapshot } from '../snapshot/layout.ts';
import { SnapshotReader } from '../snapshot/reader.ts';
import { type Member, merge, toTable } from './merge.ts';
import { SeriesPlaces } from './series-places.ts';

/** A dead member and the file it has left. */
export interface Left extends Member {
  readonly file: string;
}

/** The totals of one group; there is one writer, see GroupReader. */
export class Totals {
  readonly #directory: string;
  readonly #places: SeriesPlaces;
  readonly #snapshots = new Map<string, Snapshot>();

  /** @param places - of the group's series; the totals keep to them */
  constructor(directory: string, places = new SeriesPlaces()) {
    this.#directory = directory;
    this.#places = places;
  }

  /**
   * Takes up what an earlier reader of the group has written.
   *
   * @param onError - told of each file that cannot be read
   * @returns the files that are in there already and are to be deleted
   */
  load(onError: (path: string, error: unknown) => void): string[] {
    const folded: string[] = [];
    for (const name of listTotals(this.#directory)) {
      const path = join(this.#directory, name);
      try {
        const snapshot = new SnapshotReader(path).read();
        this.#snapshots.set(name, snapshot);
        folded.push(...(snapshot.identity.folded ?? []));
      } catch (error) {
        onError(path, error);
      }
    }
    return folded;
  }

  /** As members of sums; those of worker ids that come back have that id, the others none of their own. */
  get members(): Member[] {
    return [...this.#snapshots.values()].map((snapshot) => ({ snapshot, alive: false }));
  }

  /** Adds what members have left. @returns those that are in now, and the error that kept the others out, if any */
  add(left: readonly Left[], nowMs: number): { added: Left[]; error?: unknown } {
    const added: Left[] = [];
    const byFile = new Map<string, Left[]>();
    for (const one of left) byFile.set(fileOf(one), [...(byFile.get(fileOf(one)) ?? []), one]);
    for (const [name, part] of byFile) {
      try {
        this.#replace(name, part, nowMs);
        added.push(...part);
      } catch (error) {
        return { added, error };
      }
    }
    return { added };
  }

  #replace(name: string, part: readonly Left[], nowMs: number): void {
    const before = this.#snapshots.get(name);
    const members = before ? [{ snapshot: before, alive: false }, ...part] : part;
    const identity: Identity = {
      ...part[0]!.snapshot.identity,
      role: 'totals',
      folded: [...this.#remaining(before), ...part.map(({ file }) => file)],
    };
    const path = join(this.#directory, name);
    const bytes = encodeSnapshot(identity, toTable(merge(members, this.#places)), nowMs);
    writeFileSync(`${path}.new`, bytes, { mode: 0o600 });
    renameSync(`${path}.new`, path);
    this.#snapshots.set(name, decodeSnapshot(bytes));
  }

  // What was folded before and could not be deleted since must stay named, or the next reader would count it anew.
  #remaining(before: Snapshot | undefined): string[] {
    return (before?.identity.folded ?? []).filter((file) => existsSync(join(this.#directory, file)));
  }
}

function fileOf({ snapshot: { identity } }: Left): string {
  return identity.lasting ? `${TOTALS_FILE}-${identity.workerId.replaceAll(/\W/g, '_')}` : TOTALS_FILE;
}
