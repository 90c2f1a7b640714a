/** Holds src/record/koa-route.ts: what is put in front of Koa's methods passes everything on, whatever it is given. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import { describe, it } from 'node:test';
import { KOA_MODULE, koaError, koaRoute, watchKoa } from '../src/record/koa-route.ts';

const require = createRequire(import.meta.url);

describe('an application of Koa', () => {
  it('makes contexts and emits events as it did', () => {
    const Koa = require('koa');
    watchKoa(Koa);
    const app = new Koa();
    const heard: unknown[] = [];
    app.on('error', (...args: unknown[]) => heard.push(args));
    const request = {};
    const context = app.createContext(request, {});
    assert.equal(context.req, request);
    // As tests of apps do.
    assert.equal(app.createContext('x', {}).req, 'x');
    const error = new TypeError('x');
    for (const odd of [context, { req: 5 }, undefined, null]) assert.equal(app.emit('error', error, odd), true);
    assert.equal(app.emit('other'), false);
    assert.equal(heard.length, 4);
    assert.equal(koaError(request), error);
  });

  it('has its own keys, and what is put in front of its methods is not listed', () => {
    const Koa = require('koa');
    assert.deepEqual(Object.keys(Koa.prototype), []);
    assert.equal(new Koa().emit('error-free'), new EventEmitter().emit('error-free'));
  });

  it('without a router of ours tells no route', () => {
    const Koa = require('koa');
    const app = new Koa().use(() => {});
    const request = {};
    app.createContext(request, {});
    assert.equal(koaRoute(request), undefined);
    assert.equal(koaRoute({}), undefined);
  });

  it('is found wherever packages are, and nothing else is taken for it', () => {
    for (const path of [
      '/app/node_modules/koa/lib/application.js',
      'C:\\app\\node_modules\\koa\\lib\\application.js',
    ]) {
      assert.match(path, KOA_MODULE);
    }
    for (const path of ['/koa/lib/context.js', '/a-koa/lib/application.js', '/koa/lib/application.js.map']) {
      assert.doesNotMatch(path, KOA_MODULE);
    }
  });
});
