/** record/marks.ts: what an app says of its requests. */
import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import test from 'node:test';
import { marksOf, recordException, setRoute } from '../src/record/marks.ts';

test('the last word counts, and neither takes the other back', () => {
  const request = {} as IncomingMessage;
  setRoute(request, '/a');
  recordException(request, new TypeError('x'));
  setRoute(request, '/b');
  assert.deepEqual(marksOf(request), { route: '/b', errorType: 'TypeError' });
});

test('what is no request, or can be told nothing, is felt by nobody', () => {
  for (const request of [undefined, null, 1, Object.freeze({})] as unknown as IncomingMessage[]) {
    setRoute(request, '/a');
    recordException(request, new Error('x'));
  }
});
