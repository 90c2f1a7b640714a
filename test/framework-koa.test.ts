/** Koa with @koa/router: requests count with the path of the route that has answered, prefixes of routers included. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { sum } from './exposition.ts';
import { startCluster } from './processes.ts';
import { COUNT, settled } from './request-count.ts';
import { requests } from './requests.ts';
import { countsRoutes } from './routed-app.ts';

const USER = '/api/users/:id';

test('Koa: nested routers, parameters, errors, 404 and an abort count once, by their patterns', async (t) => {
  await countsRoutes(t, 'routes-with-koa.mjs', {}, [
    { path: '/api/users/1', status: 200, route: USER },
    { path: '/api/users/long-name?page=2', status: 200, route: USER },
    { path: '/api/users/1', method: 'HEAD', status: 200, route: USER },
    { path: '/api/users/1', method: 'OPTIONS', status: 200, route: 'unmatched' },
    { path: '/api/users/1', method: 'DELETE', status: 405, route: 'unmatched' },
    { path: '/api/users/1/throws', status: 500, route: `${USER}/throws`, error: 'SyntaxError' },
    { path: '/api/users/1/rejects', status: 500, route: `${USER}/rejects`, error: 'RangeError' },
    { path: '/api/users/1/refuses', status: 403, route: `${USER}/refuses` },
    { path: '/api/users/1', headers: { authorization: 'x' }, status: 401, route: USER },
    { path: '/health', status: 200, route: 'unmatched' },
    { path: '/api/files/a.css', status: 404, route: 'unmatched' },
    { path: '/api/nothing', status: 404, route: 'unmatched' },
    { path: '/nothing', status: 404, route: 'unmatched' },
    { path: '/api/users/1/hangs', status: 'aborted', route: `${USER}/hangs` },
  ]);
});

test('Koa in a cluster worker, which measures before anything is loaded, counts by patterns from the first request on', async (t) => {
  const cluster = await startCluster(t, 'routes-with-koa.mjs', 1);
  await requests(`http://127.0.0.1:${cluster.port}/api/users/1`, 3);
  assert.equal(sum(await settled(cluster, 3), COUNT, { http_route: USER }), 3);
});
