/** Holds src/record/express-route.ts: patterns of what Express leaves on a request, without touching it, whatever it is. */
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { expressRoute } from '../src/record/express-route.ts';
import { atEnd } from './processes.ts';
import { request } from './requests.ts';

// Neither brings types of its own, and the two are alike here.
type Any = ReturnType<typeof JSON.parse>;
const require = createRequire(import.meta.url);
const express: Any = require('express');
const express4: Any = require('express4');

for (const [version, framework] of [
  ['Express 5', express],
  ['Express 4', express4],
] as [string, Any][]) {
  const router = () => framework.Router().get('/:id', answer);

  describe(version, () => {
    for (const [path, pattern] of [
      ['/api', '/api'],
      ['/api/', '/api'],
      ['/a.b-c', '/a.b-c'],
      [['/x', '/api'], '(/x|/api)'],
      [/^\/a[p]i/, '/^\\/a[p]i'],
      ['/', ''],
    ] as const) {
      it(`has a router mounted at ${path} as ${pattern || 'nothing'}`, async (t) => {
        const app = framework().use(path, router());
        const target = pattern === '' ? '' : pattern.startsWith('/a.') ? '/a.b-c' : '/api';
        assert.equal(await routeOf(t, app, `${target}/5`), `${pattern}/:id`);
      });
    }

    it('has what lies at the root of a mounted router as the mount', async (t) => {
      const app = framework().use('/api', framework.Router().get('/', answer));
      assert.equal(await routeOf(t, app, '/api'), '/api');
    });

    it('has several parameters, optional ones too, in what is mounted', async (t) => {
      const optional = version === 'Express 4' ? '/of/:tenant/:part?' : '/of/:tenant{/:part}';
      const app = framework().use(optional, router()).use('/:from-:to', router());
      assert.equal(await routeOf(t, app, '/of/a/b/5'), `${optional}/:id`);
      assert.equal(await routeOf(t, app, '/a-b/5'), '/:from-:to/:id');
    });

    it('has an app that a router has mounted, and one that an app has', async (t) => {
      const inner = () => framework().use('/items', router());
      const app = framework().use('/in', framework.Router().use('/a-router', inner()));
      app.use('/of/:tenant', framework().use('/sub', inner()));
      assert.equal(await routeOf(t, app, '/in/a-router/items/5'), '/in/a-router/items/:id');
      assert.equal(await routeOf(t, app, '/of/acme/sub/items/5'), '/of/:tenant/sub/items/:id');
    });

    it('has routers that are made while the app runs, for each request even', async (t) => {
      const app = framework().use('/made', (req: Any, res: Any, next: Any) => router()(req, res, next));
      for (const id of [1, 2]) assert.equal(await routeOf(t, app, `/made/${id}`), '/made/:id');
    });

    it('has routers that hold each other', async (t) => {
      const one = router();
      const app = framework().use('/one', one);
      one.use('/two', framework.Router().use('/one', one));
      assert.equal(await routeOf(t, app, '/one/5'), '/one/:id');
      assert.equal(await routeOf(t, app, '/one/two/one/5'), '/one/two/one/:id');
    });

    it('has the mount of middleware that answers, and unmatched where it finds nothing', async (t) => {
      const app = framework().use('/files', (_request: Any, response: Any) => response.sendStatus(200));
      assert.equal(await routeOf(t, app, '/files/a.css'), '/files');
      assert.equal(await routeOf(t, app, '/files/a.css', 404), 'unmatched');
    });

    it('moves no RegExp that keeps its place', async (t) => {
      const path = /^\/v\d/g;
      let tries = 0;
      path.exec = (text) => {
        tries += 1;
        return RegExp.prototype.exec.call(path, text);
      };
      const app = framework().use(path, framework.Router().get('/:id', answer)).use('/v3', router());
      assert.equal(await routeOf(t, app, '/v1/5'), '/^\\/v\\d/g/:id');
      assert.deepEqual([tries, path.lastIndex], [1, '/v1'.length]);
    });

    it('has what it does not know as nothing, and throws only what asking for it throws', () => {
      for (const odd of [{}, { app: {} }, { app: 'x' }, { route: 'x' }, { route: {} }, { route: { path: {} } }]) {
        assert.equal(expressRoute(odd, 200), undefined);
      }
      assert.equal(expressRoute({ route: { path: '/of/another/:router' } }, 200), '/of/another/:router');
    });
  });
}

it('a router of 2.0 to 2.2, which keeps no paths, has what was matched first for what is mounted', async (t) => {
  const users = express.Router().get('/:id', answer).get('/:id/more', answer);
  const app = express().use('/of/:tenant/Users', users);
  for (const layer of app.router.stack) delete layer.rawPath;
  assert.equal(await routeOf(t, app, '/of/acme/Users/5'), '/of/:tenant/Users/:id');
  assert.equal(await routeOf(t, app, '/of/other/users/5/more'), '/of/:tenant/Users/:id/more');
});

function answer(_request: unknown, response: { end(): void }): void {
  response.end();
}

async function routeOf(
  t: TestContext,
  app: (...args: unknown[]) => void,
  path: string,
  status = 200,
): Promise<string | undefined> {
  let seen: IncomingMessage | undefined;
  const server = createServer((incoming, response) => {
    seen = incoming;
    app(incoming, response);
  }).listen(0);
  atEnd(t, () => server.close());
  const answer = await request(`http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`);
  assert.equal(answer.status, 200, answer.body);
  return expressRoute(seen!, status);
}
