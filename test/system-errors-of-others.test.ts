/** Errors that belong to one request or connection and must not be told of another, nor be told less for who else listens. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { select, sum } from './exposition.ts';
import { fixture, start, startApp, startCluster, until } from './processes.ts';
import { get, settled } from './request-count.ts';
import { connect, request } from './requests.ts';

const HANDLED = 'gunicorn_worker_error_handling_total';

test('an error that the process has survived is not that of what it leaves behind much later', async (t) => {
  const cluster = await startCluster(t, 'survives-and-exits.mjs', 1);
  await connect(cluster.port, get('/throw'));
  await cluster.says(/^survived$/m);
  await request(`http://127.0.0.1:${cluster.port}/hello`);
  await connect(cluster.port, get('/hang'));
  await cluster.says(/^request \/hang$/m);
  process.kill(cluster.workers().get('1')!, 'SIGTERM');
  const failed = 'gunicorn_worker_failed_requests_total';
  const samples = await until(async () => {
    const scraped = await cluster.scrape();
    return select(scraped, failed, { endpoint: '/hang' }).length > 0 && scraped;
  }, 'the request under way');
  assert.equal(sum(samples, failed, { endpoint: '/hang', error_type: 'aborted' }), 1);
});

for (const listens of ['', 'listens']) {
  test(`garbage behind a good request is counted whether the app ${listens || 'does not listen'} to it`, async (t) => {
    const app = await startApp(t, 'answers-garbage.mjs', { env: { LISTENS: listens } });
    const { received } = await connect(app.port, `${get('/')}GARBAGE\r\n\r\n`);
    await until(() => received.text.startsWith('HTTP/1.1 200'), 'the answer');
    await settled(app, 1);
    // Node 24 ends the connection before it has seen the answer off: there it is the error of the request before it.
    await until(
      async () => sum(await app.scrape(), HANDLED, { error_type: 'HPE_INVALID_METHOD' }) === 1,
      'the garbage',
    );
    assert.equal(sum(await app.scrape(), HANDLED), 1, 'counted once');
  });
}

test('a server has no more listeners after many starts and stops than after one', async (t) => {
  const app = start(t, [fixture('starts-again-and-again.mjs')]);
  const [, once, often] = await app.says(/^after one (.*), after many (.*)$/m);
  assert.equal(often, once);
});
