/** hapi: requests count with the path of the route that has answered, prefixes of plugins included. */
import test from 'node:test';
import { countsRoutes } from './routed-app.ts';

const USER = '/api/users/{id}';

test('hapi: routes of plugins, parameters, errors, 404 and an abort count once, by their patterns', async (t) => {
  const preflight = { origin: 'http://other', 'access-control-request-method': 'GET' };
  await countsRoutes(t, 'routes-with-hapi.mjs', {}, [
    { path: '/api/users/1', status: 200, route: USER },
    { path: '/api/users/long-name?page=2', status: 200, route: USER },
    { path: '/api/users/1', method: 'HEAD', status: 200, route: USER },
    { path: '/api/users/1', method: 'OPTIONS', headers: preflight, status: 200, route: 'unmatched' },
    { path: '/api/users/1/throws', status: 500, route: `${USER}/throws`, error: 'SyntaxError' },
    { path: '/api/users/1/rejects', status: 500, route: `${USER}/rejects`, error: 'RangeError' },
    { path: '/api/mine', status: 200, route: '/api/mine' },
    { path: '/api/mine', headers: { authorization: 'x' }, status: 401, route: '/api/mine' },
    { path: '/api/files/a.css', status: 404, route: 'unmatched' },
    { path: '/api/nothing', status: 404, route: 'unmatched' },
    { path: '/nothing', status: 404, route: 'unmatched' },
    { path: '/api/users/%zz', status: 400, route: 'unmatched' },
    { path: '/api/users/1/hangs', status: 'aborted', route: `${USER}/hangs` },
  ]);
});
