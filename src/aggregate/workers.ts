/**
 * The members of a group as their snapshot files tell them: reads what they have published, knows who of them is alive,
 * and folds the files of the dead into the group's totals. A member that cannot be read keeps its last good snapshot.
 */
import { messageOf } from '../errors.ts';
import { listSnapshots } from '../snapshot/directory.ts';
import { MAX_EXITS } from '../snapshot/exit-events.ts';
import type { Snapshot } from '../snapshot/layout.ts';
import { monotonicMs } from '../snapshot/monotonic.ts';
import { isAlive, isTaskOver, type ProcessMark } from '../snapshot/process-mark.ts';
import { dueOf, isSettled } from './exited.ts';
import { type Listed, MemberFiles } from './member-files.ts';
import type { Member, Merged } from './merge.ts';
import { placesLeft } from './places-left.ts';
import { SeriesPlaces } from './series-places.ts';
import { saysItself } from './silence.ts';
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
  /** Whether this process leads the group still, asked before anything is written or deleted; unless told, it does. */
  readonly leads?: () => boolean;
}

/** Reads one group's directory; there is one per group, since it deletes what it has folded. */
export class GroupReader {
  readonly #options: GroupReaderOptions;
  readonly #leads: () => boolean;
  readonly #maxExited: number;
  readonly #states = new Map<string, WorkerState>();
  readonly #files: MemberFiles;
  /** Files of the dead that only another version of this package can read, which may lead the group next. */
  readonly #otherVersions = new Set<string>();
  readonly #troubles = new Troubles();
  /** Which series have a name of their own in sums over processes. */
  readonly places: SeriesPlaces;
  readonly #totals: Totals;

  constructor(options: GroupReaderOptions) {
    this.#options = options;
    this.#leads = options.leads ?? (() => true);
    this.#maxExited = options.maxExited ?? MAX_EXITS;
    this.places = new SeriesPlaces(options.maxSeries, this.#troubles.leftOut);
    this.#files = new MemberFiles(options.directory, this.#leads, this.#troubles);
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
      const snapshot = this.#files.read(listed);
      if (typeof snapshot === 'string') continue;
      const { file, mark } = listed;
      const { snapshot: before, exitedAtMonotonicMs = nowMonotonicMs } = this.#states.get(file) ?? {};
      const alive = !saysItself(snapshot, mark);
      if (before && alive) replaced.set(file, before);
      this.#states.set(file, { file, mark, snapshot, alive, ...(!alive && { exitedAtMonotonicMs }) });
    }
    // Not at once: who has asked for one in this turn may not have looked at it yet. Nor for one that is read no more.
    setImmediate(() => replaced.forEach((before, file) => void this.#files.giveBack(file, before)));
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
    const found = listSnapshots(this.#options.directory);
    for (const { complete, ended, ...listed } of found) {
      const { file, mark } = listed;
      if (this.#otherVersions.has(file)) continue;
      if (this.#files.isLetGo(file)) {
        this.#files.delete(file);
        continue;
      }
      const state = this.#states.get(file);
      const isOver = ended || !isAlive(mark) || isTaskOver(mark, state?.snapshot.identity.task);
      const dead = isOver || this.#files.isSilent(listed, nowMonotonicMs);
      if (state && isSettled(state, nowMonotonicMs) && (dead || saysItself(state.snapshot, mark))) continue;
      if (dead) this.#bury(listed, complete, nowMonotonicMs);
      else if (complete) living.push(listed);
    }
    const files = new Set(found.map(({ file }) => file));
    this.#missing(files, nowMonotonicMs);
    this.#fold(files, nowMonotonicMs);
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

  // Read after it was seen dead: what is there now is all it will ever have written, but for threads; see isSettled.
  #bury(listed: Listed, complete: boolean, nowMonotonicMs: number): void {
    const { file, mark } = listed;
    const read = complete ? this.#files.read(listed) : 'unreadable';
    if (read === 'later') return;
    const { snapshot: before, exitedAtMonotonicMs = nowMonotonicMs } = this.#states.get(file) ?? {};
    const snapshot = typeof read === 'string' ? before : read;
    if (snapshot) this.#states.set(file, { file, mark, snapshot, alive: false, exitedAtMonotonicMs });
    else if (read === 'version') this.#keepForOthers(file);
    else if (complete) this.#files.giveUp(file);
    // It was cut off in the middle of its first layout, and has told nothing.
    else this.#files.delete(file);
  }

  #keepForOthers(file: string): void {
    this.#otherVersions.add(file);
    const [oldest] = this.#otherVersions;
    if (this.#otherVersions.size <= this.#maxExited || oldest === undefined) return;
    this.#otherVersions.delete(oldest);
    this.#files.giveUp(oldest);
  }

  // Somebody has deleted the file: what it said counts on, and its process is still looked after.
  #missing(listed: ReadonlySet<string>, nowMonotonicMs: number): void {
    for (const [file, state] of this.#states) {
      if (!state.alive || listed.has(file)) continue;
      if (isAlive(state.mark) && !isTaskOver(state.mark, state.snapshot.identity.task)) continue;
      this.#states.set(file, { ...state, alive: false, exitedAtMonotonicMs: nowMonotonicMs });
    }
  }

  #loadTotals(): void {
    const { folded, lost } = this.#totals.load((path, error) => this.#troubles.unreadable(path, error));
    for (const path of lost) this.#troubles.lost(path);
    for (const file of folded) this.#forget(file);
  }

  #fold(listed: ReadonlySet<string>, nowMonotonicMs: number): void {
    const latest = nowMonotonicMs - this.#options.exitedRetentionMs;
    // What is in memory alone would end with this process.
    const isInMemory = (state: WorkerState) =>
      !listed.has(state.file) && isSettled(state, nowMonotonicMs) && this.#files.isGone(state.file);
    const isDue = (state: WorkerState) => state.exitedAtMonotonicMs! <= latest || isInMemory(state);
    this.#add(dueOf(this.#states.values(), this.#maxExited, isDue), nowMonotonicMs);
  }

  #add(left: readonly Left[], nowMonotonicMs: number): boolean {
    if (left.length === 0 && !this.#totals.isDamaged) return true;
    if (!this.#leads()) return false;
    try {
      const known = new Set<Left>(this.#totals.adopt([...this.#states.values()]));
      for (const { file } of known) this.#forget(file);
      this.#totals.restore();
      const { added, error } = this.#totals.add(
        left.filter((one) => !known.has(one)),
        nowMonotonicMs,
      );
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
    this.#files.letGo(file);
  }
}
