/** GUNICORN_OTEL_HTTP_SOURCE=instrumentation-http: the same families with the same samples, and what tracing adds. */
import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import test from 'node:test';
import { type Sample, select, sum } from './exposition.ts';
import { neverFalls } from './never-falls.ts';
import { fixture, type Running, start, startApp, startCluster, until } from './processes.ts';
import { answered, COUNT, get, settled } from './request-count.ts';
import { connect, request, requests } from './requests.ts';

const SOURCES = ['channels', 'instrumentation-http'] as const;
const INSTRUMENTED = { GUNICORN_OTEL_HTTP_SOURCE: 'instrumentation-http' };
const CLIENT_COUNT = 'http_client_request_duration_seconds_count';
const TAKEN = /the app has an HttpInstrumentation of its own/;

/** Every kind of request that both sources promise the same of. @returns how many are counted */
async function askAll({ port, output }: Running & { port: number }): Promise<number> {
  const url = `http://127.0.0.1:${port}`;
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  await requests(`${url}/hello`, 3, { agent });
  agent.destroy();
  await request(`${url}/hello`, { method: 'HEAD' });
  await request(`${url}/chunked`);
  await request(`${url}/upload`, { method: 'POST', body: ['x'.repeat(3000), 'é'] });
  await request(`${url}/hello`, { method: 'PROPFIND' });
  const piped = await connect(port, get('/chunked') + get('/hello') + get('/hello'));
  await until(() => piped.received.text.split('hello').length === 3, 'three pipelined answers');
  piped.socket.destroy();
  const hung = () => output.stdout.split('request /hang').length - 1;
  // One is under way, two wait behind it.
  const queued = await connect(port, get('/hang') + get('/hello') + get('/upload'));
  await until(() => hung() === 1 && /request \/upload/.test(output.stdout.split('/hang')[1]!), 'the queue');
  queued.socket.destroy();
  const garbage = await connect(port, 'NO HTTP\r\n\r\n');
  await until(() => garbage.received.text.startsWith('HTTP/1.1 400'), 'the refusal');
  const thrown = await connect(port, get('/throw'));
  await until(() => output.stdout.includes('survived'), 'an uncaught error');
  thrown.socket.destroy();
  return 14;
}

/** What is counted, without what a clock decides; one text per sample. */
function counted(samples: Sample[]): string[] {
  return samples
    .filter(({ name }) => /^(?:gunicorn_worker_(?:requ|resp|fail|err)|http_server)/.test(name))
    .filter(({ name }) => !/_duration_seconds_(?:sum|bucket)$/.test(name))
    .map(({ name, labels: { worker_id, ...labels }, value }) => {
      const worker = worker_id?.replace(/_\d+$/, '') ?? '';
      return [name, worker, ...Object.entries(labels).sort().flat(), value].join(' ');
    })
    .sort();
}

for (const app of ['survives-its-errors.mjs', 'serves-request-kinds.cjs']) {
  for (const labels of ['standard', 'detailed']) {
    test(`both sources give the same samples of ${app}, with ${labels} labels`, async (t) => {
      const told: string[][] = [];
      for (const source of SOURCES) {
        const env = { GUNICORN_OTEL_HTTP_SOURCE: source, GUNICORN_OTEL_LABELS: labels };
        const running = await startApp(t, app, { env });
        const samples = await settled(running, await askAll(running));
        told.push(counted(samples));
        assert.equal(sum(samples, COUNT, answered('GET', '/hello', '200')), 5);
        assert.equal(sum(samples, 'gunicorn_worker_failed_requests_total', { error_type: 'aborted' }), 3);
        assert.equal(sum(samples, 'gunicorn_worker_failed_requests_total', { error_type: 'SyntaxError' }), 1);
      }
      assert.ok(told[0]!.length > 30);
      assert.deepEqual(told[1], told[0]);
    });
  }
}

for (const [source, patched] of [
  ['channels', 'none'],
  ['instrumentation-http', 'http emit, https emit, http get, http request, https request'],
] as const) {
  test(`with the source ${source} what is patched is: ${patched}`, async (t) => {
    const env = { GUNICORN_OTEL_HTTP_SOURCE: source };
    const app = await startApp(t, 'says-its-patches.mjs', { env });
    await app.says(new RegExp(`patched: ${patched}$`, 'm'));
    const cluster = await startCluster(t, 'says-its-patches.mjs', 1, { env });
    await cluster.says(new RegExp(`patched: ${patched}$`, 'm'));
  });
}

for (const preload of ['--import', '--require', 'NODE_OPTIONS=--require'] as const) {
  test(`totals never fall while instrumented workers are killed, under ${preload}`, async (t) => {
    const cluster = await startCluster(t, 'counts-its-answers.mjs', 2, { preload, env: INSTRUMENTED });
    const url = await cluster.metricsUrl();
    const looked = neverFalls();
    let answers = 0;
    for (let kill = 1; kill <= 4; kill += 1) {
      const pids = await requests(`http://127.0.0.1:${cluster.port}/`, 10);
      answers += pids.length;
      // What the app answered is published before anything else is, so that nothing of it can be lost now.
      await until(async () => sum(looked((await request(url)).body), COUNT) === answers, `${answers} counted`);
      process.kill(Number(pids.at(-1)), 'SIGKILL');
      await until(() => cluster.workers().size === 2 + kill, 'a new worker in place of the killed one');
      assert.equal(sum(looked((await request(url)).body), COUNT), answers);
    }
    const samples = await settled(cluster, answers);
    assert.equal(select(samples, 'gunicorn_worker_requests_total').length, 6);
    assert.doesNotMatch(cluster.output.stderr, TAKEN);
  });
}

for (const [app, count, method] of [
  ['asks-by-name.mjs', 1, 'POST'],
  ['asks-by-name.mjs', 1, 'GET'],
  ['serves-request-kinds.cjs', 1, 'GET'],
] as const) {
  test(`a ${method} that ${app} sends is a client duration of its own`, async (t) => {
    const running = await startApp(t, app, { env: INSTRUMENTED });
    const path = app.endsWith('.cjs') ? 'ask' : method.toLowerCase();
    const { body } = await request(`http://127.0.0.1:${running.port}/${path}`);
    assert.equal(body, 'hello');
    const told = { http_request_method: method, server_address: 'localhost', http_response_status_code: '200' };
    await until(async () => sum(await running.scrape(), CLIENT_COUNT, told) === count, 'the client duration');
    await settled(running, 2);
  });
}

test('requests of a thread count, and those that it sends', async (t) => {
  const app = JSON.stringify(fixture('serves-request-kinds.cjs'));
  const args = ['--eval', `new (require('node:worker_threads').Worker)(${app})`];
  const running = start(t, args, { env: INSTRUMENTED });
  const [, port] = await running.says(/^ready on port (\d+)/m);
  assert.equal((await request(`http://127.0.0.1:${port}/ask`)).body, 'hello');
  await settled(running, 2);
  await until(async () => sum(await running.scrape(), CLIENT_COUNT) === 1, 'the client duration');
});

test('no client durations, and no requests, where http is not enabled', async (t) => {
  const env = { ...INSTRUMENTED, OTEL_NODE_DISABLED_INSTRUMENTATIONS: 'http' };
  const running = await startApp(t, 'asks-by-name.mjs', { env });
  await request(`http://127.0.0.1:${running.port}/get`);
  const samples = await settled(running, 0);
  assert.deepEqual(select(samples, CLIENT_COUNT), []);
});

test("an app's tracing has the spans, and a framework's instrumentation names the route", async (t) => {
  const running = await startApp(t, 'traces-its-requests.mjs', { env: INSTRUMENTED });
  await request(`http://127.0.0.1:${running.port}/hello`);
  await running.says(/^span GET \/by\/:framework$/m);
  const samples = await settled(running, 1);
  assert.equal(sum(samples, COUNT, answered('GET', '/by/:framework', '200')), 1);
});

for (const workers of [0, 2]) {
  const where = workers === 0 ? 'a process' : 'workers';
  test(`an HttpInstrumentation of the app's own in ${where} goes on tracing, requests count, one line says so`, async (t) => {
    const env = { ...INSTRUMENTED, OWN_HTTP: '1' };
    const app = 'traces-its-requests.mjs';
    const running = workers === 0 ? await startApp(t, app, { env }) : await startCluster(t, app, workers, { env });
    await requests(`http://127.0.0.1:${running.port}/hello`, 8);
    const samples = await settled(running, 8);
    assert.equal(sum(samples, COUNT, answered('GET', '/hello', '200')), 8);
    await until(() => running.output.stdout.split('span GET').length - 1 === 8, 'eight spans');
    const lines = running.output.stderr.split('\n').filter((line) => TAKEN.test(line));
    assert.equal(lines.length, Math.max(workers, 1), running.output.stderr);
  });
}

test('an HttpInstrumentation of the app is left alone by the default source', async (t) => {
  const running = await startApp(t, 'traces-its-requests.mjs', { env: { OWN_HTTP: '1' } });
  await requests(`http://127.0.0.1:${running.port}/hello`, 3);
  await until(() => running.output.stdout.split('span GET').length - 1 === 3, 'three spans');
  await settled(running, 3);
  assert.doesNotMatch(running.output.stderr, TAKEN);
});
