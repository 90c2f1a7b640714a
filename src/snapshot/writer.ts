/**
 * Publishes one process's table to its own file. It decides when: at once while the process is not busy, every flush
 * interval under load, further apart where writing would take more than 1 % of a core, and once a second in any case.
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
  #heartbeat: NodeJS.Timeout;
  #lastWriteMs = now();
  #intervalMs: number;
  #writeCostMs = 0;
  // Virtual schedule of a leaky bucket: a write is free to go when it is not BURST intervals ahead of it.
  #scheduledMs = 0;
  #freeFromMs = 0;
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
    if (nowMs >= this.#freeFromMs || this.#finishing) this.flush();
    else this.touched();
  }

  /** A value that may be published with the next write has changed. */
  touched(): void {
    if (this.#timer === undefined && !this.#closed) this.#arm();
  }

  /** The app's code is about to run and may block the loop: what has waited an interval goes out before. */
  beforeHandler(nowMs: number): void {
    if (this.#dirty && nowMs - this.#lastWriteMs >= this.#intervalMs) this.flush();
  }

  /** Publishes the table as it stands, synchronously. @throws never */
  flush(): void {
    if (this.#closed) return;
    const startMs = now();
    const hasPaused = startMs - this.#lastWriteMs >= this.#unresponsiveAfterMs;
    // Told before it is written: nobody is to see it back with the state it had before. What it tells is a write of its own.
    if (hasPaused) {
      this.#lastWriteMs = startMs;
      this.#options.onResume?.();
    }
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#dirty = false;
    this.#lastWriteMs = startMs;
    try {
      this.#file.write();
      this.#setFailed(undefined);
    } catch (error) {
      this.#setFailed(error as Error);
    }
    this.#space(startMs, now() - startMs);
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
    this.flush();
  }

  #arm(): void {
    this.#timer = setTimeout(() => this.flush(), Math.max(1, this.#intervalMs - TIMER_LATE_MS)).unref();
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
