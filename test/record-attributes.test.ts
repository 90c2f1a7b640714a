/** Holds src/record/attributes.ts and attribute-sets.ts: whatever is given as attributes is copied, bounded and told apart. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { AttributeSets, OVERFLOW_ATTRIBUTES } from '../src/record/attribute-sets.ts';
import {
  keyOfAttributes,
  MAX_ATTRIBUTES,
  MAX_TEXT_LENGTH,
  shortText,
  tameAttributes,
} from '../src/record/attributes.ts';

const LONG = 'x'.repeat(1_000_000);
const cycle: Record<string, unknown> = {};
cycle['self'] = cycle;
const throwing = Object.defineProperty({ b: 1 } as object, 'a', {
  enumerable: true,
  get() {
    throw new Error('a getter');
  },
});
const revoked = Proxy.revocable({}, {});
revoked.revoke();

// What is given -> what is kept, and whether something is lost with it.
const GIVEN: Readonly<Record<string, [given: unknown, kept: Record<string, unknown>, lost: boolean]>> = {
  'text, numbers and booleans': [{ a: 'x', b: 1.5, c: false, d: -0 }, { a: 'x', b: 1.5, c: false, d: -0 }, false],
  nothing: [undefined, {}, false],
  null: [null, {}, false],
  'values that are not there': [{ a: undefined, b: null, c: 1 }, { c: 1 }, false],
  'numbers that JSON has no word for': [
    { a: Number.NaN, b: Number.POSITIVE_INFINITY },
    { a: 'NaN', b: 'Infinity' },
    false,
  ],
  'a list': [{ a: ['x', 1, true] }, { a: '["x",1,true]' }, false],
  'a list of lists': [{ a: [[1], [2, [3]]] }, { a: '[[1],[2,[3]]]' }, false],
  'a BigInt': [{ a: 10n }, { a: '10' }, true],
  'a list of BigInts': [{ a: [1n] }, { a: '["1"]' }, false],
  'an object': [{ a: { b: 1n } }, { a: '{"b":"1"}' }, true],
  'a date': [{ a: new Date(0) }, { a: '1970-01-01T00:00:00.000Z' }, true],
  'a cycle': [{ a: cycle, b: 1 }, { b: 1 }, true],
  'a cycle of its own': [cycle, {}, true],
  'a symbol and a function': [{ a: Symbol('x'), b: () => 1, c: 1 }, { c: 1 }, true],
  'a getter that throws': [throwing, { b: 1 }, true],
  'a proxy that is no more': [revoked.proxy, {}, true],
  'a value that is a proxy that is no more': [{ a: revoked.proxy, b: 1 }, { b: 1 }, true],
  'no object': ['text', {}, true],
  'an empty name': [{ '': 1 }, { '': 1 }, false],
  'names of the inherited': [
    JSON.parse('{"__proto__":"x","constructor":"y"}'),
    JSON.parse('{"__proto__":"x","constructor":"y"}'),
    false,
  ],
};

describe('attributes', () => {
  for (const [what, [given, kept, lost]] of Object.entries(GIVEN)) {
    it(`that are ${what} are kept as they can be`, () => {
      const { attributes, problem } = tameAttributes(given);
      assert.deepEqual(Object.entries(attributes), Object.entries(kept));
      assert.equal(problem !== undefined, lost, problem);
      assert.notEqual(keyOfAttributes(attributes), undefined);
    });
  }

  it('that are long are cut, and those of one beginning stay two', () => {
    const texts = [`${LONG}a`, `${LONG}b`].map((text) => tameAttributes({ text, [text]: 1 }));
    for (const { attributes, problem } of texts) {
      assert.ok(problem);
      for (const text of [attributes['text'] as string, ...Object.keys(attributes)]) {
        assert.ok(text.length <= MAX_TEXT_LENGTH);
        if (text !== 'text') assert.ok(text.startsWith('x'.repeat(200)));
      }
    }
    assert.notDeepEqual(texts[0]!.attributes, texts[1]!.attributes);
    assert.equal(shortText('x'.repeat(MAX_TEXT_LENGTH)), 'x'.repeat(MAX_TEXT_LENGTH));
  });

  it('that are thousands are the first by name, in whatever order they were given', () => {
    const entries = Array.from({ length: 5000 }, (_, i) => [`a${String(i).padStart(4, '0')}`, i] as const);
    const { attributes, problem } = tameAttributes(Object.fromEntries(entries));
    assert.match(problem!, /5000/);
    assert.equal(Object.keys(attributes).length, MAX_ATTRIBUTES);
    assert.deepEqual(tameAttributes(Object.fromEntries(entries.toReversed())).attributes, attributes);
    assert.equal(keyOfAttributes(Object.fromEntries(entries)), undefined);
  });

  it('have one key when they are kept alike, and two when they are not', () => {
    const name = fc.constantFrom('', 'a', 'b', 'ab', '1:a', 'a1', 'a=1;');
    const value = fc.oneof(
      fc.constantFrom<unknown>('', '1', 'true', '1:a', 'a1:', 'b=1;', 1, 11, 0, -0, true, false, undefined, null),
      fc.string({ maxLength: 4 }),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
    );
    const set = fc.dictionary(name, value, { maxKeys: 3 });
    // Zero is zero; and the order does not matter.
    const text = (attributes: Record<string, unknown>) =>
      JSON.stringify(Object.entries(tameAttributes(attributes).attributes).sort(([a], [b]) => (a < b ? -1 : 1)));
    fc.assert(
      fc.property(set, set, (a, b) => {
        assert.equal(keyOfAttributes(a) === keyOfAttributes(b), text(a) === text(b));
        const reversed = Object.fromEntries(Object.entries(a).reverse());
        assert.equal(keyOfAttributes(reversed), keyOfAttributes(a));
      }),
      { numRuns: 5000 },
    );
  });

  it('never throw, whatever they are, and are always bounded', () => {
    fc.assert(
      fc.property(
        fc.anything({ withBigInt: true, withDate: true, withMap: true, withNullPrototype: true }),
        (given) => {
          keyOfAttributes(given);
          const { attributes } = tameAttributes(given);
          assert.notEqual(keyOfAttributes(attributes), undefined);
          for (const [name, value] of Object.entries(attributes)) {
            assert.ok(name.length <= MAX_TEXT_LENGTH && String(value).length <= MAX_TEXT_LENGTH);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe('attribute sets', () => {
  it('are kept as copies, each once, and changed by nobody', () => {
    const { sets } = capped(10);
    const given: Record<string, unknown> = { code: 200 };
    const first = sets.take(given);
    given['code'] = 500;
    const second = sets.take(given);
    assert.deepEqual([first.attributes, second.attributes], [{ code: 200 }, { code: 500 }]);
    assert.equal(sets.take({ code: 200 }), first);
    assert.ok(Object.isFrozen(first.attributes));
  });

  it('above the cap are one, told each time; those below it stay what they were', () => {
    const { sets, told } = capped(2);
    const [one, other] = [sets.take({ user: 1 }), sets.take({ user: 2 })];
    for (const user of [3, 4, 3]) assert.equal(sets.take({ user }), sets.overflow);
    assert.equal(sets.take({ user: 1 }), one);
    assert.equal(sets.take({ user: 2 }), other);
    assert.equal(sets.take(OVERFLOW_ATTRIBUTES), sets.overflow);
    assert.deepEqual(told, { problems: 0, overflows: 3 });
  });

  it('whose values change while they are read are what they were read as', () => {
    const { sets } = capped(3);
    let count = 0;
    const given = {
      get count() {
        count += 1;
        return count;
      },
    };
    for (let i = 0; i < 10; i += 1) assert.match(String(sets.take(given).attributes['count'] ?? 'none'), /^\d+$|none/);
    assert.equal(sets.take(given), sets.overflow);
  });

  it('that lose something tell it with each measurement', () => {
    const { sets, told } = capped(3);
    for (let i = 0; i < 3; i += 1) sets.take({ id: 1n });
    assert.deepEqual(told, { problems: 3, overflows: 0 });
  });
});

function capped(maxSets: number) {
  const told = { problems: 0, overflows: 0 };
  const sets = new AttributeSets({
    maxSets,
    onProblem: () => {
      told.problems += 1;
    },
    onOverflow: () => {
      told.overflows += 1;
    },
  });
  return { sets, told };
}
