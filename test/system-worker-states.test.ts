/** gunicorn_worker_state: one series per living worker at every moment, with what it is doing and since when. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { areShown, endings, enters, living, watchStates, workerStates } from './living-workers.ts';
import { type Cluster, fixture, type StartOptions, startApp, startCluster, until } from './processes.ts';
import { get } from './request-count.ts';
import { connect, request } from './requests.ts';

const APP = 'stays-for-its-requests.mjs';
const QUITTING = ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const;
// The least that is accepted, and a little for two noisy cores; the default is 5 s.
const UNRESPONSIVE_AFTER = { GUNICORN_OTEL_UNRESPONSIVE_AFTER: '3s' };
const DEFAULT_AFTER_SECONDS = 5;
const NEXT_SECOND_MS = 1100;

test('every worker that lives is running since it was started, as long as nothing happens to it', async (t) => {
  const cluster = await started(t, 3);
  const states = await areShown(cluster, ['1', '2', '3']);
  for (const { workerId, state, enteredAt } of states.values()) {
    assert.equal(state, 'running');
    const startSeconds = Number(workerId.split('_').at(-1));
    assert.ok(Math.abs(enteredAt - startSeconds) <= 1, `${workerId} is running since ${enteredAt}`);
  }
  await delay(NEXT_SECOND_MS);
  assert.deepEqual(workerStates(await cluster.scrape()), states, 'the same series a second later');
});

test('at every moment as many are running as there are living workers, whatever comes and goes', async (t) => {
  const cluster = await started(t, 3);
  await cluster.metricsUrl();
  await areShown(cluster, ['1', '2', '3']);
  const leaving = new Set<string>();
  const watch = watchStates(t, cluster, leaving);
  const settle = async (ids: string[]) => {
    await until(() => living(cluster).sort().join() === [...ids].sort().join(), `${ids} listening and nobody else`);
    const states = [...(await areShown(cluster, ids)).values()];
    assert.deepEqual(new Set(states.map(({ state }) => state)), new Set(['running']));
  };

  process.kill(cluster.workers().get('2')!, 'SIGKILL');
  await settle(['1', '3', '4']);
  cluster.child.kill('SIGTTIN');
  await settle(['1', '3', '4', '5']);
  leaving.add('1');
  cluster.child.kill('SIGTTOU');
  await settle(['3', '4', '5']);
  for (const id of ['3', '4', '5']) leaving.add(id);
  cluster.child.kill('SIGHUP');
  await settle(['6', '7', '8']);
  for (const id of ['6', '7', '8']) process.kill(cluster.workers().get(id)!, 'SIGKILL');
  await settle(['9', '10', '11']);
  t.diagnostic(`${await watch.stop()} scrapes`);
});

for (const signal of QUITTING) {
  test(`a worker is quitting from the ${signal} that it listens to until its last request is over`, async (t) => {
    const cluster = await started(t, 2, { env: { LISTENS_TO: QUITTING.join() } });
    await staysAfter(cluster, signal, 'quitting');
  });
}

test('a worker is aborting from the SIGABRT that it listens to', async (t) => {
  const cluster = await started(t, 2, { env: { LISTENS_TO: 'SIGABRT' } });
  await staysAfter(cluster, 'SIGABRT', 'aborting');
});

test('a worker that its primary disconnects is quitting while it still answers', async (t) => {
  const cluster = await started(t, 1);
  const { socket } = await connect(cluster.port, get('/hold'));
  await cluster.says(/^request \/hold/m);
  cluster.child.kill('SIGHUP');
  await enters(cluster, '1', 'quitting');
  await enters(cluster, '2', 'running');
  socket.destroy();
  await areShown(cluster, ['2']);
});

test('a worker whose channel is closed is quitting for as long as something else keeps it', async (t) => {
  const cluster = await started(t, 1, {}, 'lingers-after-its-channel.mjs');
  cluster.child.kill('SIGHUP');
  await cluster.says(/^disconnected$/m);
  const { enteredAt } = await enters(cluster, '1', 'quitting');
  assert.ok(Math.abs(Date.now() / 1000 - enteredAt) < DEFAULT_AFTER_SECONDS, 'since a moment ago');
  process.kill(cluster.workers().get('1')!, 'SIGKILL');
  await areShown(cluster, ['2']);
});

test('a single process is a worker, too: it is quitting while it drains', async (t) => {
  const app = await startApp(t, APP, { env: { LISTENS_TO: 'SIGTERM' } });
  await enters(app, '0', 'running');
  const { socket } = await connect(app.port, get('/hold'));
  await app.says(/^request \/hold/m);
  app.child.kill('SIGTERM');
  await enters(app, '0', 'quitting');
  socket.destroy();
  assert.deepEqual(await app.ended(), { code: 0, signal: null });
});

test('a worker that is stopped is unresponsive, and running again with a later time when it goes on', async (t) => {
  const cluster = await started(t, 2, { env: UNRESPONSIVE_AFTER });
  const before = await enters(cluster, '1', 'running');
  process.kill(cluster.workers().get('1')!, 'SIGSTOP');
  const stopped = await enters(cluster, '1', 'unresponsive');
  assert.ok(stopped.enteredAt > before.enteredAt, `${stopped.enteredAt} is after ${before.enteredAt}`);
  await delay(NEXT_SECOND_MS);
  const states = workerStates(await cluster.scrape());
  assert.deepEqual(states.get('1'), stopped, 'the same series a second later');
  assert.equal(states.get('2')?.state, 'running', 'the other one is');
  process.kill(cluster.workers().get('1')!, 'SIGCONT');
  const again = await enters(cluster, '1', 'running');
  assert.ok(again.enteredAt > stopped.enteredAt, `${again.enteredAt} is after ${stopped.enteredAt}`);
  assert.equal(again.workerId, before.workerId);
  await delay(NEXT_SECOND_MS);
  assert.deepEqual(workerStates(await cluster.scrape()).get('1'), again, 'the same series a second later');
});

test('a worker that is blocked is unresponsive after five seconds, and running when it is free again', async (t) => {
  const cluster = await startCluster(t, 'answers-its-pid-or-blocks.mjs', 1);
  const before = await enters(cluster, '1', 'running');
  const blockedSeconds = 9;
  const blocked = request(`http://127.0.0.1:${cluster.port}/block?${blockedSeconds * 1000}`);
  const blockedAt = Date.now() / 1000;
  const { enteredAt } = await enters(cluster, '1', 'unresponsive');
  // Its last heartbeat was up to a second before the block.
  assert.ok(Date.now() / 1000 - blockedAt > DEFAULT_AFTER_SECONDS - 1.5, 'not sooner');
  assert.ok(enteredAt > before.enteredAt);
  await blocked;
  const again = await enters(cluster, '1', 'running');
  assert.ok(again.enteredAt > enteredAt, `${again.enteredAt} is after ${enteredAt}`);
});

test('a quitting worker that is stopped is unresponsive, and quitting again when it goes on', async (t) => {
  const cluster = await started(t, 1, { env: { LISTENS_TO: 'SIGTERM', ...UNRESPONSIVE_AFTER } });
  const pid = cluster.workers().get('1')!;
  const { socket } = await connect(cluster.port, get('/hold'));
  await cluster.says(/^request \/hold/m);
  process.kill(pid, 'SIGTERM');
  await enters(cluster, '1', 'quitting');
  process.kill(pid, 'SIGSTOP');
  await enters(cluster, '1', 'unresponsive');
  process.kill(pid, 'SIGCONT');
  await enters(cluster, '1', 'quitting');
  socket.destroy();
  await areShown(cluster, ['2']);
});

function started(
  t: Parameters<typeof startCluster>[0],
  count: number,
  options: StartOptions = {},
  app = APP,
): Promise<Cluster> {
  return startCluster(t, app, count, { ...options, primary: fixture('keeps-workers.mjs') });
}

// A signal to the worker that holds a request: it is in that state until the request is over, and the others are not.
async function staysAfter(cluster: Cluster, signal: NodeJS.Signals, state: string): Promise<void> {
  const { socket } = await connect(cluster.port, get('/hold'));
  const pid = Number((await cluster.says(/^request \/hold in (\d+)$/m))[1]);
  const [id] = [...cluster.workers()].find(([, each]) => each === pid)!;
  const { enteredAt: startedAt } = await enters(cluster, id, 'running');
  await delay(NEXT_SECOND_MS);
  process.kill(pid, signal);
  const entered = await enters(cluster, id, state);
  assert.ok(entered.enteredAt > startedAt, `${entered.enteredAt} is after ${startedAt}`);
  await delay(NEXT_SECOND_MS);
  const states = workerStates(await cluster.scrape());
  assert.deepEqual(states.get(id), entered, 'the same series a second later');
  assert.equal(states.get(id === '1' ? '2' : '1')?.state, 'running', 'the other one is');
  socket.destroy();
  await until(() => endings(cluster).get(id) === '0', 'its end, in its own time');
  await areShown(cluster, [id === '1' ? '2' : '1', '3']);
}
