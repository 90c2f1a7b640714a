/** NestJS: requests count with the whole path of the controller's method that has answered, whichever adapter it sits on. */
import test from 'node:test';
import { countsRoutes } from './routed-app.ts';

const USER = '/api/users/:id';

for (const [PLATFORM, ADAPTER] of [
  ['express', 'ExpressAdapter'],
  ['fastify', 'FastifyAdapter'],
] as const) {
  test(`NestJS on ${PLATFORM}: prefix and controller, parameters, errors, 404 and an abort count once, by their patterns`, async (t) => {
    await countsRoutes(t, 'routes-with-nest.mjs', { env: { PLATFORM, ADAPTER } }, [
      { path: '/api/users/1', status: 200, route: USER },
      { path: '/api/users/long-name?page=2', status: 200, route: USER },
      { path: '/api/users/1', method: 'HEAD', status: 200, route: USER },
      // Nest answers errors itself: nobody else hears of them.
      { path: '/api/users/1/throws', status: 500, route: `${USER}/throws` },
      { path: '/api/users/1/rejects', status: 500, route: `${USER}/rejects` },
      { path: '/api/users/1/refuses', status: 403, route: `${USER}/refuses` },
      {
        path: '/api/users/1',
        headers: { authorization: 'x' },
        status: 401,
        route: PLATFORM === 'express' ? 'unmatched' : USER,
      },
      { path: '/api/nothing', status: 404, route: 'unmatched' },
      { path: '/nothing', status: 404, route: 'unmatched' },
      { path: '/api/users/1/hangs', status: 'aborted', route: `${USER}/hangs` },
    ]);
  });

  test(`NestJS on ${PLATFORM}: the filter of docs/frameworks.md tells errors by their class, and no refusals`, async (t) => {
    await countsRoutes(t, 'routes-with-nest.mjs', { env: { PLATFORM, ADAPTER, TELLS_ERRORS: '1' } }, [
      { path: '/api/users/1', status: 200, route: USER },
      { path: '/api/users/1/throws', status: 500, route: `${USER}/throws`, error: 'SyntaxError' },
      { path: '/api/users/1/rejects', status: 500, route: `${USER}/rejects`, error: 'RangeError' },
      { path: '/api/users/1/refuses', status: 403, route: `${USER}/refuses` },
      { path: '/api/nothing', status: 404, route: 'unmatched' },
    ]);
  });
}
