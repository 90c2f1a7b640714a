/** Holds src/record/birth.ts: what a primary gives its worker arrives, and nothing else is taken for it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { formatBirth, parseBirth } from '../src/record/birth.ts';

describe('the birth of a worker', () => {
  it('arrives as it was given', () => {
    const parts = { slot: fc.integer({ min: 1 }), startSeconds: fc.nat(), parent: fc.nat() };
    const births = fc.record(parts, { noNullPrototype: true });
    fc.assert(fc.property(births, (birth) => assert.deepEqual(parseBirth(formatBirth(birth)), birth)));
  });

  it('is not known from what no primary has written', () => {
    for (const text of [
      undefined,
      '',
      '-',
      '1',
      '1-',
      '-1',
      'x1-2-0',
      '1-2-0x',
      '1-2',
      '1-2-3-4',
      '1--2',
      ' 1-2-0',
      '1-2-0\n',
      '1.5-2-0',
    ]) {
      assert.equal(parseBirth(text), undefined, JSON.stringify(text));
    }
    const others = fc.string().filter((text) => !/^\d+-\d+-\d+$/.test(text));
    fc.assert(fc.property(others, (text) => assert.equal(parseBirth(text), undefined)));
  });
});
