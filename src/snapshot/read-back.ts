/** What is written once into a file, header and names, read back: damage there would last as long as the process. */
import { crc32 } from 'node:zlib';
import { hasName, readAt } from './handle.ts';
import { encodeHeader, HEADER_BYTES } from './layout.ts';
import type { Layout } from './next-file.ts';
import { PIECE_BYTES } from './series-table.ts';

/**
 * Reads PIECE_BYTES of the names with each `next`, and begins anew where it has come to their end.
 *
 * @param path - of the file, as others find it
 * @param version - as the header has it
 * @param layoutOf - the file's layout as it is at the time
 * @returns whether the file has its name and what was read is right; names are known to be when the last of them is read
 */
export function* readBack(
  file: number,
  path: string,
  version: string,
  layoutOf: () => Layout,
): Generator<boolean, never> {
  for (let [done, crc] = [0, 0]; ; ) {
    let isRight = false;
    try {
      const { capacity, dictionaryBytes, dictionaryCrc } = layoutOf();
      const header = readAt(file, 0, HEADER_BYTES);
      const names = readAt(file, HEADER_BYTES + done, Math.min(dictionaryBytes - done, PIECE_BYTES));
      [done, crc] = [done + names.length, crc32(names, crc)];
      const areNames = done < dictionaryBytes ? names.length > 0 : crc === dictionaryCrc;
      isRight = hasName(file, path) && areNames && encodeHeader(capacity, version).equals(header);
      if (done >= dictionaryBytes) [done, crc] = [0, 0];
    } catch {
      // It cannot even be read.
    }
    yield isRight;
  }
}
