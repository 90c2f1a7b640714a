/**
 * The next file of a table that outgrew its own: its names and the whole room of its slots, piece by piece, so that no
 * piece holds up the loop for long.
 */
import { openSync, unlinkSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { tryClose, writeAll } from './handle.ts';
import { alignTo8, type Capacity, encodeHeader, type Identity, slotOffset } from './layout.ts';
import { PIECE_BYTES, type SeriesTable } from './series-table.ts';

const FILE_MODE = 0o600;
const MIN_DICTIONARY_BYTES = 4096;
// A character may take three bytes, and making a text of lines takes longer than writing it.
const PIECE_CHARACTERS = PIECE_BYTES / 4;
// To find pages for a file takes longer than to write to those that it has.
const ROOM_PIECE_BYTES = PIECE_BYTES / 2;

/** How a file is laid out, and how much of the table's dictionary is in it. */
export interface Layout {
  readonly capacity: Capacity;
  readonly dictionaryLines: number;
  readonly dictionaryBytes: number;
  readonly dictionaryCrc: number;
  /** How many of the table's values these lines tell of. */
  readonly values: number;
}

/** Of no file. */
export const NO_LAYOUT: Layout = {
  capacity: { dictionaryBytes: 0, values: 0 },
  dictionaryLines: 0,
  dictionaryBytes: 0,
  dictionaryCrc: 0,
  values: 0,
};

/** A file that has no values yet, under the name that `.new` is added to. */
export interface NextFile {
  readonly file: number;
  readonly layout: Layout;
}

/**
 * Makes the file beside `path`; a piece with each `next`, all of it with the first where there is no more. It takes its
 * whole place on the disk at once: who has a file can write to it however full the disk becomes. Given up by `return`, or
 * where it fails, it leaves nothing.
 *
 * @throws system errors
 */
export function* layOut(path: string, identity: Identity, table: SeriesTable): Generator<void, NextFile> {
  const texts = [jsonLines([JSON.stringify(identity)])];
  let dictionaryLines = 0;
  let dictionaryCrc = crc32(texts[0]!);
  for (const lines of linesOf(table, 0)) {
    if (dictionaryLines > 0) yield;
    const text = jsonLines(lines);
    texts.push(text);
    dictionaryLines += lines.length;
    dictionaryCrc = crc32(text, dictionaryCrc);
  }
  const { used: values } = table;
  const dictionaryBytes = texts.reduce((sum, { length }) => sum + length, 0);
  const capacity = {
    dictionaryBytes: alignTo8(Math.max(MIN_DICTIONARY_BYTES, dictionaryBytes * 2)),
    values: table.values.length,
  };
  const parts = [encodeHeader(capacity, identity.version), ...texts];
  const file = openSync(nameOf(path), 'w+', FILE_MODE);
  let isWhole = false;
  try {
    let at = 0;
    for (const piece of piecesOf(parts, slotOffset(capacity, 2))) {
      if (at > 0) yield;
      writeAll(file, piece, at);
      at += piece.length;
    }
    isWhole = true;
  } finally {
    if (!isWhole) discard(path, file);
  }
  return { file, layout: { capacity, dictionaryLines, dictionaryBytes, dictionaryCrc, values } };
}

/** The name of a file while it is not yet the one under `path`. */
export function nameOf(path: string): string {
  return `${path}.new`;
}

/** Deletes a next file. @throws never */
export function discard(path: string, file: number): void {
  tryClose(file);
  try {
    unlinkSync(nameOf(path));
  } catch {
    // It was never made, or the directory is gone with it.
  }
}

/** The lines of a table's dictionary behind the first `from`, as many at a time as make a piece. */
export function* linesOf({ dictionary }: SeriesTable, from: number): Generator<string[]> {
  for (let next = from; next < dictionary.length; ) {
    const first = next;
    for (let length = 0; next < dictionary.length && length < PIECE_CHARACTERS; next += 1) {
      length += dictionary[next]!.length;
    }
    yield dictionary.slice(first, next);
  }
}

/** Lines as they stand in a file. */
export function jsonLines(lines: readonly string[]): Buffer {
  return Buffer.from(lines.map((line) => `${line}\n`).join(''));
}

// The parts one behind the other, then zeros. Pieces are as large as can be: pages that are written first together are
// kept together, and written to faster ever after.
function* piecesOf(parts: readonly Uint8Array[], size: number): Generator<Uint8Array> {
  const left = [...parts];
  const zeros = new Uint8Array(size > PIECE_BYTES ? ROOM_PIECE_BYTES : size);
  for (let at = 0; at < size; at += zeros.length) {
    const piece = left[0] ? new Uint8Array(zeros.length) : zeros;
    for (let filled = 0; left[0] && filled < piece.length; ) {
      const bytes = left[0].subarray(0, piece.length - filled);
      piece.set(bytes, filled);
      filled += bytes.length;
      if (bytes.length === left[0].length) left.shift();
      else left[0] = left[0].subarray(bytes.length);
    }
    yield piece.subarray(0, size - at);
  }
}
