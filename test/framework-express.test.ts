/** Express 4 and 5: requests count with the pattern of the route that has answered, wherever it is mounted. */
import test from 'node:test';
import { countsRoutes } from './routed-app.ts';

const APP = 'routes-with-express.mjs';
const USERS = '/tenants/:tenant/users/:id';

for (const [version, EXPRESS, wildcard, kept] of [
  ['Express 5', 'express', '/catch/*rest', true],
  ['Express 4', 'express4', '/catch/*', false],
] as const) {
  const thrown = kept ? 'SyntaxError' : '500';
  const rejected = kept ? 'RangeError' : '500';

  test(`${version}: mounted routes, parameters, errors, 404 and an abort count once, by their patterns`, async (t) => {
    await countsRoutes(t, APP, { env: EXPRESS === 'express' ? {} : { EXPRESS } }, [
      // The errors come first, when nothing is known of the routers yet.
      { path: '/admin/throws', status: 500, route: '/admin/throws', error: thrown },
      { path: '/tenants/a/users/1/throws', status: 500, route: `${USERS}/throws`, error: thrown },
      { path: '/tenants/b/users/2/rejects', status: 500, route: `${USERS}/rejects`, error: rejected },
      { path: '/tenants/b/users/2/refuses', status: 403, route: `${USERS}/refuses` },
      { path: '/tenants/a/users/1', status: 200, route: USERS },
      { path: '/tenants/b/users/long-name?page=2', status: 200, route: USERS },
      { path: '/v1/users/3', status: 200, route: '/v1/users/:id' },
      { path: '/V1/users/3/throws', status: 500, route: '/v1/users/:id/throws', error: thrown },
      { path: '/admin/main', status: 200, route: '/admin/:page' },
      { path: '/hidden/4', status: 200, route: '/hidden/:id' },
      { path: '/tenants/a/users/1', method: 'HEAD', status: 200, route: USERS },
      { path: '/tenants/a/users/1', method: 'OPTIONS', status: 200, route: '/tenants/:tenant/users' },
      { path: '/one', method: 'OPTIONS', status: 200, route: 'unmatched' },
      { path: '/tenants/a/static/a.css', status: 200, route: '/tenants/:tenant/static' },
      { path: '/tenants/a/static/b.css', status: 404, route: 'unmatched' },
      { path: '/tenants/a/nothing', status: 404, route: 'unmatched' },
      { path: '/nothing', status: 404, route: 'unmatched' },
      { path: '/one', headers: { authorization: 'x' }, status: 401, route: 'unmatched' },
      { path: '/one', status: 200, route: '/one|/two' },
      { path: '/two', status: 200, route: '/one|/two' },
      { path: '/v7', status: 200, route: '/^\\/v(\\d+)$/' },
      { path: '/catch/what', status: 404, route: 'unmatched' },
      { path: '/tenants/a/users/9/hangs', status: 'aborted', route: `${USERS}/hangs` },
    ]);
  });
  void wildcard;
}
