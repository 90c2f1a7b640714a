/** Reads one snapshot file again and again, while its writer goes on: in an order that never misses what slots refer to. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { GunicornOtelError } from '../errors.ts';
import { PIECE, yieldCore } from '../yield-core.ts';
import { Dictionary } from './dictionary.ts';
import type { FileOwner } from './directory.ts';
import {
  decodeHeader,
  decodeSnapshot,
  foreign,
  HEADER_BYTES,
  type Identity,
  type Snapshot,
  slotOffset,
} from './layout.ts';

// A write takes microseconds: a file that is torn so often in a row was left so.
const TRIES = 3;
// A pipe under a snapshot's name would keep its reader waiting for ever, a link would lead anywhere.
const { O_RDONLY, O_NONBLOCK = 0, O_NOFOLLOW = 0 } = constants;
const FLAGS = O_RDONLY | O_NONBLOCK | O_NOFOLLOW;

// One buffer for all files of a thread: reads are synchronous, and a snapshot copies what it keeps.
let buffer = Buffer.alloc(64 * 1024);
// A larger file is read into memory that is given back.
const KEPT_BYTES = 16 * 1024 * 1024;

/** Keeps what it has parsed of the file's dictionary, so that a read costs what the values cost. */
export class SnapshotReader {
  readonly #path: string;
  readonly #owner: FileOwner | undefined;
  #dictionary = new Dictionary();
  #newestMonotonicMs = Number.NEGATIVE_INFINITY;
  #spare: Float64Array | undefined;

  /** @param owner - who must have written it; a file under another's name is a foreign one */
  constructor(path: string, owner?: FileOwner) {
    this.#path = path;
    this.#owner = owner;
  }

  /**
   * What has been published last; never something older than a read before has given. Its metrics are the reader's own
   * and grow with later reads; its values are a copy, for as long as they are not given back.
   *
   * @throws ENOENT and other system errors · GUNICORN_OTEL_ERR_SNAPSHOT_FOREIGN, _VERSION, _TORN
   */
  read(): Snapshot {
    yieldCore(PIECE);
    for (let attempt = 1; ; attempt += 1) {
      const handle = openFile(this.#path);
      try {
        return this.#decode(handle);
      } catch (error) {
        const torn = error instanceof GunicornOtelError && error.code === 'GUNICORN_OTEL_ERR_SNAPSHOT_TORN';
        if (!torn || attempt === TRIES) throw error;
      } finally {
        closeSync(handle);
      }
    }
  }

  /** Gives back the values of a snapshot that nobody looks at any more: a later one is read into their memory. */
  giveBack({ values }: Snapshot): void {
    this.#spare = values;
  }

  #decode(handle: number): Snapshot {
    const stat = fstatSync(handle);
    if (!stat.isFile()) throw foreign('it is no file');
    const capacity = decodeHeader(buffer.subarray(0, readSync(handle, buffer, 0, HEADER_BYTES, 0)));
    // What the header says decides: a file of any other size is damaged, and may be as large as its disk.
    const target = bufferOf(Math.min(stat.size, slotOffset(capacity, 2)));
    const file = target.subarray(0, readSync(handle, target, 0, target.length, 0));
    // The dictionary is written before the slot that needs it, so it is read behind the slots.
    const end = Math.min(slotOffset(capacity, 0), file.length);
    readSync(handle, target, 0, end, 0);
    // A layout anew is another file, whose identity or first lines may differ.
    if (!this.#dictionary.isPrefixOf(file.subarray(HEADER_BYTES, end))) this.#dictionary = new Dictionary();
    const snapshot = decodeSnapshot(file, this.#dictionary, this.#spare);
    const { identity } = snapshot;
    if (this.#owner && !isBy(this.#owner, identity)) throw foreign(`process ${identity.pid} has written it`);
    // The newer slot is damaged, or somebody has put an old file back: what only grows must not fall.
    if (snapshot.writtenAtMonotonicMs < this.#newestMonotonicMs) {
      throw new GunicornOtelError('GUNICORN_OTEL_ERR_SNAPSHOT_TORN', 'only an older state of it is whole');
    }
    this.#newestMonotonicMs = snapshot.writtenAtMonotonicMs;
    this.#spare = undefined;
    return snapshot;
  }
}

function openFile(path: string): number {
  try {
    return openSync(path, FLAGS);
  } catch (error) {
    // A link; or a socket, which cannot be opened.
    if (!['ELOOP', 'ENXIO'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    throw foreign('it is no file', { cause: error });
  }
}

function isBy({ mark, threadId }: FileOwner, identity: Identity): boolean {
  return identity.pid === mark.pid && identity.processStart === mark.processStart && identity.threadId === threadId;
}

function bufferOf(bytes: number): Buffer {
  if (bytes > KEPT_BYTES) return Buffer.allocUnsafeSlow(bytes);
  if (bytes > buffer.length) buffer = Buffer.alloc(2 ** Math.ceil(Math.log2(bytes)));
  return buffer.subarray(0, bytes);
}
