/** examples/express, fastify and nestjs, run as their package.json says: an order counts by its route, wherever it comes in. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { installExample } from './examples.ts';
import { sum } from './exposition.ts';
import { ROOT, until } from './processes.ts';
import { countsRoutes } from './routed-app.ts';

const packageOf = (path: string) => JSON.parse(readFileSync(join(ROOT, path, 'package.json'), 'utf8'));

for (const name of ['express', 'fastify', 'nestjs']) {
  const directory = join('examples', name);

  test(`the example ${name} counts by its routes, shows its own instrument, and ends when it is asked to`, async (t) => {
    const cwd = installExample(t, name);
    const app = await countsRoutes(t, join(cwd, 'server.mjs'), { cwd, env: { PORT: '0' } }, [
      { path: '/api/orders/7', status: 200, route: '/api/orders/:id' },
      { path: '/api/orders/first', status: 200, route: '/api/orders/:id' },
      { path: '/api/orders', method: 'POST', status: 201, route: '/api/orders' },
      { path: '/api/orders/7/invoice', status: 500, route: '/api/orders/:id/invoice', error: 'RangeError' },
      { path: '/api/nothing', status: 404, route: 'unmatched' },
    ]);
    await until(
      async () => sum(await app.scrape(), 'shop_orders_total', { channel: 'web' }) === 1,
      'the order is told',
    );
    app.child.kill('SIGTERM');
    await app.ended();
  });

  test(`package.json of the example ${name} has what its one file imports, and starts it with the preload`, () => {
    const { scripts, dependencies } = packageOf(directory);
    assert.equal(scripts.start, 'node --import @x/gunicorn-otel/register server.mjs');
    const { version, devDependencies } = packageOf('.');
    const { '@x/gunicorn-otel': own, ...others } = dependencies;
    assert.equal(own, `^${version}`);
    for (const [dependency, range] of Object.entries(others)) assert.equal(range, devDependencies[dependency]);
    const source = readFileSync(join(ROOT, directory, 'server.mjs'), 'utf8');
    const imported = [...source.matchAll(/^import .*'(.+)';$/gm)].map(([, specifier]) => specifier!);
    assert.deepEqual(
      imported.filter((specifier) => !(specifier in dependencies)),
      [],
    );
  });
}
