/** Fastify: requests count with the url of the route that has answered, prefixes of plugins included. */
import test from 'node:test';
import { countsRoutes } from './routed-app.ts';

const USER = '/api/users/:id';

for (const [kind, app, preload] of [
  ['an ES module', 'routes-with-fastify.mjs', '--import'],
  ['CommonJS', 'routes-with-fastify.cjs', '--require'],
] as const) {
  test(`Fastify in ${kind}: routes of plugins, parameters, errors, 404 and an abort count once, by their patterns`, async (t) => {
    await countsRoutes(t, app, { preload }, [
      { path: '/api/users/1', status: 200, route: USER },
      { path: '/api/users/long-name?page=2', status: 200, route: USER },
      { path: '/api/users/1', method: 'HEAD', status: 200, route: USER },
      { path: '/api/users/1', method: 'OPTIONS', status: 404, route: 'unmatched' },
      { path: '/api/users/1/throws', status: 500, route: `${USER}/throws`, error: 'SyntaxError' },
      { path: '/api/users/1/rejects', status: 500, route: `${USER}/rejects`, error: 'RangeError' },
      { path: '/api/users/1/sends', status: 500, route: `${USER}/sends`, error: 'EvalError' },
      { path: '/api/users/1/fails', status: 500, route: `${USER}/fails`, error: 'SyntaxError' },
      { path: '/api/users/1/checked', status: 400, route: `${USER}/checked` },
      { path: '/api/users/1', headers: { authorization: 'x' }, status: 401, route: USER },
      { path: '/api/users/1/misses', status: 404, route: `${USER}/misses` },
      { path: '/nothing', headers: { authorization: 'x' }, status: 401, route: 'unmatched' },
      { path: '/api/files/a.css', status: 404, route: 'unmatched' },
      { path: '/api/nothing', status: 404, route: 'unmatched' },
      { path: '/nothing', status: 404, route: 'unmatched' },
      { path: '/%zz', status: 400, route: 'unmatched' },
      { path: '/api/users/1/hangs', status: 'aborted', route: `${USER}/hangs` },
    ]);
  });
}
