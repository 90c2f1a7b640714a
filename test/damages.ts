/** Snapshot files as damage, other programs and other versions leave them: real bytes, and what may become of them. */
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { alignTo8, encodeHeader, HEADER_BYTES, slotOffset } from '../src/snapshot/layout.ts';
import { SLOT_HEADER_BYTES, Slot } from '../src/snapshot/slot.ts';

/** The same file as a version of this package with another format would begin it. @param version - 35 characters at the most */
export function ofFormat(file: Buffer, format: number, version = '9.9.9'): Buffer {
  const other = Buffer.from(file);
  new Uint32Array(other.buffer, other.byteOffset, 3)[2] = format;
  other.fill(0, 20, 60).write(version, 20, 'latin1');
  other.writeUInt32LE(crc32(other.subarray(0, 60)), 60);
  return other;
}

/** A file whose checksums all hold, whatever its lines say. @param lines - texts as they stand, or what is to be JSON */
export function fileOfLines(lines: readonly unknown[], values: readonly number[] = []): Buffer {
  const texts = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line)));
  const dictionary = Buffer.from(texts.map((text) => `${text}\n`).join(''));
  const capacity = { dictionaryBytes: alignTo8(dictionary.length), values: values.length };
  const slot = new Uint8Array(SLOT_HEADER_BYTES + values.length * 8);
  new Float64Array(slot.buffer, SLOT_HEADER_BYTES).set(values);
  new Slot(slot).encode(1, 0, dictionary.length, crc32(dictionary), values.length);
  const file = Buffer.alloc(slotOffset(capacity, 2));
  file.set(encodeHeader(capacity, '1.2.3'), 0);
  file.set(dictionary, HEADER_BYTES);
  file.set(slot, slotOffset(capacity, 0));
  return file;
}

/** One way to damage a file; `other` is a whole one that may be mixed with it. */
export type Damage = (file: Buffer, other: Buffer) => Buffer;

// A place in a file whose length is not known yet.
const places = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const at = (file: Buffer, place: number) => Math.floor(place * file.length);
const bytes = fc.uint8Array({ minLength: 1, maxLength: 200 });

const flips = fc.array(fc.tuple(places, fc.nat(7)), { minLength: 1, maxLength: 8 }).map(
  (flips): Damage =>
    (file) => {
      for (const [place, bit] of flips) file[at(file, place)]! ^= 1 << bit;
      return file;
    },
);
// Most of a file is room: the bytes that are something are found by their number among those.
const pointedFlips = fc.tuple(places, fc.nat(7)).map(
  ([place, bit]): Damage =>
    (file) => {
      const taken = [...file.keys()].filter((i) => file[i] !== 0);
      const chosen = taken[Math.floor(place * taken.length)];
      if (chosen !== undefined) file[chosen]! ^= 1 << bit;
      return file;
    },
);
// The last bytes that are something: the values of the second slot, where there are any.
const lateFlips = fc.tuple(fc.nat(60), fc.nat(7)).map(
  ([back, bit]): Damage =>
    (file) => {
      const last = file.findLastIndex((byte) => byte !== 0) - back;
      if (last >= 0) file[last]! ^= 1 << bit;
      return file;
    },
);
const headFlips = fc.tuple(fc.nat(HEADER_BYTES * 8 - 1), fc.boolean()).map(
  ([bit]): Damage =>
    (file) => {
      file[bit >> 3]! ^= 1 << (bit & 7);
      return file;
    },
);
const cuts = places.map(
  (place): Damage =>
    (file) =>
      file.subarray(0, at(file, place)),
);
const overwrites = fc.tuple(places, bytes).map(
  ([place, bytes]): Damage =>
    (file) => {
      file.set(bytes.subarray(0, file.length - at(file, place)), at(file, place));
      return file;
    },
);
const zeroPages = fc.tuple(places, fc.constantFrom(64, 512, 4096)).map(
  ([place, size]): Damage =>
    (file) => {
      const start = Math.floor(at(file, place) / size) * size;
      return file.fill(0, start, Math.min(start + size, file.length));
    },
);
const swaps = fc.tuple(places, places, fc.integer({ min: 1, max: 512 })).map(
  ([one, two, size]): Damage =>
    (file) => {
      const [a, b] = [at(file, one), at(file, two)].map((start) => Buffer.from(file.subarray(start, start + size)));
      file.set(a!.subarray(0, file.length - at(file, two)), at(file, two));
      file.set(b!.subarray(0, file.length - at(file, one)), at(file, one));
      return file;
    },
);
const splices = fc.tuple(places, fc.boolean()).map(
  ([place, before]): Damage =>
    (file, other) => {
      const [head, tail] = before ? [other, file] : [file, other];
      return Buffer.concat([head.subarray(0, at(head, place)), tail.subarray(at(head, place))]);
    },
);
const longer = bytes.map(
  (bytes): Damage =>
    (file) =>
      Buffer.concat([file, bytes]),
);
const random = fc.uint8Array({ maxLength: 2000 }).map(
  (bytes): Damage =>
    () =>
      Buffer.from(bytes),
);

/** One damage or several, one after the other. */
export const damages: fc.Arbitrary<Damage> = fc
  .array(
    fc.oneof(flips, pointedFlips, lateFlips, headFlips, cuts, overwrites, zeroPages, swaps, splices, longer, random),
    {
      minLength: 1,
      maxLength: 2,
    },
  )
  .map(
    (all): Damage =>
      (file, other) => {
        let damaged: Buffer = Buffer.from(file);
        for (const damage of all) damaged = damage(damaged, other);
        return damaged;
      },
  );
