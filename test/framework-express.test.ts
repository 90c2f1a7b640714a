/** Express 4 and 5: requests count with the pattern of the route that has answered, wherever it is mounted. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { sum } from './exposition.ts';
import { startApp } from './processes.ts';
import { COUNT, settled } from './request-count.ts';
import { requests } from './requests.ts';
import { countsRoutes } from './routed-app.ts';

const USER = '/tenants/:tenant/users/:id';

for (const [kind, app, preload, env] of [
  ['5 in an ES module', 'routes-with-express.mjs', '--import', {}],
  ['5 in CommonJS', 'routes-with-express.cjs', '--require', {}],
  ['4 in an ES module', 'routes-with-express.mjs', '--import', { EXPRESS: 'express4' }],
  ['4 in CommonJS', 'routes-with-express.cjs', '--require', { EXPRESS: 'express4' }],
] as const) {
  // Express 4 does not wait for what a handler returns.
  const awaits = { path: '/tenants/b/users/2/awaits', status: 500, route: `${USER}/awaits`, error: 'RangeError' };

  test(`Express ${kind}: mounted routes, parameters, errors, 404 and an abort count once, by their patterns`, async (t) => {
    await countsRoutes(t, app, { preload, env }, [
      // Errors come first: once they have left their router, nothing is heard of it any more.
      { path: '/admin/throws', status: 500, route: '/admin/throws', error: 'SyntaxError' },
      { path: '/tenants/a/users/1/throws', status: 500, route: `${USER}/throws`, error: 'SyntaxError' },
      { path: '/tenants/b/users/2/rejects', status: 500, route: `${USER}/rejects`, error: 'RangeError' },
      ...('EXPRESS' in env ? [] : [awaits]),
      { path: '/fails/kindly', status: 503, route: '/fails/kindly', error: 'EvalError' },
      { path: '/fails', status: 500, route: 'unmatched', error: 'EvalError' },
      { path: '/tenants/b/users/2/refuses', status: 403, route: `${USER}/refuses` },
      { path: '/tenants/a/users/1', status: 200, route: USER },
      { path: '/tenants/b/users/long-name?page=2', status: 200, route: USER },
      { path: '/tenants/a/users/1', method: 'HEAD', status: 200, route: USER },
      { path: '/v1/users/3', status: 200, route: '/v1/users/:id' },
      { path: '/V1/users/3/throws', status: 500, route: '/v1/users/:id/throws', error: 'SyntaxError' },
      { path: '/admin/main', status: 200, route: '/admin/:page' },
      { path: '/hidden/4', status: 200, route: '/hidden/:id' },
      { path: '/one', status: 200, route: '/one|/two' },
      { path: '/two', status: 200, route: '/one|/two' },
      { path: '/v7', status: 200, route: '/^\\/v(\\d+)$/' },
      { path: '/named', status: 200, route: '/by-the-app' },
      // Answered by what is mounted, or by nothing.
      { path: '/tenants/a/static/a.css', status: 200, route: '/tenants/:tenant/static' },
      { path: '/tenants/a/users/1', method: 'OPTIONS', status: 200, route: '/tenants/:tenant/users' },
      { path: '/one', method: 'OPTIONS', status: 200, route: 'unmatched' },
      { path: '/one', headers: { authorization: 'x' }, status: 401, route: 'unmatched' },
      { path: '/tenants/a/static/b.css', status: 404, route: 'unmatched' },
      { path: '/tenants/a/nothing', status: 404, route: 'unmatched' },
      { path: '/nothing', status: 404, route: 'unmatched' },
      { path: '/catch/what', status: 404, route: 'unmatched' },
      { path: '/tenants/a/users/9/hangs', status: 'aborted', route: `${USER}/hangs` },
    ]);
  });
}

test('patterns beyond GUNICORN_OTEL_MAX_ENDPOINTS are other', async (t) => {
  const app = await startApp(t, 'routes-with-express.mjs', { env: { GUNICORN_OTEL_MAX_ENDPOINTS: '2' } });
  for (const path of ['/one', '/v1/users/1', '/admin/main', '/v7', '/two']) {
    await requests(`http://127.0.0.1:${app.port}${path}`, 1);
  }
  const samples = await settled(app, 5);
  const counted = (http_route: string) => sum(samples, COUNT, { http_route });
  assert.deepEqual(['/one|/two', '/v1/users/:id', 'other'].map(counted), [2, 1, 2]);
});
