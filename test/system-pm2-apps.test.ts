/** What else runs under one PM2: two apps, pm2-runtime, and a daemon that is preloaded itself. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import test from 'node:test';
import { areLiving, countsExactly, endpointAt, leaderAt, listenersOn } from './one-endpoint.ts';
import { type Pm2App, preloadedBy, preloadsAll, startPm2 } from './pm2.ts';
import { freePort, until } from './processes.ts';
import { requests } from './requests.ts';

test('two apps under one daemon, in either mode, are two groups with an endpoint each', async (t) => {
  const shop = await appOf('shop', 'cluster');
  const till = await appOf('till', 'fork');
  const pm2 = await startPm2(t, [shop.app, till.app]);
  for (const [name, { port }, each] of [
    ['shop', shop, 2],
    ['till', till, 5],
  ] as const) {
    const ports = [...(await pm2.ready(name, 2)).values()];
    for (const appPort of ports) await requests(`http://127.0.0.1:${appPort}/`, each);
    await countsExactly(endpointAt(port), 2 * each);
    await areLiving(endpointAt(port), 2);
  }
  await countsExactly(endpointAt(shop.port), 4);
  assert.notEqual(await leaderAt(shop.port), await leaderAt(till.port));
  assert.deepEqual(readdirSync(pm2.directory).sort(), [`group-pm2-shop@${shop.port}`, `group-pm2-till@${till.port}`]);
});

test('pm2-runtime, preloaded itself by NODE_OPTIONS: one endpoint, of an instance, and an end that leaves nothing', async (t) => {
  const { app, port } = await appOf('shop', 'cluster');
  const shellPort = await freePort();
  const env = { ...preloadsAll('--require'), PROMETHEUS_METRICS_PORT: String(shellPort) };
  const pm2 = await startPm2(t, [{ ...app, node_args: '' }], { command: 'pm2-runtime', env });
  const instances = await pm2.ready('shop', 2);
  for (const appPort of instances.values()) await requests(`http://127.0.0.1:${appPort}/`, 3);
  await countsExactly(endpointAt(port), 6);
  await areLiving(endpointAt(port), 2);
  assert.ok(instances.has(await leaderAt(port)));
  assert.deepEqual(listenersOn(shellPort), []);
  pm2.child.kill('SIGTERM');
  await until(() => pm2.processes().length === 0, 'the end of pm2-runtime');
  assert.deepEqual(readdirSync(pm2.directory), []);
});

test('a preloaded daemon that ends its apps and itself leaves nothing, and has said nothing', async (t) => {
  const { app, port } = await appOf('shop', 'cluster');
  const pm2 = await startPm2(t, [{ ...app, node_args: '' }], { env: preloadsAll('--import') });
  const instances = await pm2.ready('shop', 2);
  for (const appPort of instances.values()) await requests(`http://127.0.0.1:${appPort}/`, 3);
  await countsExactly(endpointAt(port), 6);
  const daemon = pm2.daemonPid();
  assert.notEqual(await leaderAt(port), daemon);
  const said = pm2.log().match(/^.*gunicorn-otel.*$/gm) ?? [];
  assert.equal(said.length, 1, 'one line, of the instance that leads');
  assert.doesNotMatch(said[0]!, new RegExp(`\\b${daemon}\\b`));
  await pm2.run('kill');
  await until(() => pm2.processes().length === 0, 'the end of all');
  assert.deepEqual(readdirSync(pm2.directory), []);
});

async function appOf(name: string, mode: Pm2App['exec_mode']): Promise<{ app: Pm2App; port: number }> {
  const port = await freePort();
  const appPort = mode === 'cluster' ? await freePort() : 0;
  const env = { PROMETHEUS_METRICS_PORT: String(port), APP_PORT: String(appPort) };
  return { app: { name, exec_mode: mode, instances: 2, node_args: preloadedBy('--import'), env }, port };
}
