/**
 * The bytes of a snapshot file, both ways. The rule: a reader never takes for right what a writer did not finish.
 *
 *   header (64 B)   magic, format, capacities, version of the writer, crc
 *   dictionary      JSON lines: identity, then metrics and series; append-only
 *   slot A, slot B  slot header (48 B), then the float64 values; written in turn, so one of them is always whole
 *
 * Numbers are in the machine's byte order, and times those of its monotonic clock: a file is read on the machine that
 * wrote it. Magic, format, version and crc of the header are where they are in every format to come.
 */

import { crc32 } from 'node:zlib';
import { GunicornOtelError, messageOf } from '../errors.ts';
import { Dictionary, type Metric } from './dictionary.ts';
import type { Task } from './process-mark.ts';
import { cellWidth, type SeriesTable } from './series-table.ts';
import { SLOT_HEADER_BYTES, Slot } from './slot.ts';

/** Raised with every change to the bytes; a reader takes no other. */
export const FORMAT_VERSION = 2;
/** Bytes in front of the dictionary. */
export const HEADER_BYTES = 64;
const MAGIC = 'GOTELSNP';
const VERSION_AT = 20;
const CRC_AT = 60;
// More than a million histograms: what says that it is larger is not ours, and must not make a reader take the memory.
const MAX_FILE_BYTES = 256 * 1024 * 1024;

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
  /** The same start by the monotonic clock; where it is not there, startSeconds is all that is known. */
  readonly startedMonotonicMs?: number;
  /** Not there: running since its start. */
  readonly state?: WorkerCondition;
  /** The worker's id comes back with its successor, and its counters go on under it. */
  readonly lasting?: boolean;
  /** Of a worker thread, where the system tells: by which others see that it has ended. */
  readonly task?: Task;
  /** It has ended in good order, and says so to those who cannot look at it: its process lives on, or is out of sight. */
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
  /** By the clock that all processes of the machine share, see monotonic.ts. */
  readonly writtenAtMonotonicMs: number;
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

/** The first bytes of a file. @param version - of this package; for readers of another one */
export function encodeHeader(capacity: Capacity, version: string): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.write(MAGIC, 0, 'latin1');
  const words = new Uint32Array(header.buffer, header.byteOffset, HEADER_BYTES / 4);
  words.set([FORMAT_VERSION, capacity.dictionaryBytes, capacity.values], 2);
  header.write(version, VERSION_AT, CRC_AT - VERSION_AT, 'latin1');
  words[CRC_AT / 4] = crc32(header.subarray(0, CRC_AT));
  return header;
}

/** A whole file in one piece, for those who write once: the totals, and tests. */
export function encodeSnapshot(
  identity: Identity,
  table: SeriesTable,
  writtenAtMonotonicMs: number,
  sequence = 1,
): Buffer {
  const identityLine = Buffer.from(`${JSON.stringify(identity)}\n`);
  const dictionary = Buffer.concat([identityLine, Buffer.from(table.dictionary.map((line) => `${line}\n`).join(''))]);
  const capacity = { dictionaryBytes: alignTo8(dictionary.length), values: table.used };
  const slot = new Uint8Array(SLOT_HEADER_BYTES + table.used * 8);
  slot.set(new Uint8Array(table.values.buffer, table.values.byteOffset, table.used * 8), SLOT_HEADER_BYTES);
  new Slot(slot).encode(sequence, writtenAtMonotonicMs, dictionary.length, crc32(dictionary), table.used);
  const file = Buffer.alloc(slotOffset(capacity, 2));
  file.set(encodeHeader(capacity, identity.version), 0);
  file.set(dictionary, HEADER_BYTES);
  file.set(slot, slotOffset(capacity, 0));
  return file;
}

/**
 * Reads a file's bytes.
 *
 * @param file - the whole file
 * @param known - what an earlier read of the same file (same inode) left; appended to
 * @param spare - memory for the values, taken where it is just as long
 * @throws GUNICORN_OTEL_ERR_SNAPSHOT_FOREIGN when it is no snapshot · _VERSION when another version's ·
 *   _TORN when no slot is whole
 */
export function decodeSnapshot(file: Buffer, known: Dictionary = new Dictionary(), spare?: Float64Array): Snapshot {
  const capacity = decodeHeader(file);
  const slots = [decodeSlot(file, capacity, 0), decodeSlot(file, capacity, 1)].filter((slot) => slot !== undefined);
  slots.sort((a, b) => b.sequence - a.sequence);
  for (const { sequence, writtenAtMonotonicMs, dictionaryBytes, dictionaryCrc, bytes, valuesCrc } of slots) {
    const dictionary = file.subarray(HEADER_BYTES, HEADER_BYTES + dictionaryBytes);
    if (crc32(dictionary) !== dictionaryCrc || crc32(bytes) !== valuesCrc) continue;
    try {
      // The older slot may know fewer series than an earlier read did: those have no cell in `values` yet.
      if (dictionaryBytes > known.parsedBytes) known.append(dictionary.subarray(known.parsedBytes));
    } catch (cause) {
      throw foreign(`its dictionary cannot be read: ${messageOf(cause)}`, { cause });
    }
    if (!known.identity) continue;
    const values = spare?.byteLength === bytes.length ? spare : new Float64Array(bytes.length / 8);
    new Uint8Array(values.buffer, values.byteOffset, bytes.length).set(bytes);
    if (hasEndlessSum(known.metrics, values)) throw foreign('it has a sum that is no number');
    return { identity: known.identity, metrics: known.metrics, values, sequence, writtenAtMonotonicMs };
  }
  throw torn('no slot of it is whole');
}

/**
 * How large the parts of a file are.
 *
 * @param file - its first HEADER_BYTES at the least
 * @throws GUNICORN_OTEL_ERR_SNAPSHOT_FOREIGN, _VERSION, _TORN as decodeSnapshot does
 */
export function decodeHeader(file: Buffer): Capacity {
  if (file.length < HEADER_BYTES) throw torn(`it has ${file.length} bytes`);
  if (file.toString('latin1', 0, MAGIC.length) !== MAGIC) throw foreign('it is no snapshot file');
  const words = new Uint32Array(file.buffer.slice(file.byteOffset, file.byteOffset + HEADER_BYTES));
  if (words[CRC_AT / 4] !== crc32(file.subarray(0, CRC_AT))) throw torn('its header is damaged');
  if (words[2] !== FORMAT_VERSION) {
    const version = file.toString('latin1', VERSION_AT, CRC_AT).replace(/[^!-~].*$/s, '') || 'that is not known';
    throw new GunicornOtelError(
      'GUNICORN_OTEL_ERR_SNAPSHOT_VERSION',
      `it has format ${words[2]}, written by version ${version}, and this version reads format ${FORMAT_VERSION}`,
    );
  }
  const capacity = { dictionaryBytes: words[3]!, values: words[4]! };
  if (slotOffset(capacity, 2) > MAX_FILE_BYTES) throw foreign('it is larger than a snapshot can be');
  return capacity;
}

function decodeSlot(file: Buffer, capacity: Capacity, index: number) {
  const start = slotOffset(capacity, index);
  const head = file.subarray(start, start + SLOT_HEADER_BYTES);
  if (head.length < SLOT_HEADER_BYTES) return undefined;
  const copy = head.buffer.slice(head.byteOffset, head.byteOffset + SLOT_HEADER_BYTES);
  const [sequence, writtenAtMonotonicMs] = new Float64Array(copy, 0, 2) as unknown as [number, number];
  const words = new Uint32Array(copy);
  const [dictionaryBytes, dictionaryCrc, length, valuesCrc] = words.subarray(4, 8) as unknown as [
    number,
    number,
    number,
    number,
  ];
  if (words[8] !== crc32(head.subarray(0, 32))) return undefined;
  if (!(sequence > 0 && Number.isFinite(sequence) && Number.isFinite(writtenAtMonotonicMs))) return undefined;
  if (length > capacity.values || dictionaryBytes > capacity.dictionaryBytes) return undefined;
  const bytes = file.subarray(start + SLOT_HEADER_BYTES, start + SLOT_HEADER_BYTES + length * 8);
  if (bytes.length !== length * 8) return undefined;
  return { sequence, writtenAtMonotonicMs, dictionaryBytes, dictionaryCrc, bytes, valuesCrc };
}

// One NaN or Infinity would stay in the sums of everybody for ever. What is set and not added may be either.
function hasEndlessSum(metrics: readonly Metric[], values: Float64Array): boolean {
  let zero = 0;
  for (let i = 0; i < values.length; i += 1) zero += values[i]! * 0;
  if (zero === 0) return false;
  return metrics.some(({ descriptor, series }) => {
    if (descriptor.kind === 'gauge' || descriptor.kind === 'event') return false;
    const width = cellWidth(descriptor);
    return series.some(({ offset }) => !values.subarray(offset, offset + width).every(Number.isFinite));
  });
}

function torn(message: string): GunicornOtelError {
  return new GunicornOtelError('GUNICORN_OTEL_ERR_SNAPSHOT_TORN', message);
}

/** The error for what this package has not written. */
export function foreign(message: string, options?: ErrorOptions): GunicornOtelError {
  return new GunicornOtelError('GUNICORN_OTEL_ERR_SNAPSHOT_FOREIGN', message, options);
}

/** The next multiple of eight: float64 values begin there. */
export function alignTo8(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}
