/** Requests that do not end well count once, too: whatever fired its `request` event is counted, and nothing stays active. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { sum } from './exposition.ts';
import { startApp, startCluster, until } from './processes.ts';
import { active, COUNT, get, settled } from './request-count.ts';
import { connect, request, requests } from './requests.ts';

const APP = 'serves-request-kinds.mjs';
const BEFORE_HEADERS = { http_response_status_code: '' };

test('a client that leaves before the answer counts as aborted, without a status', async (t) => {
  const app = await startApp(t, APP);
  const { socket } = await connect(app.port, get('/hang'));
  await app.says(/^request \/hang$/m);
  await until(async () => active(await app.scrape()) === 1, 'one request under way');
  socket.destroy();
  const samples = await settled(app, 1);
  assert.equal(sum(samples, COUNT, { http_route: '/hang', error_type: 'aborted', ...BEFORE_HEADERS }), 1);
  const failed = { method: 'GET', endpoint: '/hang', error_type: 'aborted' };
  assert.equal(sum(samples, 'gunicorn_worker_failed_requests_total', failed), 1);
});

test('a client that leaves during the answer counts as aborted, with the status it got', async (t) => {
  const app = await startApp(t, APP);
  const { socket, received } = await connect(app.port, get('/half'));
  await until(() => received.text.endsWith('half.'), 'half an answer');
  socket.resetAndDestroy();
  const samples = await settled(app, 1);
  const labels = { http_route: '/half', error_type: 'aborted', http_response_status_code: '200' };
  assert.equal(sum(samples, COUNT, labels), 1);
  assert.equal(sum(samples, 'http_server_response_body_size_bytes_sum', labels), 'half.'.length);
});

test('a client that leaves in the middle of its upload counts as aborted, with the bytes that were read', async (t) => {
  const app = await startApp(t, APP);
  const { socket } = await connect(
    app.port,
    'POST /upload HTTP/1.1\r\nHost: test\r\nContent-Length: 5000\r\n\r\n'.concat('x'.repeat(2000)),
  );
  await app.says(/^request \/upload$/m);
  socket.end();
  const samples = await settled(app, 1);
  assert.equal(sum(samples, COUNT, { http_request_method: 'POST', error_type: 'aborted', ...BEFORE_HEADERS }), 1);
  assert.equal(sum(samples, 'http_server_request_body_size_bytes_sum'), 2000);
});

test('an answer that the app itself destroys counts once', async (t) => {
  const app = await startApp(t, 'writes-unusual-answers.mjs');
  await assert.rejects(request(`http://127.0.0.1:${app.port}/destroyed`));
  const samples = await settled(app, 1);
  assert.equal(sum(samples, COUNT, { http_route: '/destroyed', error_type: 'aborted', ...BEFORE_HEADERS }), 1);
});

test('bytes that are no request fire no request event and count nothing', async (t) => {
  const app = await startApp(t, APP);
  const { received } = await connect(app.port, 'no request at all\r\n\r\n');
  await until(() => received.text.startsWith('HTTP/1.1 400'), 'the answer of Node itself');
  await request(`http://127.0.0.1:${app.port}/hello`);
  await settled(app, 1);
});

test('pipelined requests queued behind a connection that dies count, answered ones included', async (t) => {
  const app = await startApp(t, APP);
  const { socket } = await connect(app.port, get('/hang') + get('/hello') + get('/chunked') + get('/hang'));
  await until(() => app.output.stdout.match(/^request /gm)?.length === 4, 'four request events');
  socket.destroy();
  const samples = await settled(app, 4);
  // Whatever the app has made of them: none of their answers has reached the client.
  assert.equal(sum(samples, COUNT, { error_type: 'aborted' }), 4);
});

test('requests that a client pipelines and never reads the answers of count', async (t) => {
  const app = await startApp(t, APP);
  const { socket } = await connect(app.port, get('/hello').repeat(3) + get('/slow') + get('/hello').repeat(3));
  socket.pause();
  await until(() => app.output.stdout.match(/^request /gm)?.length === 7, 'seven request events');
  socket.destroy();
  await settled(app, 7);
});

test('a request whose handler throws is counted when the worker crashes over it', async (t) => {
  const cluster = await startCluster(t, APP, 2);
  await requests(`http://127.0.0.1:${cluster.port}/hello`, 4);
  const before = cluster.workers().size;
  await assert.rejects(request(`http://127.0.0.1:${cluster.port}/throw`));
  await until(() => cluster.workers().size > before, 'a new worker in place of the crashed one');
  const samples = await settled(cluster, 5);
  assert.equal(sum(samples, COUNT, { http_route: '/throw', error_type: 'SyntaxError', ...BEFORE_HEADERS }), 1);
  assert.equal(sum(samples, COUNT, { http_route: '/hello', error_type: '' }), 4);
});

test('requests under way when another one crashes the worker are counted with it', async (t) => {
  const cluster = await startCluster(t, APP, 2);
  // On one connection they are in one worker.
  await connect(cluster.port, get('/hang') + get('/hello') + get('/throw'));
  await until(() => cluster.workers().size > 2, 'a new worker in place of the crashed one');
  const samples = await settled(cluster, 3);
  assert.equal(sum(samples, COUNT, { error_type: 'SyntaxError' }), 3);
});

test('with an uncaughtException handler a request whose handler throws counts once, when its client leaves', async (t) => {
  const app = await startApp(t, 'survives-its-errors.mjs');
  const bystander = request(`http://127.0.0.1:${app.port}/slow`);
  await app.says(/^request \/slow$/m);
  const { socket } = await connect(app.port, get('/throw'));
  await app.says(/^survived$/m);
  assert.equal((await bystander).body, 'slow');
  socket.destroy();
  const samples = await settled(app, 2);
  assert.equal(sum(samples, COUNT, { http_route: '/throw' }), 1);
  assert.equal(sum(samples, COUNT, { http_route: '/throw', error_type: '' }), 0);
  assert.equal(sum(samples, COUNT, { http_route: '/slow', http_response_status_code: '200', error_type: '' }), 1);
});
