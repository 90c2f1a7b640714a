/**
 * What the dead have left, added up and kept in the group's directory: one file for all of them, and one for each worker
 * id that comes back (slots), so that its counters go on. A file is replaced in one rename and names what it holds:
 * killed before that is deleted, nothing counts twice. Each has a copy: they are all that is left of the dead, and
 * damage to one of the two costs nothing.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { decodeSnapshot, encodeSnapshot, type Identity, type Snapshot } from '../snapshot/layout.ts';
import type { SeriesTable } from '../snapshot/series-table.ts';
import { type Member, merge, takePlaces, toTable } from './merge.ts';
import { SeriesPlaces } from './series-places.ts';
import { fileOf, pathsOf, readTotals, setAside, totalsIn, writeTotals } from './totals-files.ts';

/** A dead member and the file it has left. */
export interface Left extends Member {
  readonly file: string;
}

/** What there was to be taken up. */
export interface Loaded {
  /** Files of members that are in there already and are to be deleted. */
  readonly folded: readonly string[];
  /** Files of totals of which neither can be read: what they held is set aside, and counted no more. */
  readonly lost: readonly string[];
}

/** The totals of one group; there is one writer, see GroupReader. */
export class Totals {
  readonly #directory: string;
  readonly #places: SeriesPlaces;
  readonly #snapshots = new Map<string, Snapshot>();
  // Why they could not be taken up yet; undefined once they are.
  #obstacle: unknown = new Error('the totals were not read yet');

  /** @param places - of the group's series; the totals keep to them */
  constructor(directory: string, places = new SeriesPlaces()) {
    this.#directory = directory;
    this.#places = places;
  }

  /**
   * Takes up what an earlier reader of the group has written; to be called again where it could not for the moment.
   *
   * @param onError - told of each file that cannot be read
   */
  load(onError: (path: string, error: unknown) => void): Loaded {
    if (this.#obstacle === undefined) return { folded: [], lost: [] };
    try {
      const found = totalsIn(this.#directory).map((name) => this.#take(name, onError));
      this.#obstacle = undefined;
      takePlaces(this.members, this.#places);
      return { folded: found.flatMap(({ folded }) => folded), lost: found.flatMap(({ lost }) => lost) };
    } catch (error) {
      this.#obstacle = error;
      onError(this.#directory, error);
      return { folded: [], lost: [] };
    }
  }

  /**
   * As members of sums; those of worker ids that come back have that id, the others none of their own.
   *
   * @throws system errors while they could not be taken up: sums without them would have fallen
   */
  get members(): Member[] {
    if (this.#obstacle !== undefined) throw this.#obstacle;
    return [...this.#snapshots.values()].map((snapshot) => ({ snapshot, alive: false }));
  }

  /** Adds what members have left; see adopt. @returns those that are in now, and the error that kept the others out, if any */
  add(left: readonly Left[], nowMonotonicMs: number): { added: Left[]; error?: unknown } {
    const added: Left[] = [];
    if (this.#obstacle !== undefined) return { added, error: this.#obstacle };
    const byFile = new Map<string, Left[]>();
    for (const one of left) byFile.set(fileOf(one.snapshot), [...(byFile.get(fileOf(one.snapshot)) ?? []), one]);
    for (const [name, part] of byFile) {
      try {
        this.#replace(name, part, nowMonotonicMs);
        added.push(...part);
      } catch (error) {
        return { added, error };
      }
    }
    return { added };
  }

  /**
   * Takes up what another leader has written since: one that was stopped for a while and goes on, or who has followed this
   * one. To be called before anything is written.
   *
   * @returns those of the members whose counts are in there: named, or dead and their files deleted behind it
   * @throws system errors when it cannot be seen for the moment what there is
   */
  adopt<Each extends Left>(members: readonly Each[]): Each[] {
    if (this.#obstacle !== undefined) return [];
    const newer = new Map<string, Snapshot>();
    for (const name of totalsIn(this.#directory)) {
      const [newest] = readTotals(this.#directory, name).whole;
      if (newest && newest.sequence > (this.#snapshots.get(name)?.sequence ?? 0)) newer.set(name, newest);
    }
    // All or none: the members that are in them have to be told with them.
    const foldedIn = new Map<string, ReadonlySet<string>>();
    for (const [name, newest] of newer) {
      this.#snapshots.set(name, newest);
      foldedIn.set(name, new Set(newest.identity.folded));
    }
    if (foldedIn.size > 0) takePlaces(this.members, this.#places);
    return members.filter(({ alive, file, snapshot }) => {
      const folded = foldedIn.get(fileOf(snapshot));
      return folded?.has(file) || (folded && !alive && !existsSync(join(this.#directory, file)));
    });
  }

  /** Whether somebody has deleted what was written. */
  get isDamaged(): boolean {
    return existsSync(this.#directory) && this.#deleted().length > 0;
  }

  /** Writes anew what somebody has deleted. @throws system errors */
  restore(): void {
    if (!existsSync(this.#directory)) return;
    for (const [name, snapshot] of this.#deleted()) this.#rewrite(name, snapshot);
  }

  #deleted(): [string, Snapshot][] {
    return [...this.#snapshots].filter(([name]) => !pathsOf(this.#directory, name).every(existsSync));
  }

  #take(name: string, onError: (path: string, error: unknown) => void): Loaded {
    const { whole, damaged } = readTotals(this.#directory, name);
    for (const { path, error } of damaged) onError(path, error);
    const [newest, other] = whole;
    if (!newest) {
      for (const { path } of damaged) setAside(path);
      return { folded: [], lost: damaged.slice(0, 1).map(({ path }) => path) };
    }
    this.#snapshots.set(name, newest);
    if (other?.sequence !== newest.sequence) this.#tryRewrite(name, newest);
    return { folded: newest.identity.folded ?? [], lost: [] };
  }

  #replace(name: string, part: readonly Left[], nowMonotonicMs: number): void {
    const before = this.#snapshots.get(name);
    const members = before ? [{ snapshot: before, alive: false }, ...part] : part;
    const identity: Identity = {
      ...part[0]!.snapshot.identity,
      role: 'totals',
      folded: [...this.#remaining(before), ...part.map(({ file }) => file)],
    };
    const sequence = (before?.sequence ?? 0) + 1;
    const bytes = this.#write(name, identity, toTable(merge(members, this.#places)), nowMonotonicMs, sequence);
    this.#snapshots.set(name, decodeSnapshot(bytes));
  }

  #rewrite(name: string, snapshot: Snapshot): void {
    const table = toTable(merge([{ snapshot, alive: false }]));
    this.#write(name, snapshot.identity, table, snapshot.writtenAtMonotonicMs, snapshot.sequence);
  }

  #tryRewrite(name: string, snapshot: Snapshot): void {
    try {
      this.#rewrite(name, snapshot);
    } catch {
      // Disk full, say: the next fold writes both, and tells when it cannot.
    }
  }

  #write(name: string, identity: Identity, table: SeriesTable, writtenAtMonotonicMs: number, sequence: number): Buffer {
    const bytes = encodeSnapshot(identity, table, writtenAtMonotonicMs, sequence);
    writeTotals(this.#directory, name, bytes);
    return bytes;
  }

  // What was folded before and could not be deleted since must stay named, or the next reader would count it anew.
  #remaining(before: Snapshot | undefined): string[] {
    return (before?.identity.folded ?? []).filter((file) => existsSync(join(this.#directory, file)));
  }
}
