/** Holds src/record/error-type.ts: whatever is thrown has a short name, and looking at it throws nothing. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { errorTypeOf } from '../src/record/error-type.ts';

const LONGEST = 64;

describe('the type of an error', () => {
  it('is its code, where that is one as Node and databases have them', () => {
    for (const code of [
      'ECONNRESET',
      'ERR_HTTP_REQUEST_TIMEOUT',
      'HPE_INVALID_METHOD',
      '23505',
      'SQLITE_BUSY',
      'P2002',
    ]) {
      assert.equal(errorTypeOf(Object.assign(new TypeError('m'), { code })), code);
    }
    assert.equal(errorTypeOf(thrownBy(() => readFileSync('/not/there'))), 'ENOENT');
    for (const code of ['E1', 'E'.repeat(LONGEST)]) assert.equal(errorTypeOf({ code }), code);
  });

  it('is its class, where it has no such code', () => {
    class PaymentDeclined extends Error {
      override name = 'PaymentDeclined';
    }
    assert.equal(errorTypeOf(new PaymentDeclined('m')), 'PaymentDeclined');
    assert.equal(errorTypeOf(thrownBy(() => JSON.parse('{'))), 'SyntaxError');
    for (const code of [
      404,
      '',
      'E',
      'not a code',
      'E-x y',
      'lower',
      'E\nX',
      'X\n',
      'E'.repeat(LONGEST + 1),
      {},
      ['EX'],
      null,
    ]) {
      assert.equal(errorTypeOf(Object.assign(new RangeError('m'), { code })), 'RangeError', String(code));
    }
  });

  it('is Error, where it has neither', () => {
    for (const thrown of [undefined, null, 'text', 5, 0n, true, Symbol('s'), {}, [], Object.create(null)]) {
      assert.equal(errorTypeOf(thrown), 'Error');
    }
    for (const name of ['', 'a b', 'N'.repeat(LONGEST + 1), 'x'.repeat(1e7), 'a\n', 'größe', '{}', 5, {}, undefined]) {
      assert.equal(errorTypeOf({ name }), 'Error', String(name).slice(0, 20));
    }
    for (const name of ['E', 'N'.repeat(LONGEST)]) assert.equal(errorTypeOf({ name }), name);
  });

  it('is found of hostile values, too, and only once looked at', () => {
    const refuse = () => {
      throw new Error('no');
    };
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    const hostile = [
      proxy,
      new Proxy({}, { get: refuse }),
      {
        get code() {
          return refuse();
        },
      },
      {
        get name() {
          return refuse();
        },
      },
      { code: new Proxy(() => {}, { apply: refuse, get: refuse }) },
      { name: { toString: refuse } },
    ];
    for (const value of hostile) assert.equal(errorTypeOf(value), 'Error');
    let looks = 0;
    const changing = {
      get code() {
        looks += 1;
        return looks === 1 ? 'ECONNRESET' : 'a message with spaces';
      },
    };
    assert.equal(errorTypeOf(changing), 'ECONNRESET');
  });

  it('is short, of few characters, and no message, whatever was thrown', () => {
    const thrown = fc.oneof(
      fc.anything(),
      fc.record({ code: fc.anything(), name: fc.anything() }),
      fc.record({ code: fc.string(), name: fc.string() }),
    );
    fc.assert(fc.property(thrown, (value) => assert.match(errorTypeOf(value), /^[\w.$-]{1,64}$/)));
  });
});

function thrownBy(body: () => unknown): unknown {
  try {
    return assert.fail(String(body()));
  } catch (error) {
    return error;
  }
}
