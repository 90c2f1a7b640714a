/** Holds src/server/content-coding.ts: each coding that this Node has gives back what went in, and nobody's memory goes out. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import zlib from 'node:zlib';
import { CODINGS, encode } from '../src/server/content-coding.ts';
import type { Coding } from '../src/server/negotiation.ts';
import { LONG, serve } from './served-endpoint.ts';

// In the types of Node 20 there is none.
const { zstdDecompressSync } = zlib as unknown as { zstdDecompressSync?: (bytes: Buffer) => Buffer };
const UNPACK: Record<Coding, (bytes: Buffer) => Buffer> = {
  zstd: (bytes) => zstdDecompressSync!(bytes),
  gzip: (bytes) => zlib.gunzipSync(bytes),
  identity: (bytes) => bytes,
};

test('zstd is offered where Node has it, before gzip, and nowhere else', () => {
  assert.deepEqual(CODINGS, zstdDecompressSync ? ['zstd', 'gzip'] : ['gzip']);
});

test('what is encoded is what comes out again, of any size', () => {
  for (const coding of [...CODINGS, 'identity'] as const) {
    for (const text of ['', 'größe', LONG, LONG.repeat(1000)]) {
      const { bytes, coding: used } = encode(text, coding);
      assert.equal(String(UNPACK[used](bytes)), text);
      assert.equal(used, text.length < 1024 ? 'identity' : coding);
      assert.ok(used === 'identity' || bytes.length < text.length);
    }
  }
});

test('memory that is written to again is in no answer', () => {
  for (const coding of [...CODINGS, 'identity'] as const) {
    for (const length of [10, 5000]) {
      const memory = Buffer.alloc(length, 'a');
      const { bytes, coding: used } = encode(memory, coding);
      memory.fill('b');
      assert.equal(String(UNPACK[used](bytes)), 'a'.repeat(length));
    }
  }
});

test('who takes zstd and gzip is answered with the best that there is', async (t) => {
  const { get } = await serve(t);
  const answer = await get('/metrics', { 'accept-encoding': 'gzip, deflate, br, zstd' });
  const coding = answer.headers['content-encoding'] as Coding;
  assert.equal(coding, CODINGS[0]);
  assert.equal(String(UNPACK[coding](answer.bytes)), LONG);
});
