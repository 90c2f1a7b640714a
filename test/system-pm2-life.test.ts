/** The life of an app under PM2: reload, kills, scale, stop, restart. One endpoint goes on, and so do its totals. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import test, { type TestContext } from 'node:test';
import { sum } from './exposition.ts';
import {
  areLiving,
  countsBetween,
  countsExactly,
  endpointAt,
  inWords,
  leaderAt,
  watchEndpoint,
} from './one-endpoint.ts';
import { type Pm2, preloadedBy, startPm2 } from './pm2.ts';
import { freePort, type Running, until } from './processes.ts';
import { COUNT } from './request-count.ts';
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
  // A request that is on its way to a process when PM2 ends it is lost, with us or without: one for each at most.
  assert.ok(load.sent() - load.answers.length <= INSTANCES, `${load.sent()} sent, ${load.answers.length} answered`);
  assert.deepEqual(
    [...before.keys()].filter((pid) => after.has(pid)),
    [],
    'all are new',
  );
  assert.ok(load.answers.length > 0);
  await countsBetween(shop.endpoint, shop.served() + load.answers.length, shop.served() + load.sent());
  assert.equal((await areLiving(shop.endpoint, INSTANCES)).length, INSTANCES);
  const watched = inWords(await watch.stop());
  t.diagnostic(`${load.answers.length} answers, ${load.sent()} requests in the reload; ${watched}`);
});

for (const [mode, kills] of [
  ['cluster', INSTANCES],
  ['fork', 2],
] as const) {
  test(`in ${mode} mode ${kills} of four instances are killed in turn, the leader first: the endpoint is back, the totals go on`, async (t) => {
    const shop = await startShop(t, mode);
    const first = await shop.pm2.ready('shop', INSTANCES);
    await countsExactly(shop.endpoint, await shop.serve(2));
    const watch = await watchEndpoint(t, shop.port);
    const leader = await leaderAt(shop.port);
    const others = [...first.keys()].filter((each) => each !== leader);
    for (const pid of [leader, ...others].slice(0, kills)) {
      process.kill(pid, 'SIGKILL');
      await until(() => !shop.pm2.processes().includes(pid), `the end of ${pid}`);
      await shop.pm2.ready('shop', INSTANCES);
      await countsExactly(shop.endpoint, await shop.serve(1));
    }
    assert.notEqual(await leaderAt(shop.port), leader);
    await areLiving(shop.endpoint, INSTANCES);
    t.diagnostic(`${mode} mode, ${kills} kills: ${inWords(await watch.stop())}`);
  });
}

test('scale and stop: the totals go on to the end, which leaves no directory', async (t) => {
  const shop = await startShop(t, 'cluster');
  await shop.pm2.ready('shop', INSTANCES);
  await countsExactly(shop.endpoint, await shop.serve(2));
  const watch = await watchEndpoint(t, shop.port);
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

test('a restart: the sums are exact, from before it where one has lived through it, else anew', async (t) => {
  const shop = await startShop(t, 'cluster');
  await shop.pm2.ready('shop', INSTANCES);
  const before = await shop.serve(2);
  await countsExactly(shop.endpoint, before);
  await shop.pm2.run('restart', 'shop');
  await shop.pm2.ready('shop', INSTANCES);
  const all = await shop.serve(3);
  // PM2 ends two at a time, and may have ended all of them before the first new one listens.
  const counted = await until(
    async () => {
      const count = sum(await shop.endpoint.scrape(), COUNT);
      return (count === all || count === all - before) && count;
    },
    `${all} counted, or ${all - before}`,
  );
  await countsExactly(shop.endpoint, counted);
  await areLiving(shop.endpoint, INSTANCES);
  t.diagnostic(counted === all ? 'from before' : 'anew');
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
