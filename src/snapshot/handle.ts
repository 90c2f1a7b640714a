/** What is done with the handle of an open file. The rule: a write is whole, or it is an error. */
import { closeSync, existsSync, fstatSync, readSync, writeSync } from 'node:fs';

/** Writes all of it: a write to a full disk may come back short without an error. @throws system errors */
export function writeAll(file: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; ) {
    const written = writeSync(file, bytes, done, bytes.length - done, position + done);
    if (written === 0) throw Object.assign(new Error('ENOSPC: nothing was written'), { code: 'ENOSPC' });
    done += written;
  }
}

/** @returns what there is of it @throws system errors */
export function readAt(file: number, position: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  return bytes.subarray(0, readSync(file, bytes, 0, length, position));
}

/** Whether the file is still where others look for it: its directory may have been moved, too. A handle that is no good any more (closed by others, stale on a network disk) names nothing. */
export function hasName(file: number, path: string): boolean {
  try {
    return fstatSync(file).nlink > 0 && existsSync(path);
  } catch {
    return false;
  }
}

/** @throws never */
export function tryClose(file: number): void {
  try {
    closeSync(file);
  } catch {
    // It was no good any more.
  }
}
