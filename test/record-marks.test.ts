/** Holds src/record/marks.ts: the last word of an app about a request is kept with it, and saying it never throws. */
import assert from 'node:assert/strict';
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { marksOf, recordException, setRoute } from '../src/record/marks.ts';

const OTHER_COPY = new URL('../src/record/marks.js?other', import.meta.url).href;

describe('what an app says of a request', () => {
  it('is nothing before it has said something', () => {
    assert.equal(marksOf(newRequest()), undefined);
  });

  it('is its route and its error, the last of each', () => {
    const request = newRequest();
    setRoute(request, '/first');
    recordException(request, new TypeError('m'));
    setRoute(request, '/users/:id');
    assert.deepEqual(marksOf(request), { route: '/users/:id', errorType: 'TypeError' });
    recordException(request, { code: 'ECONNRESET' });
    assert.deepEqual(marksOf(request), { route: '/users/:id', errorType: 'ECONNRESET' });
  });

  it('is kept with that request alone', () => {
    const [one, other] = [newRequest(), newRequest()];
    setRoute(one, '/one');
    recordException(other, undefined);
    assert.deepEqual([marksOf(one), marksOf(other)], [{ route: '/one' }, { errorType: 'Error' }]);
  });

  it('is not among the names of what a request has', () => {
    const request = newRequest();
    const before = Object.keys(request);
    setRoute(request, '/one');
    assert.deepEqual(Object.keys(request), before);
  });

  it('is heard by every copy of the package', async () => {
    const other: typeof import('../src/record/marks.ts') = await import(OTHER_COPY);
    assert.notEqual(other.setRoute, setRoute);
    const request = newRequest();
    other.setRoute(request, '/from/the/other');
    recordException(request, new RangeError('m'));
    assert.deepEqual(marksOf(request), { route: '/from/the/other', errorType: 'RangeError' });
    assert.deepEqual(other.marksOf(request), marksOf(request));
  });

  it('is no route when it is no text, or an empty one', () => {
    const request = newRequest();
    for (const route of ['', undefined, null, 5, /x/, {}, ['/a']]) setRoute(request, route as string);
    assert.equal(marksOf(request), undefined);
  });

  it('of what is no request, or one that cannot be written to, throws nothing', () => {
    for (const request of [undefined, null, 'request', 5, Object.freeze(newRequest()), new Proxy({}, refuseAll)]) {
      setRoute(request as IncomingMessage, '/a');
      recordException(request as IncomingMessage, new Error('m'));
    }
  });
});

const refuseAll = new Proxy(
  {},
  {
    get: () => () => {
      throw new Error('no');
    },
  },
);

function newRequest(): IncomingMessage {
  return new IncomingMessage(new Socket());
}
