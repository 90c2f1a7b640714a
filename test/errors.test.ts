/** Holds src/errors.ts: errors are told apart by code, and any thrown thing becomes one line. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ERROR_CODES, GunicornOtelError, messageOf } from '../src/errors.ts';

test('an error has its code, its message and its cause', () => {
  const cause = new Error('deeper');
  const error = new GunicornOtelError('GUNICORN_OTEL_ERR_SCRAPE', 'broken', { cause });
  assert.ok(error instanceof Error);
  assert.deepEqual(
    [error.name, error.code, error.message],
    ['GunicornOtelError', 'GUNICORN_OTEL_ERR_SCRAPE', 'broken'],
  );
  assert.equal(error.cause, cause);
  assert.ok(!('cause' in new GunicornOtelError('GUNICORN_OTEL_ERR_SCRAPE', 'broken')));
});

test('the codes begin as all of ours do, and each is there once', () => {
  assert.ok(ERROR_CODES.every((code) => /^GUNICORN_OTEL_ERR_[A-Z_]+$/.test(code)));
  assert.equal(new Set<string>(ERROR_CODES).size, ERROR_CODES.length);
});

test('whatever is thrown has a message of one line', () => {
  assert.equal(messageOf(new Error('first\n   second\r\n third')), 'first second third');
  assert.equal(messageOf('text'), 'text');
  const nothing = Object.create(null) as object;
  const oddMessage = Object.assign(new Error('x'), { message: { status: 500 } });
  for (const thrown of [undefined, null, 0, Symbol('x'), nothing, oddMessage])
    assert.equal(typeof messageOf(thrown), 'string');
  fc.assert(fc.property(fc.anything(), (thrown) => assert.doesNotMatch(messageOf(thrown), /\n/)));
});
