/** Reads one snapshot file again and again, while its writer goes on: in an order that never misses what slots refer to. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { GunicornOtelError } from '../errors.ts';
import { Dictionary } from './dictionary.ts';
import { decodeSnapshot, dictionaryEnd, HEADER_BYTES, type Snapshot } from './layout.ts';

// A write takes microseconds: a file that is torn so often in a row was left so.
const TRIES = 3;

// One buffer for all files of a thread: reads are synchronous, and a snapshot copies what it keeps.
let buffer = Buffer.alloc(64 * 1024);

/** Keeps what it has parsed of the file's dictionary, so that a read costs what the values cost. */
export class SnapshotReader {
  readonly #path: string;
  #dictionary = new Dictionary();

  constructor(path: string) {
    this.#path = path;
  }

  /**
   * What has been published last. Its metrics are the reader's own and grow with later reads; its values are a copy.
   *
   * @throws ENOENT and other system errors · GUNICORN_OTEL_ERR_SNAPSHOT_FOREIGN, _VERSION, _TORN
   */
  read(): Snapshot {
    for (let attempt = 1; ; attempt += 1) {
      const handle = openSync(this.#path, 'r');
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

  #decode(handle: number): Snapshot {
    const { size } = fstatSync(handle);
    if (size > buffer.length) buffer = Buffer.alloc(size * 2);
    const file = buffer.subarray(0, readSync(handle, buffer, 0, size, 0));
    // The dictionary is written before the slot that needs it, so it is read behind the slots.
    const end = Math.min(dictionaryEnd(file), file.length);
    readSync(handle, buffer, 0, end, 0);
    // A layout anew is another file, whose identity or first lines may differ.
    if (!this.#dictionary.isPrefixOf(file.subarray(HEADER_BYTES, end))) this.#dictionary = new Dictionary();
    return decodeSnapshot(file, this.#dictionary);
  }
}
