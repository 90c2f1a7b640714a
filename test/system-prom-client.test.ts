/** An app that measures by prom-client, alone and in a cluster: its own exposition is as without us, and ours is exact. */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { parseExposition, select, sum } from './exposition.ts';
import { fixture, type Preload, start, until } from './processes.ts';
import { settled } from './request-count.ts';
import { request, requests } from './requests.ts';

const SALES = 5;

for (const preload of ['--import', '--require'] as const) {
  test(`prom-client sums its cluster and tells its own metrics under ${preload} as without us`, async (t) => {
    const bare = await seen(t, 'none');
    const ours = await seen(t, preload);
    assert.deepEqual(ours.names, bare.names);
    const samples = await settled(ours.app, SALES + 2);
    assert.equal(select(samples, 'sales_total').length, 0);
  });
}

async function seen(t: TestContext, preload: Preload) {
  const app = start(t, [fixture('has-prom-client.cjs')], { preload });
  await until(() => app.output.stdout.match(/^worker on/gm)?.length === 2, 'two workers that listen');
  const [, worker] = await app.says(/^worker on port (\d+)/m);
  const [, primary] = await app.says(/^primary on port (\d+)/m);
  await requests(`http://127.0.0.1:${worker}/`, SALES);
  const summed = parseExposition((await request(`http://127.0.0.1:${primary}/cluster`)).body);
  assert.equal(sum(summed, 'sales_total'), SALES);
  const own = parseExposition((await request(`http://127.0.0.1:${worker}/metrics`)).body);
  const names = new Set([...summed, ...own].map(({ name }) => name));
  // Those of the garbage collector are there once it has run.
  return { app, names: [...names].filter((name) => !name.includes('_gc_')).sort() };
}
