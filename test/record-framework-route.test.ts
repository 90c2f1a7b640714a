/** Holds src/record/framework-route.ts: it asks the frameworks, and whatever is there instead, nothing is thrown. */
import assert from 'node:assert/strict';
import { channel } from 'node:diagnostics_channel';
import { describe, it } from 'node:test';
import { noteFastify } from '../src/fastify-requests.ts';
import { frameworkErrorType, meetServer, routeOf } from '../src/record/framework-route.ts';

const refuseAll = new Proxy({}, { get: () => assert.fail('asked'), has: () => assert.fail('asked') });
const throwing = { get: () => assert.fail('asked') };

describe('a request', () => {
  it('of no framework has no route and no error', () => {
    assert.equal(routeOf({ url: '/a' }, 200), undefined);
    assert.equal(frameworkErrorType({ url: '/a' }), '');
  });

  it('that takes no questions has none either', () => {
    const own = Object.defineProperties({}, { route: throwing, app: throwing });
    for (const odd of [
      refuseAll,
      own,
      {
        route: {
          path: '/a',
          get stack() {
            return assert.fail('asked');
          },
        },
        app: refuseAll,
      },
    ]) {
      assert.equal(routeOf(odd, 200), undefined);
      assert.equal(frameworkErrorType(odd), '');
    }
  });

  it('for which a route for everything says 404 is unmatched', () => {
    for (const path of ['*', '/files/*', '/files/*path', '/{*any}', '/{any*}', '/(.*)']) {
      assert.equal(routeOf({ route: { path } }, 404), 'unmatched', path);
      assert.equal(routeOf({ route: { path } }, 200), path);
    }
    assert.equal(routeOf({ route: { path: '/*/users/:id' } }, 404), '/*/users/:id');
  });

  it('has the last error that was passed on, by its code or class', () => {
    const passed = (errors: unknown) => ({ [Symbol.for('router.tracing.publishedErrors')]: errors });
    assert.equal(frameworkErrorType(passed(new Set([new Error('x'), new TypeError('x')]))), 'TypeError');
    assert.equal(frameworkErrorType(passed(new Set([{ code: 'ECONNREFUSED' }]))), 'ECONNREFUSED');
    for (const odd of [new Set(), [], 'x', null]) assert.equal(frameworkErrorType(passed(odd)), '');
  });
});

describe('a Fastify', () => {
  it('that is made otherwise than we know hears nothing of it', () => {
    const initialization = channel('fastify.initialization');
    initialization.subscribe(noteFastify);
    for (const odd of [{}, { fastify: {} }, { fastify: refuseAll }, undefined]) initialization.publish(odd);
  });

  it('of a version that tells no routes has its requests told by their paths', () => {
    const hooks: ((request: object, reply: undefined, done: () => void) => void)[] = [];
    const server = {};
    const addHook = (_name: string, hook: (typeof hooks)[number]) => hooks.push(hook);
    channel('fastify.initialization').publish({ fastify: { server, addHook } });
    const raw = { socket: { server } };
    assert.equal(routeOf(raw, 400), 'unmatched');
    let done = 0;
    hooks[0]!({ raw }, undefined, () => done++);
    assert.deepEqual([done, routeOf(raw, 200)], [1, undefined]);
    hooks[0]!({ raw, routeOptions: { url: '/a/:id' } }, undefined, () => done++);
    assert.deepEqual([done, routeOf(raw, 200)], [2, '/a/:id']);
    for (const odd of [refuseAll, {}, { raw: 'x', routeOptions: {} }]) hooks[0]!(odd, undefined, () => done++);
    assert.equal(done, 5);
  });
});

describe('a server', () => {
  it('is met once, and none is none', () => {
    meetServer(undefined);
    const server = {};
    meetServer(server);
    meetServer(server);
  });
});
