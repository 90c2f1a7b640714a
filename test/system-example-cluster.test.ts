/** examples/cluster, run as the README says: it behaves like Gunicorn's primary, and its metrics follow. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { select, sum } from './exposition.ts';
import { ROOT, type Running, start, until } from './processes.ts';
import { COUNT } from './request-count.ts';
import { request } from './requests.ts';

test('the cluster example adds, removes, replaces and ends its workers by signals, and its totals go on', async (t) => {
  const app = start(t, [join(ROOT, 'examples/cluster/primary.mjs')], { env: { GUNICORN_WORKERS: '2', PORT: '0' } });
  const pids = () => [...app.output.stdout.matchAll(/^worker (\d+) on/gm)].map(([, pid]) => Number(pid));
  const [, port] = await app.says(/on port (\d+)/);
  const url = `http://127.0.0.1:${port}`;
  await workers(app, 2);
  for (const path of ['/', '/fail', '/nowhere']) await request(url + path);
  await request(`${url}/orders`, { method: 'POST' });
  await until(async () => sum(await app.scrape(), 'shop_orders_total', { channel: 'web' }) === 1, 'the order is told');

  app.child.kill('SIGTTIN');
  await workers(app, 3);
  await until(() => pids().length === 3, 'the third one listens');
  app.child.kill('SIGTTOU');
  const before = await workers(app, 2);
  app.child.kill('SIGHUP');
  const after = await until(async () => {
    const now = await workers(app, 2);
    return now.every((id) => !before.includes(id)) && now;
  }, 'both workers are new');
  await until(() => pids().length === 5, 'all five that ever were have listened');
  process.kill(pids().at(-1)!, 'SIGKILL');
  await until(() => pids().length === 6, 'the killed worker is replaced');
  await until(async () => (await workers(app, 2)).some((id) => !after.includes(id)), 'the new one is shown');

  const samples = await app.scrape();
  assert.equal(sum(samples, COUNT), 4);
  assert.equal(sum(samples, 'gunicorn_worker_failed_requests_total', { endpoint: '/fail', error_type: '500' }), 1);
  app.child.kill('SIGTERM');
  assert.deepEqual(await app.ended(), { code: 0, signal: null });
});

async function workers(app: Running, count: number): Promise<string[]> {
  return until(async () => {
    const ids = select(await app.scrape(), 'gunicorn_worker_state', { state: 'running' });
    return ids.length === count && ids.map(({ labels }) => labels['worker_id']!);
  }, `${count} workers`);
}
