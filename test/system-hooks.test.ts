/** The config module: each hook at its moment and in order, settings under the environment, views; failures unfelt. */
import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { pathToFileURL } from 'node:url';
import { select, sum } from './exposition.ts';
import { areShown, endings } from './living-workers.ts';
import { fixture, freshDirectory, ROOT, type Running, start, startApp, startCluster, until } from './processes.ts';
import { get, settled } from './request-count.ts';
import { connect, request, requests } from './requests.ts';

const APP = 'stays-for-its-requests.mjs';
const HOOKS = { GUNICORN_OTEL_CONFIG: fixture('says-each-hook.conf.mjs') };
const PRIMARY = { primary: fixture('keeps-workers.mjs') };
const WORKER_FIELDS = ['id', 'pid', 'threadId', 'workerId'];

interface Call {
  hook: string;
  pid: number;
  server?: Record<string, unknown>;
  /** Whether the group's directory was there. */
  directory?: boolean;
  /** Workers of the cluster at that moment. */
  workers?: number;
  worker?: Record<string, unknown>;
  url?: string;
  [more: string]: unknown;
}

test('each hook of a single process is called at its moment, with what it is to be given', async (t) => {
  const app = await startApp(t, APP, { env: { ...HOOKS, LISTENS_TO: 'SIGHUP' } });
  const url = await app.metricsUrl();
  await requests(`http://127.0.0.1:${app.port}/hello`, 1);
  const { socket } = await connect(app.port, get('/hold'));
  await app.says(/^request \/hold/m);
  socket.destroy();
  await until(() => calls(app, 'postRequest').length === 2, 'the end of both requests');
  app.child.kill('SIGHUP');
  assert.deepEqual(await app.ended(), { code: 0, signal: null });

  inOrder(app, ['onStarting', 'workerInt', /^ready/, 'preRequest', /^request \/hello/, 'postRequest']);
  inOrder(app, ['onStarting', 'whenReady', 'onReload', /saw SIGHUP/, 'onExit']);
  inOrder(app, ['preRequest', /^request \/hold/, 'postRequest']);
  assert.deepEqual(
    calls(app)
      .map(({ hook }) => hook)
      .sort(),
    [
      'onExit',
      'onReload',
      'onStarting',
      'postRequest',
      'postRequest',
      'preRequest',
      'preRequest',
      'whenReady',
      'workerInt',
    ],
  );
  assert.equal(calls(app).at(-1)?.hook, 'onExit');

  for (const hook of ['onStarting', 'whenReady', 'onReload', 'onExit']) {
    const { server, directory, pid } = calls(app, hook)[0]!;
    const fields = Object.keys({ url: undefined, ...server }).sort();
    assert.deepEqual(fields, ['directory', 'frozen', 'pid', 'role', 'settings', 'url'], hook);
    assert.equal(pid, app.pid);
    assert.equal(server!['pid'], app.pid);
    assert.equal(server!['role'], 'single');
    assert.equal(server!['settings'], 'standard');
    assert.equal(server!['frozen'], true);
    assert.ok(String(server!['directory']).startsWith(app.directory));
    assert.equal(directory, true, `the group is there in ${hook}`);
    assert.equal(server!['url'], hook === 'onStarting' ? undefined : url, hook);
  }
  const workers = calls(app).filter(({ worker }) => worker);
  for (const { hook, worker } of workers) {
    const { frozen, ...fields } = worker!;
    assert.equal(frozen, true);
    assert.deepEqual(Object.keys(fields).sort(), WORKER_FIELDS, hook);
    assert.match(String(fields['workerId']), /^worker_0_\d+$/);
    assert.deepEqual([fields['id'], fields['pid'], fields['threadId']], [0, app.pid, 0]);
  }
  const [answered, aborted] = calls(app, 'postRequest');
  assert.deepEqual([answered!.url, answered!['sameUrl'], answered!['statusCode']], ['/hello', '/hello', 200]);
  assert.equal(aborted!.url, '/hold');
  for (const { durationSeconds } of [answered!, aborted!]) {
    assert.ok(
      typeof durationSeconds === 'number' && durationSeconds > 0 && durationSeconds < 30,
      `${durationSeconds} s`,
    );
  }
});

test('in a cluster each hook is called where it belongs: those of the server once, those of workers in each', async (t) => {
  const cluster = await startCluster(t, APP, 2, { ...PRIMARY, env: HOOKS });
  await areShown(cluster, ['1', '2']);
  const pids = await requests(`http://127.0.0.1:${cluster.port}/hello`, 4);
  await until(() => calls(cluster, 'postRequest').length === 4, 'the end of four requests');
  assert.deepEqual(
    calls(cluster, 'preRequest').map(({ pid }) => String(pid)),
    pids,
  );
  assert.deepEqual(
    calls(cluster, 'postRequest')
      .map(({ pid }) => String(pid))
      .sort(),
    pids.sort(),
  );
  const [starting] = calls(cluster, 'onStarting');
  assert.deepEqual([starting!.pid, starting!.workers, starting!.server!['role']], [cluster.pid, 0, 'primary']);

  const killed = cluster.workers().get('2')!;
  process.kill(killed, 'SIGKILL');
  await until(() => calls(cluster, 'childExit').length === 1, 'the exit of a worker told');
  await areShown(cluster, ['1', '3']);
  await until(() => cluster.workers().size === 3, 'the new one listening');
  const [exit] = calls(cluster, 'childExit');
  assert.equal(exit!.pid, cluster.pid);
  assert.deepEqual(
    Object.keys(exit!.worker!).sort(),
    [...WORKER_FIELDS, 'code', 'frozen', 'reason', 'restartType', 'signal'].sort(),
  );
  const { workerId, ...others } = exit!.worker!;
  assert.match(String(workerId), /^worker_2_\d+$/);
  const ending = { code: null, signal: 'SIGKILL', reason: 'kill', restartType: 'forced' };
  assert.deepEqual(others, { id: 2, pid: killed, threadId: 0, frozen: true, ...ending });

  cluster.child.kill('SIGHUP');
  await areShown(cluster, ['4', '5']);
  await until(() => calls(cluster, 'childExit').length === 3, 'the exits of the old workers told');
  await until(() => cluster.workers().size === 5, 'the new ones listening');
  cluster.child.kill('SIGTERM');
  assert.deepEqual(await cluster.ended(), { code: 0, signal: null });
  const inits = calls(cluster, 'workerInt');
  assert.deepEqual(inits.map(({ worker }) => worker!['id']).sort(), [1, 2, 3, 4, 5]);
  for (const { pid, worker } of inits) assert.equal(worker!['pid'], pid);
  assert.deepEqual(inits.map(({ pid }) => pid).sort(), [...cluster.workers().values()].sort());
  const reasons = calls(cluster, 'childExit').map(({ worker }) => [worker!['code'], worker!['reason']]);
  assert.deepEqual(reasons, [[null, 'kill'], ...Array.from({ length: 4 }, () => [0, 'quit'])]);
  for (const hook of ['onStarting', 'whenReady', 'onReload', 'onExit']) {
    assert.deepEqual(
      calls(cluster, hook).map(({ pid }) => pid),
      [cluster.pid],
      `${hook} once, in the primary`,
    );
  }
  assert.equal(calls(cluster).at(-1)?.hook, 'onExit');
  inOrder(cluster, [
    'onStarting',
    'workerInt',
    /^worker 1/,
    'preRequest',
    'postRequest',
    'childExit',
    'onReload',
    'onExit',
  ]);
});

test('a thread that serves is told of by itself, and its end by the process that started it', async (t) => {
  const app = await startApp(t, 'serves-in-threads.mjs', { env: HOOKS });
  await request(`http://127.0.0.1:${app.port}/start`);
  const [, id] = await app.says(/^thread 0\.(\d+) listens$/m);
  const inits = await until(() => {
    const found = calls(app, 'workerInt');
    return found.length === 2 && found;
  }, 'two that serve');
  assert.deepEqual(inits.map(({ worker }) => worker!['threadId']).sort(), [0, Number(id)]);
  await areShown(app, ['0', `0.${id}`]);
  await request(`http://127.0.0.1:${app.port}/terminate`);
  const [exit] = await until(() => {
    const found = calls(app, 'childExit');
    return found.length > 0 && found;
  }, 'the end of the thread');
  assert.equal(exit!.worker!['threadId'], Number(id));
  assert.equal(exit!.worker!['reason'], 'kill');
});

for (const REJECTS of ['', '1']) {
  const fails = REJECTS ? 'rejects' : 'throws';
  const env = { REJECTS, GUNICORN_OTEL_CONFIG: fixture('fails-in-every-hook.conf.mjs') };
  const failures = (samples: Parameters<typeof sum>[0]) =>
    sum(samples, 'gunicorn_exporter_errors_total', { cause: 'hook' });

  test(`a hook that ${fails} is counted and told in one line, and the app does as without it`, async (t) => {
    const app = await startApp(t, APP, { env: { ...env, LISTENS_TO: 'SIGHUP' } });
    const pids = await requests(`http://127.0.0.1:${app.port}/hello`, 3);
    assert.deepEqual(new Set(pids), new Set([String(app.pid)]));
    await settled(app, 3);
    // onStarting, whenReady, workerInt, and two for each request.
    const samples = await until(async () => {
      const scraped = await app.scrape();
      return failures(scraped) >= 9 && scraped;
    }, 'nine failures');
    assert.equal(failures(samples), 9);
    const told = app.output.stderr.split('\n').filter((line) => line.includes(' is wrong'));
    assert.equal(told.length, 1, app.output.stderr);
    assert.match(told[0]!, /^gunicorn-otel: .*hook/);
    assert.match(app.output.stderr, /^(gunicorn-otel: .*\n)+$/, 'no stack, and nothing of Node');
    app.child.kill('SIGHUP');
    await app.says(/saw SIGHUP/);
    assert.deepEqual(await app.ended(), { code: 0, signal: null });
  });

  test(`in a cluster a hook that ${fails} keeps no worker from starting, ending or being replaced`, async (t) => {
    const cluster = await startCluster(t, APP, 2, { ...PRIMARY, env });
    await areShown(cluster, ['1', '2']);
    // onStarting and whenReady, and one of each worker; what is not published yet a kill may lose.
    await until(async () => failures(await cluster.scrape()) === 4, 'four failures');
    process.kill(cluster.workers().get('1')!, 'SIGKILL');
    await areShown(cluster, ['2', '3']);
    await until(async () => failures(await cluster.scrape()) === 6, 'one of the exit, one of the new worker');
    cluster.child.kill('SIGTERM');
    assert.deepEqual(await cluster.ended(), { code: 0, signal: null });
    assert.equal(endings(cluster).get('2'), '0');
  });
}

test('defaults that are called before anything has begun end nothing under the preload, and what they have begun without it', async (t) => {
  const preloaded = await startApp(t, 'begins-and-ends-by-defaults.mjs', {});
  await requests(`http://127.0.0.1:${preloaded.port}/hello`, 3);
  await settled(preloaded, 3);
  const bare = start(t, [fixture('begins-and-ends-by-defaults.mjs')], { preload: 'none' });
  await bare.says(/^ready on port (\d+)/m);
  await until(() => readdirSync(bare.directory).length === 0, 'its group is gone');
});

test('gunicorn.conf.mjs in the working directory is found, and its settings hold under the environment', async (t) => {
  const cwd = freshDirectory(t);
  const hook = `export function onStarting({ settings }) { console.log('starting', settings.labels, settings.maxEndpoints); }`;
  writeFileSync(
    join(cwd, 'gunicorn.conf.mjs'),
    `export const labels = 'detailed';\nexport const maxEndpoints = 7;\n${hook}\n`,
  );
  const register = pathToFileURL(join(ROOT, 'dist/lib/register.js')).href;
  const run = async (env: Record<string, string>) => {
    const app = start(t, ['--import', register, fixture(APP)], { preload: 'none', cwd, env });
    const [, port] = await app.says(/^ready on port (\d+)/m);
    await requests(`http://127.0.0.1:${port}/hello`, 1);
    const samples = await settled(app, 1);
    const [, labels, endpoints] = await app.says(/^starting (\S+) (\S+)$/m);
    return [labels, endpoints, select(samples, 'gunicorn_worker_requests_total', { endpoint: '/hello' }).length];
  };
  assert.deepEqual(await run({}), ['detailed', '7', 1]);
  assert.deepEqual(await run({ GUNICORN_OTEL_LABELS: 'standard' }), ['standard', '7', 0]);
});

test('a config module that is not there or does not load is told in one line, and the app runs without it', async (t) => {
  const directory = freshDirectory(t);
  const broken = join(directory, 'broken.mjs');
  writeFileSync(broken, 'export const labels = ;\n');
  const throwing = join(directory, 'throwing.mjs');
  writeFileSync(throwing, 'throw new Error("not today");\n');
  for (const path of [join(directory, 'nowhere.mjs'), broken, throwing]) {
    const app = await startApp(t, APP, { env: { GUNICORN_OTEL_CONFIG: path } });
    await requests(`http://127.0.0.1:${app.port}/hello`, 1);
    await settled(app, 1);
    assert.match(app.output.stderr, /^(gunicorn-otel: .*\n)+$/, 'no stack, and nothing of Node');
    const told = app.output.stderr.split('\n').filter((line) => line.includes(path));
    assert.equal(told.length, 1, app.output.stderr);
  }
});

test('views give instruments of the app another name, other buckets and fewer attributes, over all workers', async (t) => {
  const env = { GUNICORN_OTEL_CONFIG: fixture('views-of-checkouts.conf.mjs') };
  const cluster = await startCluster(t, 'times-its-checkouts.mjs', 2, { ...PRIMARY, env });
  const samples = await until(async () => {
    const scraped = await cluster.scrape();
    return sum(scraped, 'shop_checkout_time_seconds_count') === 8 && sum(scraped, 'shop_orders_total') === 8 && scraped;
  }, 'four checkouts of each worker');
  const buckets = select(samples, 'shop_checkout_time_seconds_bucket', { channel: 'web' });
  assert.deepEqual(Object.fromEntries(buckets.map(({ labels, value }) => [labels['le'], value])), {
    1: 0,
    3: 2,
    '+Inf': 4,
  });
  const counts = select(samples, 'shop_checkout_time_seconds_count').map(({ labels, value }) => [labels, value]);
  assert.deepEqual(counts.sort(), [
    [{ channel: 'shop' }, 4],
    [{ channel: 'web' }, 4],
  ]);
  assert.deepEqual(
    samples.filter(({ name }) => name.startsWith('shop_checkout_duration')),
    [],
  );
  assert.equal(select(samples, 'shop_orders_total').length, 4, 'what has no view is as it was');
});

function calls({ output }: Running, hook?: string): Call[] {
  const all = [...output.stdout.matchAll(/^hook (\{.*\})$/gm)].map(([, json]) => JSON.parse(json!) as Call);
  return hook === undefined ? all : all.filter((call) => call.hook === hook);
}

// Holds that these hooks and lines come one after another; others may come between them.
function inOrder({ output }: Running, expected: (string | RegExp)[]): void {
  const lines = output.stdout.split('\n');
  let at = 0;
  for (const what of expected) {
    const is = (line: string) =>
      typeof what === 'string' ? line.startsWith(`hook {"hook":"${what}"`) : what.test(line);
    const found = lines.findIndex((line, index) => index >= at && is(line));
    assert.ok(found >= 0, `${what} in its place among\n${output.stdout}`);
    at = found + 1;
  }
}
