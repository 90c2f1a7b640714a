/**
 * The file of one process's table: where its bytes go, and how it gets larger, so that a kill at any point leaves it whole.
 * A large one is written in pieces, with the loop's other work between them.
 */
import { renameSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { tryClose, writeAll } from './handle.ts';
import { HEADER_BYTES, type Identity, slotOffset } from './layout.ts';
import { monotonicMs } from './monotonic.ts';
import { discard, jsonLines, type Layout, layOut, linesOf, type NextFile, NO_LAYOUT, nameOf } from './next-file.ts';
import { readBack } from './read-back.ts';
import { PIECE_BYTES, type SeriesTable } from './series-table.ts';
import { SLOT_HEADER_BYTES, type Slot, slotOf, writeLarge } from './slot.ts';

// While the next file is made, what has its place in the present one is published behind so many pieces.
const PIECES_APART = 32;

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
  #slot: Slot | undefined;
  /** What is being published, a piece with each step. */
  #publishing: Generator<void, void> | undefined;
  /** The next file: while it is made, and when it has its room. Outlives a publication that is given up. */
  #making: Generator<void, NextFile> | undefined;
  #next: NextFile | undefined;
  #reading: Generator<boolean, never> | undefined;

  /** Touches nothing yet. @param table - with SLOT_HEADER_BYTES in front of its values */
  constructor(path: string, identity: Identity, table: SeriesTable) {
    this.#path = path;
    this.#identity = identity;
    this.#table = table;
  }

  /** How often values have been published. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Whether pieces of a publication are left. */
  get isUnderWay(): boolean {
    return this.#publishing !== undefined;
  }

  /** From the next publication on the file tells this identity. */
  identify(change: Partial<Identity>): void {
    this.#identity = { ...this.#identity, ...change };
    this.#isCurrent = false;
    this.#giveUp();
    this.#forgetNext();
  }

  /**
   * Publishes the table as it stands, all at once. Where there is no room for what is new in it (disk full), what the file
   * knows already goes on in it.
   *
   * @throws system errors; what was published last stays readable, and the next write tries again
   */
  write(): true {
    this.#giveUp();
    while (!this.writePiece());
    return true;
  }

  /**
   * Publishes the table as write() does, PIECE_BYTES at a time at the most: the next piece of what is under way, or the
   * first one. Readers see nothing of it before its values are whole.
   *
   * @returns whether that was the last one; values may be of any moment since the first
   * @throws as write()
   */
  writePiece(): boolean {
    if (this.#isPlain) {
      this.#writeEnd(this.#file!, this.#layout);
      this.#sequence += 1;
      return true;
    }
    this.#publishing ??= this.#publish();
    let isDone = true;
    try {
      isDone = this.#publishing.next().done === true;
    } finally {
      if (isDone) this.#publishing = undefined;
    }
    return isDone;
  }

  /** Begins anew and publishes at once all that has its place in the file. @returns, @throws as writePiece() */
  catchUp(): boolean {
    this.#giveUp();
    for (const before = this.#sequence; ; ) {
      if (this.writePiece()) return true;
      if (this.#sequence > before) return false;
    }
  }

  /**
   * A file that nobody can open any more takes writes for ever, and what was written once (header and names) is never
   * written again: lets go of a file that has lost its name or is damaged there, so that the next write makes one. Of many
   * names it reads PIECE_BYTES each time.
   */
  check(): void {
    if (this.#file === undefined) return;
    this.#reading ??= readBack(this.#file, this.#path, this.#identity.version, () => this.#layout);
    if (!this.#reading.next().value) this.close();
  }

  /** Lets go of the file, which stays. @throws never */
  close(): void {
    this.#giveUp();
    this.#forgetNext();
    if (this.#file !== undefined) tryClose(this.#file);
    this.#file = undefined;
    this.#reading = undefined;
  }

  // Nothing is new but values, and few: what most writes are, a hundred in a second, each by code that has got cold.
  get #isPlain(): boolean {
    if (this.#publishing !== undefined || this.#file === undefined || !this.#isCurrent) return false;
    return this.#isTold && this.#table.cuts.length === 1;
  }

  get #isTold(): boolean {
    return this.#layout.dictionaryLines === this.#table.dictionary.length;
  }

  *#publish(): Generator<void, void> {
    try {
      while (this.#file === undefined || !this.#isCurrent || !(this.#isTold || (yield* this.#append(this.#file)))) {
        yield* this.#moveTo(this.#next ?? (yield* this.#make()));
        // Nothing is born while a file is made at once.
        if (this.#isTold) return;
        yield;
      }
    } catch (error) {
      this.#forgetNext();
      yield* this.#writeKnown();
      throw error;
    }
    yield* this.#writeSlot(this.#file, this.#layout);
    this.#sequence += 1;
  }

  // False: there is no room.
  *#append(file: number): Generator<void, boolean> {
    const table = this.#table;
    for (const lines of linesOf(table, this.#layout.dictionaryLines)) {
      const { capacity, dictionaryLines, dictionaryBytes, dictionaryCrc, values } = this.#layout;
      const bytes = jsonLines(lines);
      if (dictionaryBytes + bytes.length > capacity.dictionaryBytes || table.used > capacity.values) return false;
      writeAll(file, bytes, HEADER_BYTES + dictionaryBytes);
      const isAll = dictionaryLines + lines.length === table.dictionary.length;
      this.#layout = {
        capacity,
        dictionaryLines: dictionaryLines + lines.length,
        dictionaryBytes: dictionaryBytes + bytes.length,
        dictionaryCrc: crc32(bytes, dictionaryCrc),
        values: isAll ? table.used : values,
      };
      if (!isAll) yield;
    }
    return true;
  }

  *#make(): Generator<void, NextFile> {
    this.#making ??= layOut(this.#path, this.#identity, this.#table);
    for (let pieces = 0; ; pieces += 1) {
      const { done, value } = this.#making.next();
      if (done) {
        this.#making = undefined;
        this.#next = value;
        if (pieces > 0) yield;
        return value;
      }
      yield;
      if (pieces % PIECES_APART !== 0) continue;
      yield* this.#writeKnown();
      yield;
    }
  }

  *#writeKnown(): Generator<void, void> {
    try {
      if (this.#file === undefined) return;
      yield* this.#writeSlot(this.#file, this.#layout);
      this.#sequence += 1;
    } catch {
      // What was in the way before is told; this is the same or less.
    }
  }

  // The sequence moves on only behind it, where it is whole: one that was cut short is tried again in the same slot. Series
  // that the file does not tell of lie behind all others.
  *#writeSlot(file: number, layout: Layout): Generator<void, void> {
    const { capacity, values } = layout;
    const at = slotOffset(capacity, (this.#sequence + 1) % 2) + SLOT_HEADER_BYTES;
    this.#writeEnd(file, layout, yield* writeLarge(file, this.#table, values, at));
  }

  // The header, and all values with it unless they have been written before.
  #writeEnd(file: number, layout: Layout, valuesCrc?: number): void {
    const { capacity, dictionaryBytes, dictionaryCrc, values: known } = layout;
    this.#slot = slotOf(this.#table, valuesCrc === undefined ? known : 0, this.#slot);
    const sequence = this.#sequence + 1;
    this.#slot.encode(sequence, monotonicMs(), dictionaryBytes, dictionaryCrc, known, valuesCrc);
    writeAll(file, this.#slot.bytes, slotOffset(capacity, sequence % 2));
  }

  // Renamed over the old one when it has the values. Of a large one the system finds room on the disk then, and of the old one
  // it gives back the memory when that is closed: each takes as long as pieces do.
  *#moveTo({ file, layout }: NextFile): Generator<void, void> {
    const isLarge = slotOffset(layout.capacity, 2) > PIECE_BYTES;
    yield* this.#writeSlot(file, layout);
    if (isLarge) yield;
    renameSync(nameOf(this.#path), this.#path);
    this.#sequence += 1;
    const old = this.#file;
    this.#next = undefined;
    this.#reading = undefined;
    this.#file = file;
    this.#layout = layout;
    this.#isCurrent = true;
    try {
      if (isLarge) yield;
    } finally {
      if (old !== undefined) tryClose(old);
    }
  }

  // The slot that it was written to is not the current one: what is in it by now is overwritten.
  #giveUp(): void {
    this.#publishing?.return();
    this.#publishing = undefined;
  }

  #forgetNext(): void {
    this.#making?.return(undefined as never);
    this.#making = undefined;
    if (this.#next) discard(this.#path, this.#next.file);
    this.#next = undefined;
  }
}
