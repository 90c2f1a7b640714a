/** The examples, each installed by its own package.json, started as it says and sent real requests. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { installExample } from './examples.ts';
import { sum } from './exposition.ts';
import { areLiving, endpointAt } from './one-endpoint.ts';
import { startPm2 } from './pm2.ts';
import { freePort, freshDirectory, startApp, until } from './processes.ts';
import { settled } from './request-count.ts';
import { request, requests } from './requests.ts';

const ENV = { PORT: '0' };

test('own-sdk: spans are printed by the SDK of the app, and everything measured is at our endpoint', async (t) => {
  const cwd = installExample(t, 'own-sdk');
  const app = await startApp(t, join(cwd, 'server.mjs'), { cwd, env: ENV, preload: 'none' });
  await requests(`http://127.0.0.1:${app.port}/orders`, 3);
  assert.equal((await request(`http://127.0.0.1:${app.port}/elsewhere`)).status, 404);
  await until(() => count(app.output.stdout, "name: 'GET'") === 4, 'a span for each request');
  assert.equal(count(app.output.stdout, "name: 'place order'"), 3);
  await until(async () => sum(await app.scrape(), 'shop_orders_total', { channel: 'web' }) === 3, 'three orders');
  await settled(app, 4);
  assert.doesNotMatch(app.output.stderr, /MeterProvider of its own/);
});

test('worker-threads: what the threads measure is summed, and the requests are those of the main thread', async (t) => {
  const cwd = installExample(t, 'worker-threads');
  const app = await startApp(t, join(cwd, 'server.mjs'), { cwd, env: ENV });
  const answers = await requests(`http://127.0.0.1:${app.port}/`, 6);
  assert.equal(new Set(answers.map((answer) => answer.match(/thread \d+/)?.[0])).size, 2);
  // Each instrument at its own time: a round of collecting may lie between two that a thread has recorded into.
  for (const name of ['hashes_total', 'hash_duration_seconds_count']) {
    await until(async () => sum(await app.scrape(), name) === 6, `${name}: 6`);
  }
  await settled(app, 6);
});

test('pm2: both instances are one group with one endpoint', async (t) => {
  const [port, metricsPort] = [await freePort(), await freePort()];
  const pm2 = await startPm2(t, join(installExample(t, 'pm2'), 'ecosystem.config.cjs'), {
    env: {
      PORT: String(port),
      PROMETHEUS_METRICS_PORT: String(metricsPort),
      PROMETHEUS_MULTIPROC_DIR: freshDirectory(t),
    },
  });
  await pm2.ready('shop', 2);
  const answers = await requests(`http://127.0.0.1:${port}/`, 6);
  assert.equal(new Set(answers).size, 2);
  const endpoint = endpointAt(metricsPort);
  await areLiving(endpoint, 2);
  await settled(endpoint, 6);
  await until(async () => sum(await endpoint.scrape(), 'shop_orders_total') === 6, 'six orders');
});

function count(text: string, part: string): number {
  return text.split(part).length - 1;
}
