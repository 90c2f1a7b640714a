/** gzip at once, but in pieces, between which the thread yields its core; what comes out is one stream, as of any gzip. */
import { constants, crc32, deflateRawSync, gzipSync } from 'node:zlib';
import { PIECE, yieldCore } from '../yield-core.ts';

/** Less than a millisecond of work. */
export const PIECE_BYTES = 1024 * 1024;
// What a piece may refer to of those before it; deflate knows no more.
const WINDOW_BYTES = 32 * 1024;
// RFC 1952: deflate, no name, no time, by an unknown system.
const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
const MIN_CHUNK_BYTES = 1024;
const { Z_FINISH, Z_SYNC_FLUSH } = constants;

/**
 * @param level - of zlib
 * @returns as gzipSync, which it is for a single piece; a little more for each further one
 */
export function gzip(bytes: Buffer, level: number): Buffer {
  if (bytes.length <= PIECE_BYTES) return gzipSync(bytes, { level, chunkSize: chunkSizeOf(bytes) });
  const pieces = [HEADER];
  let crc = 0;
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    yieldCore(PIECE);
    const piece = bytes.subarray(at, at + PIECE_BYTES);
    const isLast = at + PIECE_BYTES >= bytes.length;
    const before = bytes.subarray(Math.max(0, at - WINDOW_BYTES), at);
    const finishFlush = isLast ? Z_FINISH : Z_SYNC_FLUSH;
    const chunkSize = chunkSizeOf(piece);
    pieces.push(deflateRawSync(piece, { level, finishFlush, chunkSize, ...(at > 0 && { dictionary: before }) }));
    crc = crc32(piece, crc);
  }
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(crc, 0);
  trailer.writeUInt32LE(bytes.length % 2 ** 32, 4);
  pieces.push(trailer);
  return Buffer.concat(pieces);
}

/** What comes out is rarely more than an eighth, and lies in chunks of 16 KB unless told, until V8 collects its old objects. */
export function chunkSizeOf(bytes: Buffer): number {
  return Math.max(MIN_CHUNK_BYTES, bytes.length >> 3);
}
