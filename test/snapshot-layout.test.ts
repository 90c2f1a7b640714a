/** Holds src/snapshot/layout.ts: what was written reads back equal, and damage is never taken for values. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { cellOf } from '../src/aggregate/merge.ts';
import { GunicornOtelError } from '../src/errors.ts';
import { Dictionary } from '../src/snapshot/dictionary.ts';
import {
  alignTo8,
  decodeSnapshot,
  encodeHeader,
  encodeSnapshot,
  FORMAT_VERSION,
  HEADER_BYTES,
  type Snapshot,
  slotOffset,
} from '../src/snapshot/layout.ts';
import { SeriesTable } from '../src/snapshot/series-table.ts';
import { SLOT_HEADER_BYTES, Slot } from '../src/snapshot/slot.ts';
import { IDENTITY, type Recorded, recordings, tableOf } from './arbitrary-tables.ts';
import { ofFormat } from './damages.ts';

const CODES = [
  'GUNICORN_OTEL_ERR_SNAPSHOT_TORN',
  'GUNICORN_OTEL_ERR_SNAPSHOT_FOREIGN',
  'GUNICORN_OTEL_ERR_SNAPSHOT_VERSION',
];

describe('a snapshot', () => {
  it('reads back as it was written, whatever was recorded', () => {
    fc.assert(
      fc.property(recordings, fc.double({ min: 0, max: 2 ** 52, noNaN: true }), (recorded, writtenAtMonotonicMs) => {
        const snapshot = decodeSnapshot(encodeSnapshot(IDENTITY, tableOf(recorded), writtenAtMonotonicMs));
        assert.deepEqual(snapshot.identity, IDENTITY);
        assert.equal(snapshot.writtenAtMonotonicMs, writtenAtMonotonicMs);
        assert.deepEqual(sorted(recordedIn(snapshot)), sorted(recorded));
      }),
    );
  });

  it('keeps every float as it is, NaN, infinities and negative zero included', () => {
    fc.assert(
      fc.property(fc.array(fc.double(), { maxLength: 40 }), (values) => {
        const table = new SeriesTable();
        const metric = table.define({ name: 'n', description: '', unit: '', kind: 'gauge', scope: 'app' });
        for (const value of values) {
          const cell = table.add(metric, {});
          table.values[cell] = value;
        }
        const read = decodeSnapshot(encodeSnapshot(IDENTITY, table, 0)).values;
        assert.ok(read.length === 2 * values.length && values.every((value, i) => Object.is(value, read[2 * i])));
      }),
    );
  });

  it('reads back from any place in a larger buffer', () => {
    const { file, newer } = twoSlots();
    for (let offset = 0; offset < 9; offset += 1) {
      const larger = Buffer.alloc(file.length + 16, 0xff);
      larger.set(file, offset);
      assert.deepEqual([...decodeSnapshot(larger.subarray(offset, offset + file.length)).values], newer);
    }
  });

  it('gives equal keys for equal attributes in another order, and different keys for different ones', () => {
    const table = new SeriesTable();
    const metric = table.define({ name: 'n', description: '', unit: '', kind: 'counter', scope: 'app' });
    for (const attributes of [
      { a: 1, b: 2 },
      { b: 2, a: 1 },
      { a: 2, b: 1 },
      { a: '1', b: 2 },
    ]) {
      table.add(metric, attributes);
    }
    const keys = decodeSnapshot(encodeSnapshot(IDENTITY, table, 0)).metrics[0]!.series.map(({ key }) => key);
    assert.equal(keys[0], keys[1]);
    assert.equal(new Set(keys).size, 3);
  });
});

describe('a file of two slots', () => {
  it('gives the newer slot, whichever of the two it is', () => {
    for (const newest of [0, 1] as const) {
      const { file, newer } = twoSlots(newest);
      const snapshot = decodeSnapshot(file);
      assert.deepEqual([...snapshot.values], newer);
      assert.equal(snapshot.sequence, 8);
    }
  });

  it('gives the older slot when the newer one is torn anywhere', () => {
    for (const newest of [0, 1] as const) {
      const whole = twoSlots(newest);
      const start = slotOffset(whole.capacity, newest);
      // Behind the slot header's crc lie words that nothing uses.
      const meant = [...range(start, start + 36), ...range(start + SLOT_HEADER_BYTES, start + whole.slotBytes)];
      for (const at of meant) {
        const file = Buffer.from(whole.file);
        file[at]! ^= 0xff;
        const snapshot = decodeSnapshot(file);
        assert.deepEqual([...snapshot.values], whole.older, `byte ${at}`);
        assert.equal(snapshot.sequence, 7);
      }
    }
  });

  it('gives the older slot while the dictionary lines of the newer one are not there yet', () => {
    const { file, older } = twoSlots(1, 'lines of the newer slot missing');
    assert.deepEqual([...decodeSnapshot(file).values], older);
  });

  it('shows no cell of a series that is younger than the slot that was read', () => {
    const whole = twoSlots(1);
    const known = new Dictionary();
    decodeSnapshot(whole.file, known);
    const torn = Buffer.from(whole.file);
    torn[slotOffset(whole.capacity, 1) + SLOT_HEADER_BYTES]! ^= 1;
    const snapshot = decodeSnapshot(torn, known);
    const [metric] = snapshot.metrics;
    const cells = metric!.series.map((series) => cellOf(metric!.descriptor, series, snapshot.values));
    assert.deepEqual([...cells[0]!], whole.older);
    assert.equal(cells.at(-1), undefined);
  });

  it('is torn when both slots are', () => {
    const { file, capacity } = twoSlots();
    for (const slot of [0, 1]) file[slotOffset(capacity, slot) + SLOT_HEADER_BYTES]! ^= 1;
    assert.throws(() => decodeSnapshot(file), { code: 'GUNICORN_OTEL_ERR_SNAPSHOT_TORN' });
  });
});

describe('a damaged file', () => {
  it('with any one bit flipped gives the values of a slot or an error code, nothing else', () => {
    const whole = twoSlots();
    for (let bit = 0; bit < whole.file.length * 8; bit += 1) {
      const file = Buffer.from(whole.file);
      file[bit >> 3]! ^= 1 << (bit & 7);
      assertRightOrRefused(file, whole, `bit ${bit}`);
    }
  });

  it('cut off anywhere gives the values of a slot or an error code, nothing else', () => {
    const whole = twoSlots();
    for (let length = 0; length < whole.file.length; length += 1) {
      assertRightOrRefused(whole.file.subarray(0, length), whole, `length ${length}`);
    }
  });

  it('overwritten in places gives the values of a slot or an error code, nothing else', () => {
    const whole = twoSlots();
    const places = fc.array(
      fc.tuple(fc.nat(whole.file.length - 1), fc.oneof(fc.uint8Array({ maxLength: 64 }), zeros(200))),
      { minLength: 1, maxLength: 3 },
    );
    fc.assert(
      fc.property(places, fc.boolean(), (damages, wasReadBefore) => {
        const file = Buffer.from(whole.file);
        for (const [at, bytes] of damages) file.set(bytes.subarray(0, file.length - at), at);
        const known = new Dictionary();
        if (wasReadBefore) decodeSnapshot(whole.file, known);
        assertRightOrRefused(file, whole, 'overwritten', known);
      }),
      { numRuns: 1000 },
    );
  });

  it('of random bytes gives an error code, with or without the right first words', () => {
    const header = encodeHeader({ dictionaryBytes: 64, values: 4 }, '1.2.3');
    const heads = fc.constantFrom(Buffer.alloc(0), header.subarray(0, 8), header.subarray(0, 12), header);
    fc.assert(
      fc.property(heads, fc.uint8Array({ maxLength: 400 }), (head, bytes) => {
        assert.throws(() => decodeSnapshot(Buffer.concat([head, bytes])), hasCode);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('a file that is not ours to read', () => {
  it('is foreign without the magic word', () => {
    const { file } = twoSlots();
    file.write('NOTOURS!', 0, 'latin1');
    assert.throws(() => decodeSnapshot(file), { code: 'GUNICORN_OTEL_ERR_SNAPSHOT_FOREIGN' });
  });

  it('is of another version when it says so, even where the rest has another shape', () => {
    const other = ofFormat(twoSlots().file, FORMAT_VERSION + 7, '4.5.6-beta').fill(0xff, HEADER_BYTES);
    assert.throws(() => decodeSnapshot(other), {
      code: 'GUNICORN_OTEL_ERR_SNAPSHOT_VERSION',
      message: `it has format ${FORMAT_VERSION + 7}, written by version 4.5.6-beta, and this version reads format ${FORMAT_VERSION}`,
    });
  });

  it('is not taken for one of another version because of a flipped bit', () => {
    const { file } = twoSlots();
    file[8]! ^= 4;
    assert.throws(() => decodeSnapshot(file), { code: 'GUNICORN_OTEL_ERR_SNAPSHOT_TORN' });
  });

  it('is foreign when its dictionary is whole and no JSON lines, the cause kept', () => {
    const file = fileOf({ lines: ['no json\n'], newest: 0, slots: [{ sequence: 1, lines: 1, values: [] }] }).file;
    assert.throws(
      () => decodeSnapshot(file),
      (error: GunicornOtelError) =>
        error.code === 'GUNICORN_OTEL_ERR_SNAPSHOT_FOREIGN' && error.cause instanceof SyntaxError,
    );
  });

  it('is torn when it is too short to say', () => {
    assert.throws(() => decodeSnapshot(Buffer.alloc(HEADER_BYTES - 1)), { code: 'GUNICORN_OTEL_ERR_SNAPSHOT_TORN' });
  });
});

interface SlotSpec {
  readonly sequence: number;
  /** How many dictionary lines were there when it was written. */
  readonly lines: number;
  readonly values: readonly number[];
}

// The older slot knows one series, the newer one two; the newer one is written at `newest`.
function twoSlots(newest: 0 | 1 = 1, damage?: 'lines of the newer slot missing') {
  const table = new SeriesTable();
  const metric = table.define({ name: 'n', description: '', unit: '', kind: 'counter', scope: 'app' });
  table.add(metric, { route: '/a' });
  table.add(metric, { route: '/b' });
  const older = [41];
  const newer = [42, 1];
  const { file, capacity } = fileOf({
    lines: [JSON.stringify(IDENTITY), ...table.dictionary].map((line) => `${line}\n`),
    newest,
    slots: [
      { sequence: 7, lines: 3, values: older },
      { sequence: 8, lines: 4, values: newer },
    ],
    ...(damage ? { linesThere: 3 } : {}),
  });
  return { file, capacity, older, newer, slotBytes: SLOT_HEADER_BYTES + newer.length * 8 };
}

function fileOf(spec: { lines: string[]; newest: 0 | 1; slots: SlotSpec[]; linesThere?: number }) {
  const bytesOf = (lines: number) => Buffer.from(spec.lines.slice(0, lines).join(''));
  const capacity = { dictionaryBytes: alignTo8(bytesOf(spec.lines.length).length + 16), values: 4 };
  const file = Buffer.alloc(slotOffset(capacity, 2));
  file.set(encodeHeader(capacity, '1.2.3'), 0);
  file.set(bytesOf(spec.linesThere ?? spec.lines.length), HEADER_BYTES);
  for (const [i, { sequence, lines, values }] of spec.slots.entries()) {
    const slot = new Uint8Array(SLOT_HEADER_BYTES + values.length * 8);
    new Float64Array(slot.buffer, SLOT_HEADER_BYTES).set(values);
    new Slot(slot).encode(sequence, 1000, bytesOf(lines).length, crc32(bytesOf(lines)), values.length);
    const isNewest = i === spec.slots.length - 1;
    file.set(slot, slotOffset(capacity, isNewest ? spec.newest : 1 - spec.newest));
  }
  return { file, capacity };
}

function assertRightOrRefused(file: Buffer, whole: ReturnType<typeof twoSlots>, what: string, known?: Dictionary) {
  let snapshot: Snapshot;
  try {
    snapshot = decodeSnapshot(file, known);
  } catch (error) {
    assert.ok(hasCode(error), `${what}: ${error}`);
    return;
  }
  const right = snapshot.sequence === 8 ? whole.newer : whole.older;
  assert.deepEqual([...snapshot.values], right, what);
  assert.deepEqual(snapshot.identity, IDENTITY, what);
  const routes = snapshot.metrics.flatMap(({ series }) => series.map(({ attributes }) => attributes['route']));
  assert.deepEqual(routes.slice(0, right.length), ['/a', '/b'].slice(0, right.length), what);
}

function hasCode(error: unknown): boolean {
  return error instanceof GunicornOtelError && CODES.includes(error.code);
}

function recordedIn(snapshot: Snapshot): Recorded[] {
  return snapshot.metrics.flatMap(({ descriptor, series }) =>
    series.map((entry) => ({
      descriptor,
      attributes: entry.attributes,
      cell: [...cellOf(descriptor, entry, snapshot.values)!],
    })),
  );
}

function sorted(recorded: readonly Recorded[]): string[] {
  return recorded.map((entry) => JSON.stringify(entry)).sort();
}

function zeros(maxLength: number): fc.Arbitrary<Uint8Array> {
  return fc.nat(maxLength).map((length) => new Uint8Array(length));
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}
