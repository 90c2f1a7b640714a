/**
 * The members of a group as their snapshot files tell them: reads what they have published, knows who of them is alive,
 * and folds the files of the dead into the group's totals. A member that cannot be read keeps its last good snapshot.
 */
import { join } from 'node:path';
import { GunicornOtelError, messageOf } from '../errors.ts';
import { deleteSnapshot, listSnapshots, type SnapshotFile } from '../snapshot/directory.ts';
import { MAX_EXITS } from '../snapshot/exit-events.ts';
import { foreign, type Snapshot } from '../snapshot/layout.ts';
import { monotonicMs } from '../snapshot/monotonic.ts';
import { isAlive, isTaskOver, type ProcessMark } from '../snapshot/process-mark.ts';
import { SnapshotReader } from '../snapshot/reader.ts';
import { dueOf } from './exited.ts';
import type { Member, Merged } from './merge.ts';
import { placesLeft } from './places-left.ts';
import { SeriesPlaces } from './series-places.ts';
import { Silence, saysItself } from './silence.ts';
import { type Left, Totals } from './totals.ts';
import { Troubles } from './troubles.ts';

/** One process or thread of the group. */
export interface WorkerState extends Member {
  readonly file: string;
  readonly mark: ProcessMark;
  readonly snapshot: Snapshot;
  alive: boolean;
  /** When it was first seen dead; see monotonic.ts. */
  exitedAtMonotonicMs?: number;
}

export interface GroupReaderOptions {
  readonly directory: string;
  readonly exitedRetentionMs: number;
  /** Series per metric in sums over processes; what is more is one overflow series. */
  readonly maxSeries?: number;
  /** Exited workers that keep their series at the most (100); the oldest are folded first. */
  readonly maxExited?: number;
}

// Node has a thread that exits handle what has come in already, after it has said that it ends.
const SETTLE_MS = 1000;

/** Whose a file is by its name. */
type Listed = Pick<SnapshotFile, 'file' | 'mark' | 'threadId'>;

// Why there is no snapshot: what the file is and stays; or not now, and perhaps next time: no such file, no handle left.
type Missing = 'version' | 'unreadable' | 'later';

/** Reads one group's directory; there is one per group, since it deletes what it has folded. */
export class GroupReader {
  readonly #options: GroupReaderOptions;
  readonly #maxExited: number;
  readonly #states = new Map<string, WorkerState>();
  readonly #readers = new Map<string, SnapshotReader>();
  /** Files that are in the totals and could not be deleted yet: they are nobody's any more. */
  readonly #remains = new Set<string>();
  /** Files of the dead that only another version of this package can read, which may lead the group next. */
  readonly #otherVersions = new Set<string>();
  readonly #troubles = new Troubles();
  /** Which series have a name of their own in sums over processes. */
  readonly places: SeriesPlaces;
  readonly #totals: Totals;
  readonly #silence = new Silence();

  constructor(options: GroupReaderOptions) {
    this.#options = options;
    this.#maxExited = options.maxExited ?? MAX_EXITS;
    this.places = new SeriesPlaces(options.maxSeries, this.#troubles.leftOut);
    this.#totals = new Totals(options.directory, this.places);
    this.#loadTotals();
  }

  /** Failed reads by cause, for the life of this reader. */
  get errors(): ReadonlyMap<string, number> {
    return this.#troubles.counts;
  }

  /**
   * Reads everything there is now, the living and those who have exited of late. To be looked at in this turn of the event
   * loop: the memory of the values is used again, by reads in turns after the next one's.
   *
   * @throws never
   */
  read(nowMonotonicMs = monotonicMs()): WorkerState[] {
    const replaced = new Map<string, Snapshot>();
    for (const listed of this.reap(nowMonotonicMs)) {
      const snapshot = this.#readFile(listed);
      if (typeof snapshot === 'string') continue;
      const { file, mark } = listed;
      const { snapshot: before, exitedAtMonotonicMs = nowMonotonicMs } = this.#states.get(file) ?? {};
      const alive = !saysItself(snapshot, mark);
      if (before && alive) replaced.set(file, before);
      this.#states.set(file, { file, mark, snapshot, alive, ...(!alive && { exitedAtMonotonicMs }) });
    }
    // Not at once: who has asked for one in this turn may not have looked at it yet. Nor for one that is read no more.
    setImmediate(() => replaced.forEach((before, file) => void this.#readers.get(file)?.giveBack(before)));
    return [...this.#states.values()];
  }

  /**
   * Takes over what the dead have left and folds what has outlived its retention; cheap, for once a second.
   *
   * @returns the files of the living
   * @throws never
   */
  reap(nowMonotonicMs = monotonicMs()): Listed[] {
    this.#loadTotals();
    const living = [];
    const listed = listSnapshots(this.#options.directory);
    for (const { file, mark, threadId, complete, ended } of listed) {
      if (this.#otherVersions.has(file)) continue;
      if (this.#remains.has(file)) {
        this.#delete(file);
        continue;
      }
      const state = this.#states.get(file);
      const isOver = ended || !isAlive(mark) || isTaskOver(mark, state?.snapshot.identity.task);
      const dead = isOver || this.#silence.isSilent(join(this.#options.directory, file), mark, nowMonotonicMs);
      const exitedForMs = nowMonotonicMs - (state?.exitedAtMonotonicMs ?? nowMonotonicMs);
      const isSettled = state?.alive === false && (threadId === 0 || exitedForMs > SETTLE_MS);
      if (isSettled && (dead || saysItself(state.snapshot, mark))) continue;
      if (dead) this.#bury({ file, mark, threadId }, complete, nowMonotonicMs);
      else if (complete) living.push({ file, mark, threadId });
    }
    this.#missing(new Set(listed.map(({ file }) => file)), nowMonotonicMs);
    this.#fold(nowMonotonicMs);
    return living;
  }

  /** The processes of the living, with or without a readable snapshot. @throws never */
  living(): ProcessMark[] {
    return this.reap().map(({ mark }) => mark);
  }

  /**
   * What has been folded: the sums of all that is no longer in `read`.
   *
   * @throws system errors as long as it could not be read (no handle left): a scrape without it would be a fall
   */
  get totals(): Member[] {
    return this.#totals.members;
  }

  /** Where places may run out: writes into the totals who has one, for the reader that comes after this. @throws never */
  keepPlaces(merged: Merged, nowMonotonicMs = monotonicMs()): void {
    const metrics = this.places.unkept;
    if (metrics.length > 0 && this.#add([placesLeft(merged, metrics, nowMonotonicMs)], nowMonotonicMs)) {
      this.places.keep(metrics);
    }
  }

  // Read after it was seen dead: what is there now is all it will ever have written, but for threads; see SETTLE_MS.
  #bury(listed: Listed, complete: boolean, nowMonotonicMs: number): void {
    const { file, mark } = listed;
    const read = complete ? this.#readFile(listed) : 'unreadable';
    if (read === 'later') return;
    const { snapshot: before, exitedAtMonotonicMs = nowMonotonicMs } = this.#states.get(file) ?? {};
    const snapshot = typeof read === 'string' ? before : read;
    if (snapshot) this.#states.set(file, { file, mark, snapshot, alive: false, exitedAtMonotonicMs });
    else if (read === 'version') this.#keepForOthers(file);
    else {
      // One that was cut off in the middle of its first layout has told nothing.
      if (complete) this.#troubles.lost(join(this.#options.directory, file));
      this.#delete(file);
    }
  }

  #keepForOthers(file: string): void {
    this.#otherVersions.add(file);
    const [oldest] = this.#otherVersions;
    if (this.#otherVersions.size <= this.#maxExited || oldest === undefined) return;
    this.#otherVersions.delete(oldest);
    this.#troubles.lost(join(this.#options.directory, oldest));
    this.#delete(oldest);
  }

  // Somebody has deleted the file: what it said counts on, and its process is still looked after.
  #missing(listed: ReadonlySet<string>, nowMonotonicMs: number): void {
    for (const [file, state] of this.#states) {
      if (!state.alive || listed.has(file) || isAlive(state.mark)) continue;
      this.#states.set(file, { ...state, alive: false, exitedAtMonotonicMs: nowMonotonicMs });
    }
  }

  #loadTotals(): void {
    const { folded, lost } = this.#totals.load((path, error) => this.#troubles.unreadable(path, error));
    for (const path of lost) this.#troubles.lost(path);
    for (const file of folded) this.#forget(file);
  }

  #fold(nowMonotonicMs: number): void {
    const latest = nowMonotonicMs - this.#options.exitedRetentionMs;
    const due = dueOf(this.#states.values(), this.#maxExited, latest);
    this.#add(due, nowMonotonicMs);
  }

  #add(left: readonly Left[], nowMonotonicMs: number): boolean {
    try {
      this.#totals.restore();
      if (left.length === 0) return true;
      const { added, error } = this.#totals.add(left, nowMonotonicMs);
      for (const { file } of added) this.#forget(file);
      if (error) throw error;
      return true;
    } catch (error) {
      // Disk full or directory gone: the dead stay what they are, and are folded when it works again.
      const where = `totals in ${this.#options.directory}`;
      this.#troubles.count('totals', `${where} cannot be written: ${messageOf(error)}; they are kept in memory`);
      return false;
    }
  }

  #forget(file: string): void {
    this.#states.delete(file);
    this.#remains.add(file);
    this.#delete(file);
  }

  #delete(file: string): void {
    this.#readers.delete(file);
    const { directory } = this.#options;
    this.#silence.forget(join(directory, file));
    try {
      deleteSnapshot(directory, file);
      this.#remains.delete(file);
    } catch (error) {
      this.#troubles.count('delete', `${join(directory, file)} cannot be deleted: ${messageOf(error)}; it counts once`);
    }
  }

  #readFile({ file, mark, threadId }: Listed): Snapshot | Missing {
    const path = join(this.#options.directory, file);
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
}
