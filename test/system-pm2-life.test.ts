/** The life of an app under PM2: reload, kills, restart, scale, stop. One endpoint goes on, and so do its totals. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import test, { type TestContext } from 'node:test';
import { areLiving, countsExactly, endpointAt, inWords, leaderAt, watchEndpoint } from './one-endpoint.ts';
import { type Pm2, preloadedBy, startPm2 } from './pm2.ts';
import { freePort, type Running, until } from './processes.ts';
import { requests } from './requests.ts';
import { startLoad } from './steady-load.ts';

const INSTANCES = 4;

test('a reload under traffic: totals never fall, and are exact when it is over', async (t) => {
  const shop = await startShop(t, 'cluster');
  const before = await shop.pm2.ready('shop', INSTANCES);
  await countsExactly(shop.endpoint, await shop.serve(2));
  const watch = await watchEndpoint(t, shop.port);
  const load = startLoad(t, () => [shop.appPort], 1);
  await shop.pm2.run('reload', 'shop');
  const after = await shop.pm2.ready('shop', INSTANCES);
  await load.stop();
  assert.deepEqual(
    [...before.keys()].filter((pid) => after.has(pid)),
    [],
    'all are new',
  );
  assert.equal(load.answers.length, load.sent(), 'PM2 lost a request');
  assert.ok(load.answers.length > 0);
  await countsExactly(shop.endpoint, shop.served() + load.answers.length);
  assert.equal((await areLiving(shop.endpoint, INSTANCES)).length, INSTANCES);
  t.diagnostic(`${load.answers.length} requests in the reload; ${inWords(await watch.stop())}`);
});

for (const mode of ['cluster', 'fork'] as const) {
  test(`in ${mode} mode each instance is killed in turn, the leader first: the endpoint is back, the totals go on`, async (t) => {
    const shop = await startShop(t, mode);
    const first = await shop.pm2.ready('shop', INSTANCES);
    await countsExactly(shop.endpoint, await shop.serve(2));
    const watch = await watchEndpoint(t, shop.port);
    const leader = await leaderAt(shop.port);
    for (const pid of [leader, ...[...first.keys()].filter((each) => each !== leader)]) {
      process.kill(pid, 'SIGKILL');
      await until(() => !shop.pm2.processes().includes(pid), `the end of ${pid}`);
      await shop.pm2.ready('shop', INSTANCES);
      await countsExactly(shop.endpoint, await shop.serve(1));
    }
    assert.ok(!first.has(await leaderAt(shop.port)), 'a new one leads');
    await areLiving(shop.endpoint, INSTANCES);
    t.diagnostic(`${mode} mode, ${INSTANCES} kills: ${inWords(await watch.stop())}`);
  });
}

test('restart, scale and stop: the totals go on to the end, which leaves no directory', async (t) => {
  const shop = await startShop(t, 'cluster');
  await shop.pm2.ready('shop', INSTANCES);
  const watch = await watchEndpoint(t, shop.port);
  await countsExactly(shop.endpoint, await shop.serve(2));
  await shop.pm2.run('restart', 'shop');
  await shop.pm2.ready('shop', INSTANCES);
  await countsExactly(shop.endpoint, await shop.serve(2));
  for (const count of [6, 2]) {
    await shop.pm2.run('scale', 'shop', String(count));
    await shop.pm2.ready('shop', count);
    await countsExactly(shop.endpoint, await shop.serve(2));
    await areLiving(shop.endpoint, count);
  }
  await leaderAt(shop.port);
  t.diagnostic(inWords(await watch.stop()));
  await shop.pm2.run('stop', 'shop');
  await shop.pm2.run('delete', 'shop');
  await until(
    () => readdirSync(shop.pm2.directory).length === 0,
    () => `an empty directory; there is ${readdirSync(shop.pm2.directory)}`,
  );
});

interface Shop {
  pm2: Pm2;
  /** Of the endpoint. */
  port: number;
  appPort: number;
  endpoint: Pick<Running, 'scrape'>;
  /** So many requests for each instance. @returns how many there were in all, since the start */
  serve(each: number): Promise<number>;
  served(): number;
}

async function startShop(t: TestContext, mode: 'cluster' | 'fork'): Promise<Shop> {
  const [port, appPort] = [await freePort(), await freePort()];
  const env = { PROMETHEUS_METRICS_PORT: String(port), APP_PORT: mode === 'cluster' ? String(appPort) : '0' };
  const app = { name: 'shop', exec_mode: mode, instances: INSTANCES, node_args: preloadedBy('--import'), env };
  const pm2 = await startPm2(t, [app]);
  let served = 0;
  const serve = async (each: number) => {
    const ports = mode === 'cluster' ? Array.from({ length: INSTANCES }, () => appPort) : await portsOf(pm2);
    for (const one of ports) served += (await requests(`http://127.0.0.1:${one}/`, each)).length;
    return served;
  };
  return { pm2, port, appPort, endpoint: endpointAt(port), serve, served: () => served };
}

async function portsOf(pm2: Pm2): Promise<number[]> {
  return [...(await pm2.ready('shop', INSTANCES)).values()];
}
