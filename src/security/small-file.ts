/** Reads what somebody names as a file of a few lines: never waits for a pipe, never takes more than it was told to. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';

/**
 * @param maxBytes - a file that is larger is not read
 * @returns the file's text
 * @throws Error with a `code` of the system's, or one that says that it is no file or larger
 */
export function readSmallFile(path: string, maxBytes: number): string {
  // Opening a pipe that nobody writes to would not return.
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const entry = fstatSync(fd);
    if (!entry.isFile() && !entry.isDirectory()) throw new Error('it is no file');
    const bytes = Buffer.alloc(maxBytes + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length <= maxBytes; length += read) {
      read = readSync(fd, bytes, length, bytes.length - length, null);
    }
    if (length > maxBytes) throw new Error(`it has more than ${maxBytes / 1024} KiB`);
    return bytes.toString('utf8', 0, length);
  } finally {
    closeSync(fd);
  }
}

/** Why a file could not be read: the system's code where there is one. */
export function whyUnread(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? (error as Error).message;
}
