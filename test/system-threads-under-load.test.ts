/** Threads that end in every way while clients ask all the time: what they have answered is counted, and no total falls. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { type Sample, select } from './exposition.ts';
import { areShown, idOf } from './living-workers.ts';
import { ask, orchestra, watchTotals } from './orchestra.ts';
import { startCluster, until } from './processes.ts';
import { request, requests } from './requests.ts';
import { endedBy } from './restarts.ts';

const KILL = { reason: 'kill', restart_type: 'forced' } as const;
const ROUNDS = 5;

for (const [end, ...order] of [
  ['terminate', 'terminate'],
  ['process.exit()', 'tell', 'exit', '0'],
  ['a crash', 'tell', 'crash'],
] as const) {
  test(`threads that end by ${end} under load have counted what they answered, within the stated bound`, async (t) => {
    const app = orchestra(t);
    const lasting = await app.thread();
    const load = ask(lasting.port);
    const watch = watchTotals(t, app);
    for (let round = 0; round < ROUNDS; round += 1) {
      const { id, port } = await app.thread();
      const clients = [ask(port), ask(port), ask(port)];
      await until(() => clients.every(({ count }) => count.answered > 400), 'some load');
      const [what, ...rest] = order;
      app.tell(what!, id.slice(2), ...rest);
      await app.endOf(id);
      const counts = await Promise.all(clients.map((client) => client.stop()));
      // The first may share a collection that began before the end.
      await app.scrape();
      const samples = await app.scrape();
      const counted = of(samples, id);
      const answered = counts.reduce((sum, count) => sum + count.answered, 0);
      // What a killed thread may lose is what it had answered in its last 10 ms; a busy machine stretches them.
      const late = end === 'terminate' ? counts.reduce((sum, count) => sum + count.late(50), 0) : 0;
      const said = `${counted} counted, ${answered} answered, ${late} of them late`;
      t.diagnostic(said);
      assert.ok(counted >= answered - late, said);
      assert.ok(counted <= answered + clients.length, said);
    }
    const { answered } = await load.stop();
    await until(async () => of(await app.scrape(), lasting.id) === answered, 'the lasting one has counted exactly');
    assert.ok((await watch.stop()).scrapes > ROUNDS);
  });
}

test('a thread that was started by a thread ends with it, and what both have counted stays', async (t) => {
  const app = orchestra(t);
  const outer = await app.thread();
  app.tell('tell', outer.id.slice(2), 'start');
  const inner = await app.next();
  for (const { port } of [outer, inner]) await requests(`http://127.0.0.1:${port}/`, 5);
  await areShown(app, [outer.id, inner.id]);
  const watch = watchTotals(t, app);
  app.tell('terminate', outer.id.slice(2));
  await endedBy(app, outer.id, KILL);
  await areShown(app, []);
  const { last } = await watch.stop();
  assert.deepEqual([of(last, outer.id), of(last, inner.id)], [5, 5]);
});

test('a thread of a cluster worker is counted beside it, and its end told by it', async (t) => {
  const cluster = await startCluster(t, 'serves-in-threads.mjs', 1);
  await request(`http://127.0.0.1:${cluster.port}/start`);
  const [, name] = await cluster.says(/^thread 0\.(\d+) listens$/m);
  await areShown(cluster, ['1', `1.${name}`]);
  const watch = watchTotals(t, cluster);
  await request(`http://127.0.0.1:${cluster.port}/terminate`);
  await endedBy(cluster, `1.${name}`, KILL);
  await areShown(cluster, ['1']);
  await watch.stop();
});

/** Requests counted under one worker_id. */
function of(samples: Sample[], id: string): number {
  const own = select(samples, 'gunicorn_worker_requests_total').filter(
    ({ labels }) => idOf(labels['worker_id']!) === id,
  );
  return own.reduce((sum, { value }) => sum + value, 0);
}
