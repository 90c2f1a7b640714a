/** Holds src/record/known-paths.ts: it finds what a Map would, is bounded, and keeps nothing alive of what paths are parts of. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { KnownPaths, MAX_PATH_LENGTH } from '../src/record/known-paths.ts';

// So few letters that many share a place, and many come again.
const PATH = fc
  .array(fc.constantFrom('a', 'b', '/', '1', 'é', '\u{1F600}'), { maxLength: 6 })
  .map((parts) => parts.join(''));
const MAX_PATHS = 1000;

describe('known paths', () => {
  it('are found as in a Map, whoever shares a place', () => {
    const step = fc.tuple(fc.boolean(), PATH, fc.nat());
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const known = new KnownPaths<number>();
        const expected = new Map<string, number>();
        for (const [isSet, path, to] of steps) {
          if (isSet && !expected.has(path)) {
            known.set(path, to);
            expected.set(path, to);
          }
          assert.equal(known.get(path), expected.get(path), path);
        }
      }),
    );
  });

  it('are forgotten when there are too many, those that were asked for of late too', () => {
    const known = new KnownPaths<number>();
    for (let n = 0; n < MAX_PATHS; n += 1) known.set(`/${n}`, n);
    assert.equal(known.get('/0'), 0);
    assert.equal(known.get(`/${MAX_PATHS - 1}`), MAX_PATHS - 1);
    known.set('/one-more', 1);
    assert.equal(known.get('/0'), undefined);
    assert.equal(known.get(`/${MAX_PATHS - 1}`), undefined);
    assert.equal(known.get('/one-more'), 1);
  });

  it('are none of those that are too long', () => {
    const known = new KnownPaths<number>();
    const path = '/'.padEnd(MAX_PATH_LENGTH, 'x');
    known.set(path, 1);
    known.set(`${path}x`, 2);
    assert.deepEqual([known.get(path), known.get(`${path}x`)], [1, undefined]);
  });
});
