/**
 * What the dead have left, added up and kept in the group's directory: one file for all of them, and one for each worker
 * id that comes back (slots), so that its counters go on. A file is replaced in one rename and names what it holds:
 * killed before that is deleted, nothing counts twice. Each has a copy: they are all that is left of the dead, and
 * damage to one of the two costs nothing.
 */
import { existsSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TOTALS_FILE } from '../snapshot/directory.ts';
import { decodeSnapshot, encodeSnapshot, foreign, type Identity, type Snapshot } from '../snapshot/layout.ts';
import { SnapshotReader } from '../snapshot/reader.ts';
import type { SeriesTable } from '../snapshot/series-table.ts';
import { type Member, merge, takePlaces, toTable } from './merge.ts';
import { SeriesPlaces } from './series-places.ts';

const COPY_SUFFIX = '.copy';
const TOTALS_NAME = /^(totals(?:-\w+)?)(?:\.copy)?$/;
// What says nothing about a file, and is over in a moment: no handle, no memory.
const PASSING = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN', 'EINTR']);

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

  /** Adds what members have left. @returns those that are in now, and the error that kept the others out, if any */
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

  /** Writes anew what somebody has deleted. @throws system errors */
  restore(): void {
    if (!existsSync(this.#directory)) return;
    for (const [name, snapshot] of this.#snapshots) {
      if (!this.#paths(name).every(existsSync)) this.#rewrite(name, snapshot);
    }
  }

  #take(name: string, onError: (path: string, error: unknown) => void): Loaded {
    const whole: Snapshot[] = [];
    const damaged: string[] = [];
    for (const path of this.#paths(name)) {
      try {
        whole.push(readTotals(path, name));
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'ENOENT') continue;
        if (PASSING.has(code ?? '')) throw error;
        onError(path, error);
        damaged.push(path);
      }
    }
    const [newest, other] = whole.sort((a, b) => b.sequence - a.sequence);
    if (!newest) {
      for (const path of damaged) trySetAside(path);
      return { folded: [], lost: damaged.slice(0, 1) };
    }
    this.#snapshots.set(name, newest);
    if (other?.sequence !== newest.sequence) this.#tryRewrite(name, newest);
    return { folded: newest.identity.folded ?? [], lost: [] };
  }

  #replace(name: string, left: readonly Left[], nowMonotonicMs: number): void {
    const part = this.#withoutThoseOfOthers(name, left);
    if (part.length === 0) return;
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

  // A leader that was stopped for a while may wake up when another one has added to the files: those are right, and what
  // is in them or was deleted behind them is not to be added again.
  #withoutThoseOfOthers(name: string, left: readonly Left[]): readonly Left[] {
    const known = this.#snapshots.get(name)?.sequence ?? 0;
    const found = this.#paths(name).flatMap((path) => tryReadTotals(path, name));
    const [newest] = found.sort((a, b) => b.sequence - a.sequence);
    if (!newest || newest.sequence <= known) return left;
    this.#snapshots.set(name, newest);
    const folded = new Set(newest.identity.folded);
    return left.filter(({ file }) => !folded.has(file) && existsSync(join(this.#directory, file)));
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

  // Both are on the disk before the first takes its place: where there is no room for two, nothing has changed.
  #write(name: string, identity: Identity, table: SeriesTable, writtenAtMonotonicMs: number, sequence: number): Buffer {
    const bytes = encodeSnapshot(identity, table, writtenAtMonotonicMs, sequence);
    const paths = this.#paths(name);
    try {
      for (const path of paths) writeFileSync(`${path}.new`, bytes, { mode: 0o600 });
    } catch (error) {
      for (const path of paths) tryDelete(`${path}.new`);
      throw error;
    }
    for (const path of paths) renameSync(`${path}.new`, path);
    return bytes;
  }

  #paths(name: string): string[] {
    return [join(this.#directory, name), join(this.#directory, `${name}${COPY_SUFFIX}`)];
  }

  // What was folded before and could not be deleted since must stay named, or the next reader would count it anew.
  #remaining(before: Snapshot | undefined): string[] {
    return (before?.identity.folded ?? []).filter((file) => existsSync(join(this.#directory, file)));
  }
}

function fileOf({ identity }: Snapshot): string {
  return identity.lasting ? `${TOTALS_FILE}-${identity.workerId.replaceAll(/\W/g, '_')}` : TOTALS_FILE;
}

function totalsIn(directory: string): string[] {
  try {
    return [...new Set(readdirSync(directory).flatMap((file) => TOTALS_NAME.exec(file)?.[1] ?? []))];
  } catch (error) {
    if (PASSING.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
    return [];
  }
}

function readTotals(path: string, name: string): Snapshot {
  const snapshot = new SnapshotReader(path).read();
  if (snapshot.identity.role === 'totals' && fileOf(snapshot) === name) return snapshot;
  throw foreign('it holds the totals of somebody else');
}

function tryReadTotals(path: string, name: string): Snapshot[] {
  try {
    return [readTotals(path, name)];
  } catch {
    // Not there, or damaged since: what is in memory is written over it.
    return [];
  }
}

// For people, and out of the way of the next ones: of each there is one at the most.
function trySetAside(path: string): void {
  try {
    renameSync(path, `${path}.unreadable`);
  } catch {
    // It stays where it is, until new totals take its place.
  }
}

function tryDelete(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // A directory, say, which was in the way; it is told as the reason.
  }
}
