/** Holds src/record/hapi-route.ts: what is put in front of hapi's function passes everything on. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { HAPI_MODULE, hapiError, hapiRoute, watchHapi } from '../src/record/hapi-route.ts';

const ROUTE = { path: '/users/{id}', method: 'get' };

it('a request of hapi is made as it was, and remembered by that of Node', () => {
  const seen: unknown[] = [];
  class Request {
    route = ROUTE;
    response = { _error: new RangeError('x') };
    static generate(...args: unknown[]) {
      seen.push(args);
      return new Request();
    }
  }
  watchHapi(Request);
  const [server, incoming, outgoing, options] = [{}, {}, {}, {}];
  const request = Request.generate(server, incoming, outgoing, options);
  assert.ok(request instanceof Request);
  assert.deepEqual(seen, [[server, incoming, outgoing, options]]);
  assert.equal(hapiRoute(incoming), '/users/{id}');
  assert.equal(hapiError(incoming), request.response._error);
  Request.generate(server, undefined, outgoing, options);
});

it("a route of hapi's own is none, and what is not hapi's has neither route nor error", () => {
  const incoming = {};
  const requestClass = Object.assign(() => {}, {
    generate: (..._: unknown[]) => ({ route: { ...ROUTE, method: '_special' } }),
  });
  watchHapi(requestClass);
  requestClass.generate({}, incoming);
  assert.equal(hapiRoute(incoming), 'unmatched');
  assert.deepEqual([hapiRoute({}), hapiError({}), hapiError(incoming)], [undefined, undefined, undefined]);
  watchHapi(() => {});
});

it('hapi is found wherever packages are', () => {
  assert.match('/app/node_modules/@hapi/hapi/lib/request.js', HAPI_MODULE);
  assert.doesNotMatch('/app/node_modules/hapi/lib/request.js', HAPI_MODULE);
});
