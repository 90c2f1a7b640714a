/** gzip at once, but in pieces, between which the thread yields its core; what comes out is one stream, as of any gzip. */
import { constants, crc32, deflateRawSync, gzipSync, type ZlibOptions } from 'node:zlib';
import { PIECE, yieldCore } from '../yield-core.ts';

/** Less than a millisecond of work. */
export const PIECE_BYTES = 1024 * 1024;
// What a piece may refer to of those before it; deflate knows no more.
const WINDOW_BYTES = 32 * 1024;
// RFC 1952: deflate, no name, no time, by an unknown system.
const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
const MIN_CHUNK_BYTES = 1024;
const { Z_FINISH, Z_SYNC_FLUSH } = constants;

/** What node:zlib gives for `info`. */
interface Compressed {
  readonly buffer: Buffer;
  readonly engine: { _outBuffer?: Buffer | undefined };
}

/**
 * @param level - of zlib
 * @returns as gzipSync, which it is for a single piece; a little more for each further one
 */
export function gzip(bytes: Buffer, level: number): Buffer {
  if (bytes.length <= PIECE_BYTES) return compress(gzipSync, bytes, { level });
  const pieces: Buffer[] = [HEADER];
  let crc = 0;
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    yieldCore(PIECE);
    const piece = bytes.subarray(at, at + PIECE_BYTES);
    const isLast = at + PIECE_BYTES >= bytes.length;
    const before = bytes.subarray(Math.max(0, at - WINDOW_BYTES), at);
    const finishFlush = isLast ? Z_FINISH : Z_SYNC_FLUSH;
    pieces.push(compress(deflateRawSync, piece, { level, finishFlush, ...(at > 0 && { dictionary: before }) }));
    crc = crc32(piece, crc);
  }
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(crc, 0);
  trailer.writeUInt32LE(bytes.length % 2 ** 32, 4);
  pieces.push(trailer);
  return Buffer.concat(pieces);
}

/** One call of node:zlib, that leaves little behind. @param by - such as gzipSync @param options - as it takes them */
export function compress<T extends object = ZlibOptions>(
  by: (bytes: Buffer, options: T) => Buffer,
  bytes: Buffer,
  options: T,
): Buffer {
  // What comes out is rarely more than an eighth, and is one piece then.
  const chunkSize = Math.max(MIN_CHUNK_BYTES, bytes.length >> 3);
  const { buffer, engine } = by(bytes, { ...options, chunkSize, info: true }) as unknown as Compressed;
  // It lives until V8 looks at its old objects (Node 24), and would keep what came out as long.
  engine._outBuffer = undefined;
  return buffer;
}
