/** Answers as they go over the wire: compressed at once, or copied, for what they are made of may be written to again. */
import zlib from 'node:zlib';
import { compress, gzip } from './gzip.ts';
import type { Coding } from './negotiation.ts';

/** The bytes of an answer; nobody writes to them any more, so that many answers may share them. */
export interface Encoded {
  readonly bytes: Buffer;
  readonly coding: Coding;
}

type Compress = (bytes: Buffer) => Buffer;

// Below this a compressed answer is no smaller on the wire.
const MIN_COMPRESSED_BYTES = 1024;
// The default takes more than twice the time, longer than all else of a large scrape, for a seventh less bytes.
const GZIP_LEVEL = 1;
// Half the time of gzip's for fewer bytes; the default of 3 takes twice as long for a few more.
const ZSTD_LEVEL = 1;
// Of Node 22.15 and later.
const { zstdCompressSync, constants } = zlib as unknown as {
  zstdCompressSync?: (bytes: Buffer, options: object) => Buffer;
  constants: { ZSTD_c_compressionLevel?: number };
};

/** Codings that there are in this Node, best first. */
export const CODINGS: readonly Coding[] = [...(zstdCompressSync ? (['zstd'] as const) : []), 'gzip'];

// None is the asynchronous one: its threads are the process's, and the app may keep them busy.
const COMPRESS: Readonly<Record<Coding, Compress | undefined>> = {
  zstd:
    zstdCompressSync &&
    ((bytes) =>
      compress(zstdCompressSync, bytes, { params: { [Number(constants.ZSTD_c_compressionLevel)]: ZSTD_LEVEL } })),
  gzip: (bytes) => gzip(bytes, GZIP_LEVEL),
  identity: undefined,
};

/** @param coding - one of CODINGS, or identity; what would not become smaller is left as it is */
export function encode(body: string | Buffer, coding: Coding): Encoded {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  const compress = bytes.length < MIN_COMPRESSED_BYTES ? undefined : COMPRESS[coding];
  if (!compress) return { bytes: bytes === body ? Buffer.from(bytes) : bytes, coding: 'identity' };
  return { bytes: compress(bytes), coding };
}
