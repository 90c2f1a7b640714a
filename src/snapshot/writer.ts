/**
 * Publishes one process's table to its own file. It decides when: at once while the process is not busy, every flush
 * interval under load, further apart where writing would take more than 1 % of a core, and once a second in any case.
 */
import { closeSync, fstatSync, openSync, renameSync, unlinkSync, writeSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { clearInterval, clearTimeout, setInterval, setTimeout } from 'node:timers';
import { crc32 } from 'node:zlib';
import {
  alignTo8,
  type Capacity,
  encodeHeader,
  encodeSlotHeader,
  HEADER_BYTES,
  type Identity,
  slotOffset,
} from './layout.ts';
import type { SeriesTable } from './series-table.ts';

/** A writer publishes so often though nothing has changed: a file that is older is a blocked loop's. */
export const HEARTBEAT_MS = 1000;
const FILE_MODE = 0o600;
// Writing may take one part in this many of a core's time.
const COST_DIVISOR = 100;
// So many writes may follow each other at once before the flush interval spaces them: light traffic loses nothing.
const BURST = 20;
// A system call and little more: below this nothing is worth telling apart.
const MIN_COST_MS = 0.01;
const MIN_DICTIONARY_BYTES = 4096;

const now = performance.now.bind(performance);

export interface WriterOptions {
  readonly path: string;
  readonly identity: Identity;
  readonly table: SeriesTable;
  readonly flushIntervalMs: number;
  /** Told when the file cannot be written (disk full, directory gone) and when it can be again. */
  readonly onStateChange: (error: Error | undefined) => void;
}

/** How the file is laid out, and how much of the table's dictionary is in it. */
interface Layout {
  readonly capacity: Capacity;
  readonly dictionaryLines: number;
  readonly dictionaryBytes: number;
  readonly dictionaryCrc: number;
}

const NO_LAYOUT: Layout = {
  capacity: { dictionaryBytes: 0, values: 0 },
  dictionaryLines: 0,
  dictionaryBytes: 0,
  dictionaryCrc: 0,
};

/** Owns the file of one process or thread from construction to `close`. */
export class SnapshotWriter {
  readonly #options: WriterOptions;
  #identity: Identity;
  #file: number | undefined;
  #layout: Layout = NO_LAYOUT;
  #sequence = 0;
  #closed = false;
  #dirty = false;
  #timer: NodeJS.Timeout | undefined;
  #heartbeat: NodeJS.Timeout;
  #lastWriteMs = 0;
  #intervalMs: number;
  #writeCostMs = 0;
  // Virtual schedule of a leaky bucket: a write is free to go when it is not BURST intervals ahead of it.
  #scheduledMs = 0;
  #freeFromMs = 0;
  #failed = false;

  /** Makes the file and writes it once. @throws never: failures go to `onStateChange` */
  constructor(options: WriterOptions) {
    this.#options = options;
    this.#identity = options.identity;
    this.#intervalMs = options.flushIntervalMs;
    this.#heartbeat = setInterval(() => this.#beat(), HEARTBEAT_MS).unref();
    this.flush();
  }

  /** A value that must survive a SIGKILL has changed. @param nowMs - performance.now() */
  changed(nowMs: number): void {
    this.#dirty = true;
    if (nowMs >= this.#freeFromMs) this.flush();
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
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#dirty = false;
    this.#lastWriteMs = startMs;
    try {
      this.#write();
      this.#setFailed(undefined);
    } catch (error) {
      this.#setFailed(error as Error);
    }
    this.#space(startMs, now() - startMs);
  }

  /** Publishes under a changed identity: a single process has become a primary, say. */
  identify(identity: Identity): void {
    this.#identity = identity;
    this.#layout = NO_LAYOUT;
    this.flush();
  }

  /**
   * Writes a last time and lets go of the file, which stays for the group's owner to fold.
   *
   * @param ended - for a thread whose process lives on: nobody else could tell
   */
  close({ ended = false } = {}): void {
    clearInterval(this.#heartbeat);
    if (ended) this.identify({ ...this.#identity, ended });
    else this.flush();
    this.#closed = true;
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  // A file that nobody can open any more takes writes for ever, so its name is looked after.
  #beat(): void {
    if (this.#file !== undefined && fstatSync(this.#file).nlink === 0) {
      closeSync(this.#file);
      this.#file = undefined;
    }
    this.flush();
  }

  #arm(): void {
    this.#timer = setTimeout(() => this.flush(), this.#intervalMs).unref();
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

  #write(): void {
    const { table } = this.#options;
    const added = jsonLines(table.dictionary.slice(this.#layout.dictionaryLines));
    const dictionaryBytes = this.#layout.dictionaryBytes + added.length;
    const { capacity } = this.#layout;
    if (this.#file === undefined || dictionaryBytes > capacity.dictionaryBytes || table.used > capacity.values) {
      this.#layOut();
      return;
    }
    if (added.length > 0) {
      writeAll(this.#file, added, HEADER_BYTES + this.#layout.dictionaryBytes);
      this.#layout = {
        capacity,
        dictionaryBytes,
        dictionaryLines: table.dictionary.length,
        dictionaryCrc: crc32(added, this.#layout.dictionaryCrc),
      };
    }
    this.#writeSlot(this.#file, this.#layout);
  }

  // The sequence moves on only behind a write that is whole: one that was cut short is tried again in the same slot.
  #writeSlot(file: number, { capacity, dictionaryBytes, dictionaryCrc }: Layout): void {
    const { table } = this.#options;
    const sequence = this.#sequence + 1;
    const slot = new Uint8Array(table.values.buffer, 0, table.prefixBytes + table.used * 8);
    encodeSlotHeader(slot, sequence, Date.now(), dictionaryBytes, dictionaryCrc, table.used);
    writeAll(file, slot, slotOffset(capacity, sequence % 2));
    this.#sequence = sequence;
  }

  // A table that outgrew its file gets a new one, renamed over the old: a kill at any point leaves one that is whole.
  #layOut(): void {
    const { path, table } = this.#options;
    const identityLine = jsonLines([JSON.stringify(this.#identity)]);
    const dictionary = Buffer.concat([identityLine, jsonLines(table.dictionary)]);
    const layout: Layout = {
      capacity: {
        dictionaryBytes: alignTo8(Math.max(MIN_DICTIONARY_BYTES, dictionary.length * 2)),
        values: table.values.length,
      },
      dictionaryLines: table.dictionary.length,
      dictionaryBytes: dictionary.length,
      dictionaryCrc: crc32(dictionary),
    };
    const next = `${path}.new`;
    const file = openSync(next, 'w', FILE_MODE);
    try {
      writeAll(file, encodeHeader(layout.capacity, identityLine.length), 0);
      writeAll(file, dictionary, HEADER_BYTES);
      this.#writeSlot(file, layout);
      renameSync(next, path);
    } catch (error) {
      closeSync(file);
      tryUnlink(next);
      throw error;
    }
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = file;
    this.#layout = layout;
  }

  #setFailed(error: Error | undefined): void {
    if (this.#failed === (error !== undefined)) return;
    this.#failed = error !== undefined;
    this.#options.onStateChange(error);
  }
}

function jsonLines(lines: readonly string[]): Buffer {
  return Buffer.from(lines.map((line) => `${line}\n`).join(''));
}

// A write to a full disk may come back short without an error.
function writeAll(file: number, bytes: Uint8Array, position: number): void {
  let done = 0;
  while (done < bytes.length) done += writeSync(file, bytes, done, bytes.length - done, position + done);
}

function tryUnlink(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It was never made, or the directory is gone with it.
  }
}
