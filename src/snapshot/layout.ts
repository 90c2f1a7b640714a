/**
 * The bytes of a snapshot file, both ways. The rule: a reader never takes for right what a writer did not finish.
 *
 *   header (64 B)   magic, version, capacities, identity length, crc
 *   dictionary      JSON lines: identity, then metrics and series; append-only
 *   slot A, slot B  slot header (48 B), then the float64 values; written in turn, so one of them is always whole
 *
 * Numbers are in the machine's byte order: a file is read on the machine that wrote it.
 */

import { crc32 } from 'node:zlib';
import { GunicornOtelError } from '../errors.ts';
import { Dictionary, type Metric } from './dictionary.ts';
import type { Task } from './process-mark.ts';
import type { SeriesTable } from './series-table.ts';

/** Raised with every change to the bytes; a reader takes no other. */
export const FORMAT_VERSION = 1;
/** Bytes in front of the dictionary. */
export const HEADER_BYTES = 64;
/** Bytes in front of the values of a slot. */
export const SLOT_HEADER_BYTES = 48;
const MAGIC = 'GOTELSNP';

export type Role = 'primary' | 'single' | 'worker' | 'child' | 'thread' | 'totals';

/** What a worker says of its own state. That it does not answer at all is for others to say. */
export interface WorkerCondition {
  readonly name: 'running' | 'quitting' | 'aborting';
  /** Unix seconds. */
  readonly sinceSeconds: number;
}

/** Who wrote a snapshot. */
export interface Identity {
  readonly role: Role;
  /** Value of the `worker_id` label. */
  readonly workerId: string;
  readonly pid: number;
  /** What tells this process from a later one with the same pid: clock ticks since boot, or unix ms where those cannot be had. */
  readonly processStart: number;
  /** 0: the main thread. */
  readonly threadId: number;
  /** Unix seconds. */
  readonly startSeconds: number;
  /** Version of this package. */
  readonly version: string;
  /** Not there: running since its start. */
  readonly state?: WorkerCondition;
  /** The worker's id comes back with its successor, and its counters go on under it. */
  readonly lasting?: boolean;
  /** Of a worker thread, where the system tells: by which others see that it has ended. */
  readonly task?: Task;
  /** A thread that has ended while its process lives on. */
  readonly ended?: boolean;
  /** With which code it has; not there: it only measures no more. */
  readonly exitCode?: number;
  /** Totals only: files whose values are in here already and which are to be deleted, never added again. */
  readonly folded?: readonly string[];
}

/** What one process has published, read whole. */
export interface Snapshot {
  readonly identity: Identity;
  readonly metrics: readonly Metric[];
  /** Shorter than some series' offset when an older slot was read: such a series is not in this snapshot. */
  readonly values: Float64Array;
  readonly sequence: number;
  /** Unix ms. */
  readonly writtenAtMs: number;
}

/** How much room a file has before it must be laid out anew. */
export interface Capacity {
  readonly dictionaryBytes: number;
  readonly values: number;
}

/** Where a slot begins in the file. */
export function slotOffset(capacity: Capacity, slot: number): number {
  return HEADER_BYTES + capacity.dictionaryBytes + slot * (SLOT_HEADER_BYTES + capacity.values * 8);
}

/** The first bytes of a file. @param identityBytes - length of the dictionary's first line */
export function encodeHeader(capacity: Capacity, identityBytes: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.write(MAGIC, 0, 'latin1');
  const words = new Uint32Array(header.buffer, header.byteOffset, HEADER_BYTES / 4);
  words.set([FORMAT_VERSION, capacity.dictionaryBytes, capacity.values, identityBytes], 2);
  words[6] = crc32(header.subarray(0, 24));
  return header;
}

/**
 * Fills the slot header that stands in front of a table's values.
 *
 * @param slot - the table's whole buffer, prefix and values
 * @param values - how many values are in use
 */
export function encodeSlotHeader(
  slot: Uint8Array,
  sequence: number,
  writtenAtMs: number,
  dictionaryBytes: number,
  dictionaryCrc: number,
  values: number,
): void {
  const floats = new Float64Array(slot.buffer, slot.byteOffset, 2);
  floats[0] = sequence;
  floats[1] = writtenAtMs;
  const words = new Uint32Array(slot.buffer, slot.byteOffset, SLOT_HEADER_BYTES / 4);
  words[4] = dictionaryBytes;
  words[5] = dictionaryCrc;
  words[6] = values;
  words[7] = crc32(slot.subarray(SLOT_HEADER_BYTES, SLOT_HEADER_BYTES + values * 8));
  words[8] = crc32(slot.subarray(0, 32));
}

/** A whole file in one piece, for those who write once: the totals, and tests. */
export function encodeSnapshot(identity: Identity, table: SeriesTable, writtenAtMs: number): Buffer {
  const identityLine = Buffer.from(`${JSON.stringify(identity)}\n`);
  const dictionary = Buffer.concat([identityLine, Buffer.from(table.dictionary.map((line) => `${line}\n`).join(''))]);
  const capacity = { dictionaryBytes: alignTo8(dictionary.length), values: table.used };
  const slot = new Uint8Array(SLOT_HEADER_BYTES + table.used * 8);
  slot.set(new Uint8Array(table.values.buffer, table.values.byteOffset, table.used * 8), SLOT_HEADER_BYTES);
  encodeSlotHeader(slot, 1, writtenAtMs, dictionary.length, crc32(dictionary), table.used);
  const file = Buffer.alloc(slotOffset(capacity, 2));
  file.set(encodeHeader(capacity, identityLine.length), 0);
  file.set(dictionary, HEADER_BYTES);
  file.set(slot, slotOffset(capacity, 0));
  return file;
}

/**
 * Reads a file's bytes.
 *
 * @param file - the whole file
 * @param known - what an earlier read of the same file (same inode) left; appended to
 * @throws GUNICORN_OTEL_ERR_SNAPSHOT_FOREIGN when it is no snapshot · _VERSION when another version's ·
 *   _TORN when no slot is whole
 */
export function decodeSnapshot(file: Buffer, known: Dictionary = new Dictionary()): Snapshot {
  const { capacity } = decodeHeader(file);
  const slots = [decodeSlot(file, capacity, 0), decodeSlot(file, capacity, 1)].filter((slot) => slot !== undefined);
  slots.sort((a, b) => b.sequence - a.sequence);
  for (const slot of slots) {
    const dictionary = file.subarray(HEADER_BYTES, HEADER_BYTES + slot.dictionaryBytes);
    if (crc32(dictionary) !== slot.dictionaryCrc) continue;
    try {
      // The older slot may know fewer series than an earlier read did: those have no cell in `values` yet.
      if (slot.dictionaryBytes > known.parsedBytes) known.append(dictionary.subarray(known.parsedBytes));
      if (known.identity) {
        return {
          identity: known.identity,
          metrics: known.metrics,
          values: slot.values,
          sequence: slot.sequence,
          writtenAtMs: slot.writtenAtMs,
        };
      }
    } catch (cause) {
      throw new GunicornOtelError('GUNICORN_OTEL_ERR_SNAPSHOT_FOREIGN', 'its dictionary cannot be read', { cause });
    }
  }
  throw new GunicornOtelError('GUNICORN_OTEL_ERR_SNAPSHOT_TORN', 'no slot of it is whole');
}

/** Where the dictionary's room ends; 0 for a file that is too short to tell. */
export function dictionaryEnd(file: Buffer): number {
  if (file.length < HEADER_BYTES) return 0;
  return HEADER_BYTES + new Uint32Array(file.buffer.slice(file.byteOffset, file.byteOffset + 16))[3]!;
}

function decodeHeader(file: Buffer): { capacity: Capacity } {
  if (file.length < HEADER_BYTES) {
    throw new GunicornOtelError('GUNICORN_OTEL_ERR_SNAPSHOT_TORN', `it has ${file.length} bytes`);
  }
  if (file.toString('latin1', 0, 8) !== MAGIC) {
    throw new GunicornOtelError('GUNICORN_OTEL_ERR_SNAPSHOT_FOREIGN', 'it is no snapshot file');
  }
  const words = new Uint32Array(file.buffer.slice(file.byteOffset, file.byteOffset + HEADER_BYTES));
  if (words[2] !== FORMAT_VERSION) {
    throw new GunicornOtelError(
      'GUNICORN_OTEL_ERR_SNAPSHOT_VERSION',
      `it has format ${words[2]}, this is ${FORMAT_VERSION}`,
    );
  }
  if (words[6] !== crc32(file.subarray(0, 24))) {
    throw new GunicornOtelError('GUNICORN_OTEL_ERR_SNAPSHOT_TORN', 'its header is damaged');
  }
  return { capacity: { dictionaryBytes: words[3]!, values: words[4]! } };
}

function decodeSlot(file: Buffer, capacity: Capacity, index: number) {
  const start = slotOffset(capacity, index);
  const head = file.subarray(start, start + SLOT_HEADER_BYTES);
  if (head.length < SLOT_HEADER_BYTES) return undefined;
  const copy = head.buffer.slice(head.byteOffset, head.byteOffset + SLOT_HEADER_BYTES);
  const [sequence, writtenAtMs] = new Float64Array(copy, 0, 2) as unknown as [number, number];
  const words = new Uint32Array(copy);
  const [dictionaryBytes, dictionaryCrc, length, valuesCrc] = words.subarray(4, 8) as unknown as number[];
  if (sequence === 0 || words[8] !== crc32(head.subarray(0, 32)) || length! > capacity.values) return undefined;
  const bytes = file.subarray(start + SLOT_HEADER_BYTES, start + SLOT_HEADER_BYTES + length! * 8);
  if (bytes.length !== length! * 8 || crc32(bytes) !== valuesCrc) return undefined;
  const values = new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  return { sequence, writtenAtMs, dictionaryBytes: dictionaryBytes!, dictionaryCrc, values };
}

/** The next multiple of eight: float64 values begin there. */
export function alignTo8(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}
