/** Holds src/server/gzip.ts: what is compressed in pieces is one stream, which any reader of gzip reads to its end. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { crc32, gunzipSync, inflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { gzip, PIECE_BYTES } from '../src/server/gzip.ts';

const HEADER_BYTES = 10;
const TRAILER_BYTES = 8;

for (const size of [1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 2 * PIECE_BYTES, 2 * PIECE_BYTES + 4711]) {
  test(`${size.toLocaleString('en')} bytes come out again`, () => {
    assertWhole(Buffer.alloc(size, 'metric{label="value"} 1\n'));
  });
}

test('what cannot be compressed comes out again, too', () => {
  const noise = fc.uint8Array({ minLength: 1, maxLength: 2000 });
  fc.assert(
    fc.property(noise, fc.integer({ min: 1, max: 9 }), (bytes, level) => assertWhole(Buffer.from(bytes), level)),
  );
  assertWhole(noiseOf(PIECE_BYTES + 1000));
});

test('a piece refers to those before it: what comes again is not told again', () => {
  const block = noiseOf(20_000);
  const bytes = Buffer.concat(new Array(3 * Math.ceil(PIECE_BYTES / block.length)).fill(block));
  assert.ok(gzip(bytes, 1).length < 4 * block.length);
});

test('nothing of what came out stays behind until V8 looks at its old objects', () => {
  // In a process of its own: whose memory is its own, too.
  const program = `
    import { gzip, PIECE_BYTES } from ${JSON.stringify(new URL('../src/server/gzip.js', import.meta.url))};
    const bytes = Buffer.alloc(2 * PIECE_BYTES, 'metric{label="value"} 1');
    const held = [];
    let garbage;
    for (let i = 0; i < 30; i += 1) {
      gzip(bytes, 1);
      await new Promise((resolve) => setImmediate(resolve));
      for (let j = 0; j < 100; j += 1) garbage = Array.from({ length: 1000 }, () => [j]);
      held.push(process.memoryUsage().arrayBuffers);
    }
    console.log(JSON.stringify([held[9], Math.min(...held.slice(-3))]));`;
  const args = ['--max-semi-space-size=1', '--input-type=module', '-e', program];
  const [before, after] = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as [number, number];
  // Twenty times two pieces, an eighth of each; on Node 24 and later, for the others let go of it by themselves.
  assert.ok(after - before < PIECE_BYTES, `${before} bytes have become ${after}`);
});

function noiseOf(length: number): Buffer {
  let seed = 1;
  const bytes = Uint8Array.from({ length }, () => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return seed >> 16;
  });
  return Buffer.from(bytes);
}

function assertWhole(bytes: Buffer, level = 1): void {
  const zipped = gzip(bytes, level);
  assert.ok(gunzipSync(zipped).equals(bytes));
  // One member: behind its end there is nothing but the trailer.
  const raw = zipped.subarray(HEADER_BYTES, -TRAILER_BYTES);
  const { buffer, engine } = inflateRawSync(raw, { info: true } as object) as unknown as {
    buffer: Buffer;
    engine: { bytesWritten: number };
  };
  assert.ok(buffer.equals(bytes));
  assert.equal(engine.bytesWritten, raw.length);
  assert.equal(zipped.readUInt32LE(zipped.length - TRAILER_BYTES), crc32(bytes));
  assert.equal(zipped.readUInt32LE(zipped.length - TRAILER_BYTES / 2), bytes.length);
}
