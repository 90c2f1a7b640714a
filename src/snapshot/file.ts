/** The file of one process's table: where its bytes go, and how it gets larger, so that a kill at any point leaves it whole. */
import { closeSync, fstatSync, openSync, readSync, renameSync, unlinkSync, writeSync } from 'node:fs';
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
import { monotonicMs } from './monotonic.ts';
import type { SeriesTable } from './series-table.ts';

const FILE_MODE = 0o600;
const MIN_DICTIONARY_BYTES = 4096;

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

/** Writes a table as it stands, again and again, to the same name. */
export class SnapshotFile {
  readonly #path: string;
  readonly #table: SeriesTable;
  #identity: Identity;
  #file: number | undefined;
  #layout: Layout = NO_LAYOUT;
  /** Whether the file tells the identity as it is now. */
  #isCurrent = false;
  #sequence = 0;

  /** Touches nothing yet. @param table - with SLOT_HEADER_BYTES in front of its values */
  constructor(path: string, identity: Identity, table: SeriesTable) {
    this.#path = path;
    this.#identity = identity;
    this.#table = table;
  }

  /** From the next write on the file tells this identity. */
  identify(change: Partial<Identity>): void {
    this.#identity = { ...this.#identity, ...change };
    this.#isCurrent = false;
  }

  /**
   * Publishes the table. Where there is no room for what is new in it (disk full), what the file knows already goes on in it.
   *
   * @throws system errors; what was published last stays readable, and the next write tries again
   */
  write(): void {
    const { table, layout } = { table: this.#table, layout: this.#layout };
    const added = jsonLines(table.dictionary.slice(layout.dictionaryLines));
    const hasRoom =
      layout.dictionaryBytes + added.length <= layout.capacity.dictionaryBytes && table.used <= layout.capacity.values;
    try {
      if (this.#file === undefined || !this.#isCurrent || !hasRoom) {
        this.#layOut();
        return;
      }
      this.#append(this.#file, added);
    } catch (error) {
      this.#writeKnown();
      throw error;
    }
    this.#writeSlot(this.#file, this.#layout);
  }

  /**
   * A file that nobody can open any more takes writes for ever, and what was written once (header and names) is never
   * written again: lets go of a file that has lost its name or is damaged there, so that the next write makes one.
   */
  check(): void {
    if (this.#file !== undefined && !(hasName(this.#file) && this.#isWhole(this.#file))) this.close();
  }

  /** Lets go of the file, which stays. @throws never */
  close(): void {
    if (this.#file !== undefined) tryClose(this.#file);
    this.#file = undefined;
  }

  #isWhole(file: number): boolean {
    const { capacity, dictionaryBytes, dictionaryCrc } = this.#layout;
    try {
      const bytes = Buffer.allocUnsafe(HEADER_BYTES + dictionaryBytes);
      if (readSync(file, bytes, 0, bytes.length, 0) < bytes.length) return false;
      const header = encodeHeader(capacity, this.#identity.version);
      return header.equals(bytes.subarray(0, HEADER_BYTES)) && crc32(bytes.subarray(HEADER_BYTES)) === dictionaryCrc;
    } catch {
      return false;
    }
  }

  #append(file: number, lines: Buffer): void {
    if (lines.length === 0) return;
    const { capacity, dictionaryBytes, dictionaryCrc } = this.#layout;
    writeAll(file, lines, HEADER_BYTES + dictionaryBytes);
    this.#layout = {
      capacity,
      dictionaryBytes: dictionaryBytes + lines.length,
      dictionaryLines: this.#table.dictionary.length,
      dictionaryCrc: crc32(lines, dictionaryCrc),
    };
  }

  #writeKnown(): void {
    try {
      if (this.#file !== undefined) this.#writeSlot(this.#file, this.#layout);
    } catch {
      // What was in the way before is told; this is the same or less.
    }
  }

  // The sequence moves on only behind a write that is whole: one that was cut short is tried again in the same slot. Series
  // that have no place in the file lie behind all others, so those that have are whole.
  #writeSlot(file: number, { capacity, dictionaryBytes, dictionaryCrc }: Layout): void {
    const { values, prefixBytes, used } = this.#table;
    const sequence = this.#sequence + 1;
    const known = Math.min(used, capacity.values);
    const slot = new Uint8Array(values.buffer, 0, prefixBytes + known * 8);
    encodeSlotHeader(slot, sequence, monotonicMs(), dictionaryBytes, dictionaryCrc, known);
    writeAll(file, slot, slotOffset(capacity, sequence % 2));
    this.#sequence = sequence;
  }

  // A table that outgrew its file gets a new one, renamed over the old. It takes its whole place on the disk at once: who
  // has a file can write to it however full the disk becomes.
  #layOut(): void {
    const table = this.#table;
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
    const bytes = Buffer.alloc(slotOffset(layout.capacity, 2));
    bytes.set(encodeHeader(layout.capacity, this.#identity.version), 0);
    bytes.set(dictionary, HEADER_BYTES);
    const sequence = this.#sequence;
    const next = `${this.#path}.new`;
    const file = openSync(next, 'w+', FILE_MODE);
    try {
      writeAll(file, bytes, 0);
      this.#writeSlot(file, layout);
      renameSync(next, this.#path);
    } catch (error) {
      this.#sequence = sequence;
      tryClose(file);
      tryUnlink(next);
      throw error;
    }
    this.close();
    this.#file = file;
    this.#layout = layout;
    this.#isCurrent = true;
  }
}

function jsonLines(lines: readonly string[]): Buffer {
  return Buffer.from(lines.map((line) => `${line}\n`).join(''));
}

// A write to a full disk may come back short without an error.
function writeAll(file: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; ) {
    const written = writeSync(file, bytes, done, bytes.length - done, position + done);
    if (written === 0) throw Object.assign(new Error('ENOSPC: nothing was written'), { code: 'ENOSPC' });
    done += written;
  }
}

// A handle that is no good any more (closed by others, stale on a network disk) names nothing.
function hasName(file: number): boolean {
  try {
    return fstatSync(file).nlink > 0;
  } catch {
    return false;
  }
}

function tryClose(file: number): void {
  try {
    closeSync(file);
  } catch {
    // It was no good any more.
  }
}

function tryUnlink(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It was never made, or the directory is gone with it.
  }
}
