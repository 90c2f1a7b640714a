/**
 * Publishes one process's table to its own file. It decides when: at once while the process is not busy, every flush
 * interval under load, further apart where writing would take more than 1 % of a core, and once a second in any case. The
 * rule: no large table holds up the loop, it is written in pieces.
 */
import { performance } from 'node:perf_hooks';
import { clearInterval, clearTimeout, setInterval, setTimeout } from 'node:timers';
import { SnapshotFile } from './file.ts';
import type { Identity } from './layout.ts';
import type { SeriesTable } from './series-table.ts';

/** A writer publishes so often though nothing has changed: a file that is older is a blocked loop's. */
export const HEARTBEAT_MS = 1000;
// Writing may take 1 % of a core's time. The cost below is a low one, a quarter less than the mean at worst on a quiet machine.
const COST_DIVISOR = 125;
// So many writes may follow each other at once before the flush interval spaces them: light traffic loses nothing.
const BURST = 20;
// A system call and little more: below this nothing is worth telling apart.
const MIN_COST_MS = 0.01;

// A piece takes some 0.15 ms; no more are begun in one turn of the loop when it has been held up for so long.
const TURN_MS = 0.25;
// Between two turns with pieces of a large table the loop has so long for what else is to be done, or a turn of it that takes longer.
const PIECE_SPACING_MS = 1;
// A loop whose turns are so long that the pieces take longer, or longer than the writes are apart, gets the rest at once.
const LATE_AFTER_MS = 250;

// Timers count whole milliseconds from the beginning of a turn of the loop, and come that much late.
const TIMER_LATE_MS = 1;

const now = performance.now.bind(performance);

export interface WriterOptions {
  readonly path: string;
  readonly identity: Identity;
  readonly table: SeriesTable;
  readonly flushIntervalMs: number;
  /** Told when the file cannot be written (disk full, directory gone) and when it can be again. */
  readonly onStateChange: (error: Error | undefined) => void;
  /** After a pause of this length the process has been taken for unresponsive: `onResume` is told that it is back. */
  readonly unresponsiveAfterMs?: number;
  readonly onResume?: () => void;
  /** With each heartbeat, before it is written: for what must be looked at because nothing tells of it. */
  readonly onBeat?: () => void;
}

/** What a file says when it is written no more. */
export type LastWord = Pick<Identity, 'ended' | 'exitCode'>;

/** Owns the file of one process or thread from construction to `close`. */
export class SnapshotWriter {
  readonly #options: WriterOptions;
  readonly #file: SnapshotFile;
  readonly #unresponsiveAfterMs: number;
  #closed = false;
  #finishing = false;
  #dirty = false;
  #timer: NodeJS.Timeout | undefined;
  #timerMs = 0;
  #isArmed = false;
  #pieceTimer: NodeJS.Timeout | undefined;
  #heartbeat: NodeJS.Timeout;
  #publishedMs = now();
  #intervalMs: number;
  #writeCostMs = 0;
  // Virtual schedule of a leaky bucket: a write is free to go when it is not BURST intervals ahead of it.
  #scheduledMs = 0;
  #freeFromMs = 0;
  // Of the write that is under way, or was the last: when it began, what it has taken, when its next piece is due.
  #beganMs = 0;
  #costMs = 0;
  #pieceDueMs = 0;
  #failed = false;

  /** Makes the file and writes it once. @throws never: failures go to `onStateChange` */
  constructor(options: WriterOptions) {
    this.#options = options;
    this.#file = new SnapshotFile(options.path, options.identity, options.table);
    this.#intervalMs = options.flushIntervalMs;
    this.#unresponsiveAfterMs = options.unresponsiveAfterMs ?? Number.POSITIVE_INFINITY;
    this.#heartbeat = setInterval(() => this.#beat(), HEARTBEAT_MS).unref();
    this.flush();
  }

  /** Whether the last write was refused. */
  get isRefused(): boolean {
    return this.#failed;
  }

  /** A value that must survive a SIGKILL has changed. @param nowMs - performance.now() */
  changed(nowMs: number): void {
    this.#dirty = true;
    if (this.#finishing) this.flush();
    else if (nowMs >= this.#freeFromMs && !this.#file.isUnderWay) this.#publish('writePiece');
    else this.touched();
  }

  /** A value that may be published with the next write has changed. */
  touched(): void {
    if (!this.#isArmed && !this.#closed) this.#arm();
  }

  /** The app's code is about to run and may block the loop: what has waited an interval goes out before, or a piece of it. */
  beforeHandler(nowMs: number): void {
    const isDue = this.#file.isUnderWay
      ? nowMs >= this.#pieceDueMs
      : this.#dirty && nowMs - this.#beganMs >= this.#intervalMs;
    if (isDue) this.#publish('writePiece');
  }

  /** Publishes the table as it stands, synchronously. @throws never */
  flush(): void {
    this.#publish('write');
  }

  /** Publishes under a changed identity: a single process has become a primary, say. */
  identify(change: Partial<Identity>): void {
    this.#file.identify(change);
    this.flush();
  }

  /**
   * Writes a last time and lets go of the file, which stays for the group's owner to fold.
   *
   * @param last - it will not measure again: of a thread, or a process of another pid namespace, nobody else could tell
   */
  close(last?: LastWord): void {
    this.finish(last);
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#file.close();
  }

  /** The same for a thread that exits, which still handles what has come in already: each change is written at once. */
  finish(last?: LastWord): void {
    clearInterval(this.#heartbeat);
    // At its place first: to be laid out anew it needs room on the disk.
    this.flush();
    if (last) this.identify(last);
    this.#finishing = true;
  }

  #beat(): void {
    this.#options.onBeat?.();
    this.#file.check();
    if (!this.#file.isUnderWay) this.#publish('writePiece');
  }

  // One timer, set anew and not made anew; who publishes before it is due lets it come in vain, which costs less.
  #arm(): void {
    this.#isArmed = true;
    const dueMs = Math.max(1, this.#intervalMs - TIMER_LATE_MS);
    if (dueMs === this.#timerMs) {
      this.#timer!.refresh();
      return;
    }
    clearTimeout(this.#timer);
    this.#timerMs = dueMs;
    this.#timer = setTimeout(() => this.#due(), dueMs).unref();
  }

  #due(): void {
    if (!this.#isArmed) return;
    this.#isArmed = false;
    if (this.#file.isUnderWay) this.#arm();
    else this.#publish('writePiece');
  }

  #publish(how: 'write' | 'writePiece'): void {
    if (this.#closed) return;
    const startMs = now();
    const { isUnderWay, sequence } = this.#file;
    const isLate = isUnderWay && startMs - Math.max(this.#beganMs, this.#publishedMs) >= this.#lateAfterMs;
    if (!isUnderWay || isLate || how === 'write') this.#begin(startMs, isUnderWay);
    let isDone = true;
    try {
      isDone = this.#file[isLate && how === 'writePiece' ? 'catchUp' : how]();
      while (!isDone && now() - startMs < TURN_MS) isDone = this.#file.writePiece();
      if (isDone) this.#setFailed(undefined);
    } catch (error) {
      // Given up, whichever piece it was: what has been taken spaces the next try.
      isDone = true;
      this.#setFailed(error as Error);
    }
    const endMs = now();
    this.#costMs += endMs - startMs;
    if (isDone || this.#file.sequence > sequence) this.#publishedMs = startMs;
    if (isDone) this.#space(this.#beganMs, this.#costMs);
    if (!isDone || this.#dirty) this.#goOn(endMs);
  }

  #begin(startMs: number, isAnew: boolean): void {
    // Told before it is written: nobody is to see it back with the state it had before. What it tells is a write of its own.
    if (startMs - this.#publishedMs >= this.#unresponsiveAfterMs) {
      this.#publishedMs = startMs;
      this.#options.onResume?.();
    }
    this.#isArmed = false;
    this.#dirty = false;
    this.#beganMs = startMs;
    // What has gone into pieces that are given up has been taken all the same.
    if (!isAnew) this.#costMs = 0;
  }

  get #lateAfterMs(): number {
    return Math.min(Math.max(this.#intervalMs, LATE_AFTER_MS), HEARTBEAT_MS);
  }

  // With the next piece, or with what has changed since the first one, where that is free to go.
  #goOn(nowMs: number): void {
    this.#pieceDueMs = nowMs + PIECE_SPACING_MS;
    const onDue = () => {
      if (this.#file.isUnderWay || (this.#dirty && now() >= this.#freeFromMs)) this.#publish('writePiece');
    };
    this.#pieceTimer = this.#pieceTimer?.refresh() ?? setTimeout(onDue, PIECE_SPACING_MS).unref();
  }

  // A write that was held up (another process had the core, a file was laid out) must not make the next ones wait: the
  // cost follows a lower one at once, and a higher one slowly.
  #space(startMs: number, costMs: number): void {
    const growth = Math.min(costMs - this.#writeCostMs, Math.max(this.#writeCostMs, MIN_COST_MS));
    this.#writeCostMs += growth < 0 ? growth : growth / 8;
    this.#intervalMs = Math.max(this.#options.flushIntervalMs, this.#writeCostMs * COST_DIVISOR);
    this.#scheduledMs = Math.max(this.#scheduledMs, startMs) + this.#intervalMs;
    this.#freeFromMs = this.#scheduledMs - (BURST - 1) * this.#intervalMs;
  }

  #setFailed(error: Error | undefined): void {
    if (this.#failed === (error !== undefined)) return;
    this.#failed = error !== undefined;
    this.#options.onStateChange(error);
  }
}
