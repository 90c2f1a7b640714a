/** Our instrumentation inside a NodeSDK of the app's own: its readers, whatever they export to, have the whole group. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { parseExposition, select, sum } from './exposition.ts';
import { fixture, freePort, start, until } from './processes.ts';
import { COUNT } from './request-count.ts';
import { request, requests } from './requests.ts';

test("readers of the app's own NodeSDK, one that is scraped and one that pushes, have every worker of a cluster", async (t) => {
  const ownPort = await freePort();
  const env = { OWN_PORT: String(ownPort), OTEL_LOGS_EXPORTER: 'none' };
  const app = start(t, [fixture('brings-its-own-readers.mjs')], { preload: 'none', env });
  const [, port] = await app.says(/^ready on port (\d+)/m);
  await until(() => [...app.output.stdout.matchAll(/^ready/gm)].length === 2, 'two workers that listen');
  await requests(`http://127.0.0.1:${port}/`, 7);
  await app.says(/name: 'shop_orders_total'(?:(?!name: ').)*value: 7\b/s);
  const scraped = async () => parseExposition((await request(`http://127.0.0.1:${ownPort}/metrics`)).body);
  const samples = await until(async () => {
    const found = await scraped();
    return sum(found, 'shop_orders_total') === 7 && found;
  }, 'seven orders in what is scraped');
  assert.equal(sum(samples, COUNT, { http_route: '/' }), 7);
  assert.equal(select(samples, 'gunicorn_worker_state').length, 2);
  assert.doesNotMatch(app.output.stderr, /metrics of process/);
});
