/** Holds src/page/format.ts: numbers that are short and never lie about zero, and names in which nothing is hidden. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatOf, UNKNOWN, visible } from '../src/page/format.ts';
import { HOSTILE_NAMES } from './canned-status.ts';

const format = formatOf('en-US');

const WRITTEN: readonly (readonly [keyof typeof format, number | null, string])[] = [
  ['count', 1234567, '1,234,567'],
  ['rate', 0, '0'],
  ['rate', 0.001, '< 0.1'],
  ['rate', 0.25, '0.3'],
  ['rate', 99.94, '99.9'],
  ['rate', 99.96, '100'],
  ['rate', 12345.6, '12,346'],
  ['duration', 0, '0.0 ms'],
  ['duration', 0.00042, '0.4 ms'],
  ['duration', 0.00996, '10 ms'],
  ['duration', 0.0874, '87 ms'],
  ['duration', 0.9996, '1.00 s'],
  ['duration', 1.254, '1.25 s'],
  ['duration', 99.996, '100 s'],
  ['bytes', 0, '0 B'],
  ['bytes', 999, '999 B'],
  ['bytes', 85_210_000, '85.2 MB'],
  ['bytes', 2.5e9, '2.5 GB'],
  ['bytes', 1e18, '1,000,000.0 TB'],
  ['percent', 0.01, '< 0.1 %'],
  ['percent', 150.2, '150 %'],
  ['span', 0.4, '0 s'],
  ['span', -3, '0 s'],
  ['span', 59.9, '59 s'],
  ['span', 60, '1 min'],
  ['span', 3661, '1 h 1 min'],
  ['span', 86_400 * 3 + 3600 * 4 + 59, '3 d 4 h'],
  ['count', null, UNKNOWN],
  ['rate', Number.NaN, UNKNOWN],
  ['duration', null, UNKNOWN],
  ['span', Number.POSITIVE_INFINITY, UNKNOWN],
];

describe('a number', () => {
  for (const [kind, value, text] of WRITTEN) {
    it(`is written as ${kind}: ${value} is ${JSON.stringify(text)}`, () =>
      assert.equal(format[kind](value as never), text));
  }
});

describe('a moment', () => {
  it('is told to the second, and with its day when that is another', () => {
    const noon = new Date(2024, 4, 17, 12, 3, 4).getTime();
    assert.equal(format.clock(noon, noon), '12:03:04');
    assert.equal(format.clock(new Date(2024, 4, 17).getTime()), '00:00:00');
    assert.equal(format.clock(noon, noon + 86_400_000), 'May 17 12:03:04');
    assert.equal(format.clock(Number.NaN), UNKNOWN);
  });
});

describe('a name', () => {
  it('shows what would be unseen, or move what is beside it, and nothing else is changed', () => {
    assert.equal(visible('/a\u202eb\u200bc\n\u0000\ud800'), '/a\\u{202e}b\\u{200b}c\\u{a}\\u{0}\\u{d800}');
    for (const plain of ['/users/:id', '/größe/日本/مرحبا/😀', '<b>&amp;']) assert.equal(visible(plain), plain);
    for (const name of HOSTILE_NAMES) assert.doesNotMatch(visible(name), /[\p{Cc}\p{Cf}]/u);
  });
});
