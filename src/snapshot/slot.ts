/** A slot as it is written: its header, and the values behind it. */
import { crc32 } from 'node:zlib';
import { writeAll } from './handle.ts';
import type { SeriesTable } from './series-table.ts';

/** Bytes in front of the values of a slot. */
export const SLOT_HEADER_BYTES = 48;
// The header's own sum is behind these.
const SUMMED_BYTES = 32;

/**
 * The views that a slot is encoded by. Made once for the memory of a table and kept, not with each write: that takes longer
 * than the writing.
 */
export class Slot {
  readonly bytes: Uint8Array;
  readonly #floats: Float64Array;
  readonly #words: Uint32Array;
  readonly #summed: Uint8Array;
  readonly #values: Uint8Array;

  /** @param bytes - the header, and the values where they are written with it; at a multiple of eight in its buffer */
  constructor(bytes: Uint8Array) {
    const { buffer, byteOffset } = bytes;
    this.bytes = bytes;
    this.#floats = new Float64Array(buffer, byteOffset, 2);
    this.#words = new Uint32Array(buffer, byteOffset, SLOT_HEADER_BYTES / 4);
    this.#summed = bytes.subarray(0, SUMMED_BYTES);
    this.#values = bytes.subarray(SLOT_HEADER_BYTES);
  }

  /**
   * Fills the header.
   *
   * @param values - how many there are
   * @param valuesCrc - of the values as they were written, where that was not all at once
   */
  encode(
    sequence: number,
    writtenAtMonotonicMs: number,
    dictionaryBytes: number,
    dictionaryCrc: number,
    values: number,
    valuesCrc = crc32(this.#values),
  ): void {
    const words = this.#words;
    this.#floats[0] = sequence;
    this.#floats[1] = writtenAtMonotonicMs;
    words[4] = dictionaryBytes;
    words[5] = dictionaryCrc;
    words[6] = values;
    words[7] = valuesCrc;
    words[8] = crc32(this.#summed);
  }
}

/**
 * The memory of a table as a slot.
 *
 * @param values - how many are written with the header
 * @param last - what this gave before: it is given again as long as it fits
 */
export function slotOf({ prefixBytes, values: { buffer } }: SeriesTable, values: number, last?: Slot): Slot {
  const length = prefixBytes + values * 8;
  const fits = last !== undefined && last.bytes.buffer === buffer && last.bytes.length === length;
  return fits ? last : new Slot(new Uint8Array(buffer, 0, length));
}

/**
 * Writes the values of a table that has more of them than a piece, piece by piece: all that a slot has but its header.
 *
 * @param values - how many of them
 * @param position - in the file
 * @returns their sum for the header; undefined: they are few, and to be written with it
 * @throws system errors
 */
export function* writeLarge(
  file: number,
  table: SeriesTable,
  values: number,
  position: number,
): Generator<void, number | undefined> {
  const { cuts, prefixBytes } = table;
  if ((cuts[1] ?? values) >= values) return undefined;
  let crc: number | undefined;
  for (let i = 0; cuts[i]! < values; i += 1) {
    if (i > 0) yield;
    const from = cuts[i]! * 8;
    const to = Math.min(cuts[i + 1] ?? values, values) * 8;
    // A table that grows has other values with each piece.
    const bytes = new Uint8Array(table.values.buffer, prefixBytes + from, to - from);
    crc = crc32(bytes, crc);
    writeAll(file, bytes, position + from);
  }
  return crc;
}
