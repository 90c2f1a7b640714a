/**
 * The members of a group as their snapshot files tell them: reads what they have published, knows who of them is alive,
 * and folds the files of the dead into the group's totals. A member that cannot be read keeps its last good snapshot.
 */
import { join } from 'node:path';
import { GunicornOtelError, messageOf } from '../errors.ts';
import { report } from '../report.ts';
import { deleteSnapshot, listSnapshots, snapshotFile } from '../snapshot/directory.ts';
import { MAX_EXITS } from '../snapshot/exit-events.ts';
import { decodeSnapshot, encodeSnapshot, type Identity, type Snapshot } from '../snapshot/layout.ts';
import { isAlive, type ProcessMark } from '../snapshot/process-mark.ts';
import { SnapshotReader } from '../snapshot/reader.ts';
import { emptied, type Member, type Merged, takePlaces } from './merge.ts';
import { SeriesPlaces } from './series-places.ts';
import { Totals } from './totals.ts';

// Of whom the places are that are kept for the next reader: no process has this number.
const NOBODY: Identity = {
  role: 'totals',
  workerId: '',
  pid: 0,
  processStart: 0,
  threadId: 0,
  startSeconds: 0,
  version: '',
};

/** One process or thread of the group. */
export interface WorkerState extends Member {
  readonly file: string;
  readonly mark: ProcessMark;
  readonly snapshot: Snapshot;
  alive: boolean;
  /** Unix ms when it was first seen dead. */
  exitedAtMs?: number;
}

export interface GroupReaderOptions {
  readonly directory: string;
  readonly exitedRetentionMs: number;
  /** Series per metric in sums over processes; what is more is one overflow series. */
  readonly maxSeries?: number;
  /** Exited workers that keep their series at the most (100); the oldest are folded first. */
  readonly maxExited?: number;
}

/** Reads one group's directory; there is one per group, since it deletes what it has folded. */
export class GroupReader {
  readonly #options: GroupReaderOptions;
  readonly #states = new Map<string, WorkerState>();
  readonly #readers = new Map<string, SnapshotReader>();
  /** Files that are in the totals and could not be deleted yet: they are nobody's any more. */
  readonly #remains = new Set<string>();
  /** Failed reads by cause, for the life of this reader. */
  readonly errors = new Map<string, number>();
  /** Which series have a name of their own in sums over processes. */
  readonly places: SeriesPlaces;
  /** Metrics whose places are in the totals. */
  readonly #kept = new Set<string>();
  readonly #totals: Totals;

  constructor(options: GroupReaderOptions) {
    this.#options = options;
    this.places = new SeriesPlaces(options.maxSeries);
    this.#totals = new Totals(options.directory, this.places);
    for (const file of this.#totals.load((path, error) => this.#countUnreadable(path, error))) this.#forget(file);
    takePlaces(this.totals, this.places);
  }

  /** Reads everything there is now, the living and those who have exited of late. @throws never */
  read(nowMs = Date.now()): WorkerState[] {
    for (const { file, mark } of this.reap(nowMs)) {
      const snapshot = this.#readFile(file);
      if (typeof snapshot === 'string') continue;
      // A thread that nobody has seen end says so itself.
      const exited = snapshot.identity.ended ? { exitedAtMs: nowMs } : {};
      this.#states.set(file, { file, mark, snapshot, alive: !snapshot.identity.ended, ...exited });
    }
    return [...this.#states.values()];
  }

  /**
   * Takes over what the dead have left and folds what has outlived its retention; cheap, for once a second.
   *
   * @returns the files of the living
   * @throws never
   */
  reap(nowMs = Date.now()): { file: string; mark: ProcessMark }[] {
    const living = [];
    const listed = listSnapshots(this.#options.directory);
    for (const { file, mark, complete, ended } of listed) {
      if (this.#remains.has(file)) {
        this.#delete(file);
        continue;
      }
      const state = this.#states.get(file);
      const dead = ended || !isAlive(mark);
      if (state?.alive === false && (state.snapshot.identity.ended || dead)) continue;
      if (dead) this.#bury(file, mark, complete, nowMs);
      else if (complete) living.push({ file, mark });
    }
    this.#missing(new Set(listed.map(({ file }) => file)), nowMs);
    this.#fold(nowMs);
    return living;
  }

  // Read after it was seen dead: what is there now is all it will ever have written.
  #bury(file: string, mark: ProcessMark, complete: boolean, nowMs: number): void {
    const read = complete ? this.#readFile(file) : 'unreadable';
    if (read === 'later') return;
    const snapshot = read === 'unreadable' ? this.#states.get(file)?.snapshot : read;
    if (snapshot) this.#states.set(file, { file, mark, snapshot, alive: false, exitedAtMs: nowMs });
    else this.#delete(file);
  }

  // Somebody has deleted the file: what it said counts on, and its process is still looked after.
  #missing(listed: ReadonlySet<string>, nowMs: number): void {
    for (const [file, state] of this.#states) {
      if (!state.alive || listed.has(file) || isAlive(state.mark)) continue;
      this.#states.set(file, { ...state, alive: false, exitedAtMs: nowMs });
    }
  }

  /** The pids of the living, with or without a readable snapshot. @throws never */
  livingPids(): number[] {
    return this.reap().map(({ mark }) => mark.pid);
  }

  /** What has been folded: the sums of all that is no longer in `read`. */
  get totals(): Member[] {
    return this.#totals.members;
  }

  /** Where a series found no place: writes into the totals who has one, for the reader that comes after this. @throws never */
  keepPlaces(merged: Merged, nowMs = Date.now()): void {
    const metrics = [...this.places.full].filter((metric) => !this.#kept.has(metric));
    if (metrics.length === 0) return;
    const snapshot = decodeSnapshot(encodeSnapshot(NOBODY, emptied(merged, metrics), nowMs));
    const { error } = this.#totals.add([{ snapshot, alive: false, file: snapshotFile(NOBODY, 0) }], nowMs);
    if (error) this.#countTotalsError(error);
    else for (const metric of metrics) this.#kept.add(metric);
  }

  #fold(nowMs: number): void {
    const exited = [...this.#states.values()].filter((state) => !state.alive);
    // Those that were found dead together, by a new reader say, went in the order of their last words.
    exited.sort((a, b) => a.exitedAtMs! - b.exitedAtMs! || a.snapshot.writtenAtMs - b.snapshot.writtenAtMs);
    const excess = exited.length - (this.#options.maxExited ?? MAX_EXITS);
    const due = exited.filter((state, i) => i < excess || nowMs - state.exitedAtMs! >= this.#options.exitedRetentionMs);
    if (due.length === 0) return;
    const { added, error } = this.#totals.add(due, nowMs);
    for (const { file } of added) this.#forget(file);
    // Disk full or directory gone: they stay what they are, and are folded when it works again.
    if (error) this.#countTotalsError(error);
  }

  #countTotalsError(error: unknown): void {
    this.#countError('totals', `totals in ${this.#options.directory} cannot be written: ${messageOf(error)}`);
  }

  #forget(file: string): void {
    this.#states.delete(file);
    this.#remains.add(file);
    this.#delete(file);
  }

  #delete(file: string): void {
    this.#readers.delete(file);
    const { directory } = this.#options;
    try {
      deleteSnapshot(directory, file);
      this.#remains.delete(file);
    } catch (error) {
      this.#countError('delete', `${join(directory, file)} cannot be deleted: ${messageOf(error)}`);
    }
  }

  // 'unreadable' is what the file is and stays; 'later' may be otherwise next time: no such file, no handle left.
  #readFile(file: string): Snapshot | 'unreadable' | 'later' {
    const path = join(this.#options.directory, file);
    let reader = this.#readers.get(file);
    if (!reader) {
      reader = new SnapshotReader(path);
      this.#readers.set(file, reader);
    }
    try {
      return reader.read();
    } catch (error) {
      // Deleted since it was listed.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'later';
      this.#countUnreadable(path, error);
      return error instanceof GunicornOtelError ? 'unreadable' : 'later';
    }
  }

  #countUnreadable(path: string, error: unknown): void {
    this.#countError(causeOf(error), `${path} cannot be read: ${messageOf(error)}`);
  }

  // One line per cause: a damaged file would otherwise say the same on every scrape.
  #countError(cause: string, line: string): void {
    const count = this.errors.get(cause) ?? 0;
    if (count === 0) report('warn', `${line}; its last good values stand in for it`);
    this.errors.set(cause, count + 1);
  }
}

function causeOf(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  return (code ?? 'unknown').replace('GUNICORN_OTEL_ERR_SNAPSHOT_', '').toLowerCase();
}
