/** Who ended, by what, and who was replaced: told by real signals, exits and errors of real workers and threads. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { select, sum } from './exposition.ts';
import { areShown, endings, idOf } from './living-workers.ts';
import { type Cluster, fixture, type StartOptions, start, startApp, startCluster, until } from './processes.ts';
import { get } from './request-count.ts';
import { connect, request } from './requests.ts';
import {
  areReplaced,
  ENDED,
  ENDED_BY_TYPE,
  type Ending,
  endedBy,
  ofWorker,
  REPLACED,
  REPLACED_BY_WORKER,
  replaced,
} from './restarts.ts';

const APP = 'ends-as-asked.mjs';
const KILL: Ending = { reason: 'kill', restart_type: 'forced' };
const ABORT: Ending = { reason: 'abort', restart_type: 'forced' };
const TERM: Ending = { reason: 'term', restart_type: 'graceful' };
const QUIT: Ending = { reason: 'quit', restart_type: 'graceful' };
const CRASH: Ending = { reason: 'crash', restart_type: 'forced' };
const BY_SIGNAL = {
  SIGKILL: KILL,
  SIGABRT: ABORT,
  SIGTERM: TERM,
  SIGINT: QUIT,
  SIGQUIT: QUIT,
  SIGHUP: QUIT,
  SIGALRM: CRASH,
  SIGSEGV: CRASH,
  SIGUSR2: CRASH,
};
const BY_CODE = { 137: KILL, 134: ABORT, 143: TERM, 130: QUIT, 131: QUIT, 129: QUIT, 0: QUIT, 1: CRASH, 77: CRASH };
const NO_REASON = { quit: 0, term: 0, abort: 0, kill: 0, crash: 0 };

test('before anybody has ended every reason stands at zero, and no worker is told to have ended', async (t) => {
  const cluster = await started(t, 2);
  await areShown(cluster, ['1', '2']);
  const samples = await cluster.scrape();
  assert.deepEqual(replaced(samples), Object.fromEntries(REPLACED.map((name) => [name, NO_REASON])));
  for (const name of [ENDED, ENDED_BY_TYPE, REPLACED_BY_WORKER]) assert.deepEqual(select(samples, name), [], name);
});

test('a worker is told to have ended by its signal, else by its code, and to have been replaced', async (t) => {
  const cluster = await started(t, 1);
  const counts = { ...NO_REASON };
  let id = 0;
  // Where its only worker has ended the port is another one's to choose.
  const ask = async (path: string) => {
    const ports = () => [...cluster.output.stdout.matchAll(/^ready on port (\d+)$/gm)].map(([, port]) => port);
    await until(() => ports().length === id, 'the port of the worker');
    await assert.rejects(request(`http://127.0.0.1:${ports().at(-1)}${path}`), { code: 'ECONNRESET' });
  };
  const ends = async (how: string, ending: Ending, end: (pid: number) => unknown) => {
    id += 1;
    await until(() => cluster.workers().has(String(id)), `worker ${id}`);
    await end(cluster.workers().get(String(id))!);
    await until(() => endings(cluster).has(String(id)), `the end of worker ${id} by ${how}`);
    assert.equal(endings(cluster).get(String(id)), how);
    counts[ending.reason] += 1;
    await endedBy(cluster, String(id), ending);
    await areReplaced(cluster, counts);
    const labels = { reason: ending.reason, restart_type: ending.restart_type };
    assert.deepEqual(ofWorker(await cluster.scrape(), REPLACED_BY_WORKER, String(id)), [{ labels, value: 1 }], how);
  };
  for (const [signal, ending] of Object.entries(BY_SIGNAL)) {
    await ends(signal, ending, (pid) => process.kill(pid, signal));
  }
  for (const [code, ending] of Object.entries(BY_CODE)) {
    await ends(code, ending, () => ask(`/exit?${code}`));
  }
  await ends('1', CRASH, () => ask('/throw'));
  await ends('1', CRASH, () => ask('/rejects'));
  await ends('0', QUIT, () => cluster.child.kill('SIGHUP'));
});

test('a worker that its primary let go has quit, whatever code it ends with', async (t) => {
  const cluster = await started(t, 1, { env: { DISCONNECTED_CODE: '3' } });
  cluster.child.kill('SIGHUP');
  await until(() => endings(cluster).get('1') === '3', 'its end');
  await endedBy(cluster, '1', QUIT);
  await areReplaced(cluster, { quit: 1 });
});

test('a worker that its primary let go and then had to kill was killed', async (t) => {
  const cluster = await started(t, 1, {}, 'stays-for-its-requests.mjs');
  await connect(cluster.port, get('/hold'));
  await cluster.says(/^request \/hold/m);
  cluster.child.kill('SIGHUP');
  await until(() => cluster.workers().has('2'), 'the new worker');
  process.kill(cluster.workers().get('1')!, 'SIGKILL');
  await endedBy(cluster, '1', KILL);
  await areReplaced(cluster, { kill: 1 });
});

test('a reload whose new workers start before the old ones leave replaces each worker once', async (t) => {
  const cluster = await started(t, 2);
  await areShown(cluster, ['1', '2']);
  cluster.child.kill('SIGHUP');
  await areShown(cluster, ['3', '4']);
  await areReplaced(cluster, { quit: 2 });
  cluster.child.kill('SIGHUP');
  await areShown(cluster, ['5', '6']);
  await areReplaced(cluster, { quit: 4 });
  const samples = await cluster.scrape();
  assert.equal(sum(samples, REPLACED_BY_WORKER, { reason: 'quit', restart_type: 'graceful' }), 4);
  for (const id of ['1', '2', '3', '4']) assert.equal(ofWorker(samples, ENDED, id).length, 1);
});

test('a worker that nobody takes the place of has ended and was not replaced', async (t) => {
  const cluster = await started(t, 3);
  await areShown(cluster, ['1', '2', '3']);
  cluster.child.kill('SIGTTOU');
  await until(() => endings(cluster).has('1'), 'its end');
  const samples = await endedBy(cluster, '1', QUIT);
  assert.deepEqual(replaced(samples), Object.fromEntries(REPLACED.map((name) => [name, NO_REASON])));
  assert.deepEqual(select(samples, REPLACED_BY_WORKER), []);
});

test('a worker is replaced when its successor is forked, not when it ends', async (t) => {
  const cluster = await started(t, 1, { env: { REPLACE_AFTER_MS: '3000' } });
  process.kill(cluster.workers().get('1')!, 'SIGKILL');
  const samples = await endedBy(cluster, '1', KILL);
  assert.equal(cluster.workers().size, 1, 'told before the successor is there');
  assert.equal(replaced(samples)[REPLACED[0]!]!['kill'], 0);
  await areReplaced(cluster, { kill: 1 });
});

test('detailed labels tell which worker was replaced', async (t) => {
  const cluster = await started(t, 2, { env: { GUNICORN_OTEL_LABELS: 'detailed' } });
  process.kill(cluster.workers().get('2')!, 'SIGTERM');
  await endedBy(cluster, '2', TERM);
  await until(async () => sum(await cluster.scrape(), REPLACED[0]!) === 1, 'its replacement');
  const samples = await cluster.scrape();
  for (const name of REPLACED) {
    const told = select(samples, name).filter(({ value }) => value > 0);
    assert.deepEqual(
      told.map(({ labels }) => [idOf(labels['worker_id']!), labels['reason']]),
      [['2', 'term']],
      name,
    );
  }
});

test('what is told of one exited worker goes with its retention, what is told of all stays', async (t) => {
  const cluster = await started(t, 1, { env: { GUNICORN_OTEL_EXITED_RETENTION: '2s' } });
  process.kill(cluster.workers().get('1')!, 'SIGKILL');
  await endedBy(cluster, '1', KILL);
  await areReplaced(cluster, { kill: 1 });
  await until(async () => {
    const samples = await cluster.scrape();
    return [ENDED, ENDED_BY_TYPE, REPLACED_BY_WORKER].every((name) => select(samples, name).length === 0);
  }, 'the end of what is told of worker 1');
  await areReplaced(cluster, { kill: 1 });
});

for (const retention of ['300s', '0']) {
  test(`slots keep their ids and their counts over twenty kills, with a retention of ${retention}`, async (t) => {
    const env = { GUNICORN_OTEL_WORKER_ID: 'slot', GUNICORN_OTEL_EXITED_RETENTION: retention };
    const cluster = await started(t, 2, { env });
    const last = new Map<string, number>();
    let answers = 0;
    const noneFell = async () => {
      const samples = await cluster.scrape();
      const now = new Map(
        select(samples, 'gunicorn_worker_requests_total').map(({ labels, value }) => [labels['worker_id']!, value]),
      );
      for (const [slot, value] of last) assert.ok((now.get(slot) ?? -1) >= value, `${slot} was at ${value}`);
      for (const [slot, value] of now) last.set(slot, value);
      assert.deepEqual([...last.keys()].sort(), ['worker_1', 'worker_2']);
      return samples;
    };
    await areShown(cluster, ['1', '2']);
    for (let kill = 1; kill <= 20; kill += 1) {
      for (let i = 0; i < 4; i += 1) {
        await request(`http://127.0.0.1:${cluster.port}/`);
        answers += 1;
      }
      // What a kill may lose is not the question here.
      await until(
        async () => sum(await noneFell(), 'gunicorn_worker_requests_total') === answers,
        `${answers} counted`,
      );
      const pids = [...cluster.workers().values()];
      process.kill(pids.at(-2)!, 'SIGKILL');
      await noneFell();
      await until(() => cluster.workers().size === 2 + kill, 'the new worker');
      await noneFell();
    }
    await areReplaced(cluster, { kill: 20 });
    await areShown(cluster, ['1', '2']);
    const samples = await noneFell();
    for (const name of [ENDED, ENDED_BY_TYPE, REPLACED_BY_WORKER]) {
      assert.equal(sum(samples, name, { reason: 'kill' }), 20, name);
      assert.ok(select(samples, name).length <= 2, `${name}: one series for each slot`);
    }
    assert.equal(sum(samples, 'gunicorn_worker_requests_total'), answers);
    assert.equal(select(samples, 'gunicorn_worker_memory_bytes').length, 2);
  });
}

test('a reload with slots takes the next free ones, and gives the old ones back', async (t) => {
  const cluster = await started(t, 2, { env: { GUNICORN_OTEL_WORKER_ID: 'slot' } });
  await areShown(cluster, ['1', '2']);
  for (const slots of [
    ['3', '4'],
    ['1', '2'],
  ]) {
    const gone = endings(cluster).size;
    cluster.child.kill('SIGHUP');
    await areShown(cluster, slots);
    await until(() => endings(cluster).size === gone + 2, 'the end of the old ones');
  }
  await areReplaced(cluster, { quit: 4 });
});

for (const emitter of ['cluster', 'worker']) {
  test(`a slot is free for who is forked in the exit listener of the ${emitter}, before ours has heard of it`, async (t) => {
    const app = start(t, [fixture('forks-as-it-hears.mjs'), emitter], { env: { GUNICORN_OTEL_WORKER_ID: 'slot' } });
    const pids = () => [...app.output.stdout.matchAll(/^worker \d+ (\d+)$/gm)].map(([, pid]) => Number(pid));
    await until(() => pids().length === 2, 'two workers');
    await areShown(app, ['1', '2']);
    for (let kill = 1; kill <= 3; kill += 1) {
      process.kill(pids().at(-1)!, 'SIGKILL');
      await until(() => pids().length === 2 + kill, 'the new worker');
      await areShown(app, ['1', '2']);
    }
    await areReplaced(app, { kill: 3 });
  });
}

test('a thread is replaced by one that serves, not by one that never does; the first of all replaced nobody', async (t) => {
  const app = await startApp(t, 'serves-in-threads.mjs');
  const order = (path: string) => request(`http://127.0.0.1:${app.port}${path}`);
  const listens = (count: number) =>
    until(() => app.output.stdout.match(/^thread 0\.\d+ listens$/gm)?.length === count, `${count} that have listened`);
  const counted = (reason: string, count: number) =>
    until(async () => sum(await app.scrape(), ENDED, { reason }) === count, `${count} by ${reason}`);
  // The exporter's thread runs by then, and is nobody's predecessor.
  await app.scrape();
  await order('/start');
  await listens(1);
  await order('/exit?0');
  await counted('quit', 1);
  await areReplaced(app, {});
  await order('/idle');
  await order('/start');
  await listens(2);
  await areReplaced(app, { quit: 1 });
  await order('/terminate');
  await counted('kill', 1);
  await order('/idle');
  // Longer than it takes to look at it.
  await new Promise((resolve) => setTimeout(resolve, 1500));
  await areReplaced(app, { quit: 1 });
});

test('a thread that serves is told to have ended as what it ended by', async (t) => {
  const app = await startApp(t, 'serves-in-threads.mjs');
  const order = (path: string) => request(`http://127.0.0.1:${app.port}${path}`);
  let threads = 0;
  const ends = async (path: string, code: string, ending: Ending) => {
    await order('/start');
    const listens = /^thread (0\.\d+) listens$/gm;
    const id = await until(() => [...app.output.stdout.matchAll(listens)][threads]?.[1], 'a thread that listens');
    threads += 1;
    await until(async () => select(await app.scrape(), 'gunicorn_worker_state').length === 2, 'it is shown');
    await order(path);
    await until(() => endings(app).get(id) === code, `its end with ${code}`);
    await endedBy(app, id, ending);
    await areShown(app, ['0']);
  };
  await ends('/terminate', '1', KILL);
  await ends('/crash', '1', CRASH);
  await ends('/exit?0', '0', QUIT);
  await ends('/exit?3', '3', CRASH);
  await ends('/exit?1', '1', CRASH);

  await order('/idle');
  await order('/exit?3');
  await until(() => endings(app).size === 6, 'the end of a thread that never served');
  const samples = await app.scrape();
  assert.equal(sum(samples, ENDED), 5);
});

function started(
  t: Parameters<typeof startCluster>[0],
  count: number,
  options: StartOptions = {},
  app = APP,
): Promise<Cluster> {
  return startCluster(t, app, count, { ...options, primary: fixture('keeps-workers.mjs') });
}
