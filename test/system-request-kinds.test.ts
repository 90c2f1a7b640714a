/** Every kind of request that ends well counts once, with the bytes of its bodies. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { Agent } from 'node:http';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { sum } from './exposition.ts';
import { freshDirectory, startApp, until } from './processes.ts';
import { answered, COUNT, get, settled } from './request-count.ts';
import { connect, request, requests } from './requests.ts';

const APP = 'serves-request-kinds.mjs';
const REQUEST_BYTES = 'http_server_request_body_size_bytes_sum';
const RESPONSE_BYTES = 'http_server_response_body_size_bytes_sum';

test('requests on one kept-alive connection count once each', async (t) => {
  const app = await startApp(t, APP);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  await requests(`http://127.0.0.1:${app.port}/hello`, 7, { agent });
  const samples = await settled(app, 7);
  assert.equal(sum(samples, COUNT, answered('GET', '/hello', '200')), 7);
  assert.equal(sum(samples, RESPONSE_BYTES), 7 * 'hello'.length);
  assert.equal(sum(samples, 'gunicorn_worker_response_size_bytes_sum'), 7 * 'hello'.length);
});

test('pipelined requests count once each', async (t) => {
  const app = await startApp(t, APP);
  const { received, socket } = await connect(app.port, get('/slow') + get('/hello').repeat(4));
  t.after(() => socket.destroy());
  await until(() => received.text.split('hello').length === 5, 'five pipelined answers');
  const samples = await settled(app, 5);
  assert.equal(sum(samples, COUNT, answered('GET', '/slow', '200')), 1);
  assert.equal(sum(samples, COUNT, answered('GET', '/hello', '200')), 4);
});

test('a request that the client writes in single bytes counts once', async (t) => {
  const app = await startApp(t, APP);
  const { received, socket } = await connect(app.port, '');
  t.after(() => socket.destroy());
  socket.setNoDelay(true);
  for (const byte of get('/hello')) await new Promise((resolve) => socket.write(byte, resolve));
  await until(() => received.text.endsWith('hello'), 'the answer');
  await settled(app, 1);
});

test('a HEAD request counts once, and its answer has no body', async (t) => {
  const app = await startApp(t, APP);
  assert.equal((await request(`http://127.0.0.1:${app.port}/hello`, { method: 'HEAD' })).body, '');
  const samples = await settled(app, 1);
  assert.equal(sum(samples, COUNT, answered('HEAD', '/hello', '200')), 1);
  assert.equal(sum(samples, RESPONSE_BYTES), 0);
});

test('an answer without content counts once', async (t) => {
  const app = await startApp(t, 'writes-unusual-answers.mjs');
  assert.equal((await request(`http://127.0.0.1:${app.port}/empty`)).status, 204);
  const samples = await settled(app, 1);
  assert.equal(sum(samples, COUNT, answered('GET', '/empty', '204')), 1);
  assert.equal(sum(samples, RESPONSE_BYTES), 0);
});

test('a chunked answer counts once, with the bytes of its body and not of its framing', async (t) => {
  const app = await startApp(t, APP);
  const answer = await request(`http://127.0.0.1:${app.port}/chunked`);
  assert.equal(answer.headers['transfer-encoding'], 'chunked');
  const samples = await settled(app, 1);
  assert.equal(sum(samples, COUNT, answered('GET', '/chunked', '200')), 1);
  assert.equal(sum(samples, RESPONSE_BYTES), 'onetwothree'.length);
});

for (const [route, bytes] of [
  ['/encodings', 1 + 2 + 2],
  ['/typed-array', 9],
  ['/hints', 6],
  ['/trailers', 1],
  ['/corked', 6],
] as const) {
  test(`an answer of the kind ${route.slice(1)} counts once, with the bytes of its body`, async (t) => {
    const app = await startApp(t, 'writes-unusual-answers.mjs');
    assert.equal((await request(`http://127.0.0.1:${app.port}${route}`)).status, 200);
    const samples = await settled(app, 1);
    assert.equal(sum(samples, RESPONSE_BYTES), bytes);
  });
}

test('an upload that waits for 100 Continue counts once, with the bytes of its body', async (t) => {
  const app = await startApp(t, APP);
  const { socket, received } = await connect(
    app.port,
    'PUT /upload HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n',
  );
  t.after(() => socket.destroy());
  await until(() => received.text.startsWith('HTTP/1.1 100'), 'leave to send the body');
  socket.write('body');
  await until(() => received.text.endsWith('stored'), 'the answer');
  const samples = await settled(app, 1);
  assert.equal(sum(samples, REQUEST_BYTES), 4);
  assert.equal(sum(samples, RESPONSE_BYTES), 'stored'.length);
});

test('an upload that the app never reads counts once', async (t) => {
  const app = await startApp(t, 'writes-unusual-answers.mjs');
  await request(`http://127.0.0.1:${app.port}/unread`, { method: 'POST', body: ['x'.repeat(1000)] });
  const samples = await settled(app, 1);
  assert.equal(sum(samples, RESPONSE_BYTES), 'unread'.length);
});

test('an answer of 5xx counts once, with its status as error', async (t) => {
  const app = await startApp(t, 'writes-unusual-answers.mjs');
  assert.equal((await request(`http://127.0.0.1:${app.port}/fail`)).status, 503);
  const samples = await settled(app, 1);
  assert.equal(sum(samples, COUNT, { ...answered('GET', '/fail', '503'), error_type: '503' }), 1);
});

const chunks = ['x'.repeat(100_000), 'é'.repeat(50_000), 'y'];
const sizeBytes = Buffer.byteLength(chunks.join(''));
for (const [kind, headers] of [
  ['a content-length', { 'content-length': sizeBytes }],
  ['chunks', {}],
] as const) {
  test(`an upload with ${kind} counts once, with the bytes of its body`, async (t) => {
    const app = await startApp(t, APP);
    const answer = await request(`http://127.0.0.1:${app.port}/upload`, { method: 'POST', headers, body: chunks });
    assert.equal(answer.body, 'stored');
    const samples = await settled(app, 1);
    assert.equal(sum(samples, COUNT, answered('POST', '/upload', '200')), 1);
    assert.equal(sum(samples, REQUEST_BYTES), sizeBytes);
    assert.equal(sum(samples, 'gunicorn_worker_request_size_bytes_sum'), sizeBytes);
    assert.equal(sum(samples, RESPONSE_BYTES), 'stored'.length);
  });
}

test('two uploads on one connection have a size each', async (t) => {
  const app = await startApp(t, APP);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  for (const body of [['x'.repeat(3000)], ['y'.repeat(70)]]) {
    await request(`http://127.0.0.1:${app.port}/upload`, { method: 'POST', body, agent });
  }
  const samples = await settled(app, 2);
  assert.equal(sum(samples, REQUEST_BYTES), 3070);
  assert.equal(sum(samples, 'http_server_request_body_size_bytes_bucket', { le: '1024' }), 1);
  assert.equal(sum(samples, 'http_server_request_body_size_bytes_bucket', { le: '4096' }), 2);
});

test('https requests count once each, uploads included', async (t) => {
  const tls = certificate(t);
  if (!tls) return;
  const app = await startApp(t, APP, { env: tls });
  const url = `https://127.0.0.1:${app.port}`;
  await requests(`${url}/hello`, 3, { rejectUnauthorized: false } as object);
  await request(`${url}/upload`, { method: 'PUT', body: chunks, rejectUnauthorized: false });
  const samples = await settled(app, 4);
  assert.equal(sum(samples, COUNT, answered('GET', '/hello', '200')), 3);
  assert.equal(sum(samples, COUNT, answered('PUT', '/upload', '200')), 1);
  assert.equal(sum(samples, REQUEST_BYTES), sizeBytes);
  assert.equal(sum(samples, RESPONSE_BYTES), 3 * 'hello'.length + 'stored'.length);
});

// A key pair in the repository would be found by every scanner for secrets.
function certificate(t: TestContext): { KEY: string; CERT: string } | undefined {
  if (spawnSync('openssl', ['version']).error) {
    t.skip('SKIP: needs openssl, apt-get install openssl');
    return undefined;
  }
  const directory = freshDirectory(t);
  const [KEY, CERT] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const files = ['-keyout', KEY, '-out', CERT, '-days', '2', '-subj', '/CN=localhost'];
  execFileSync('openssl', ['req', '-x509', ...curve, ...files], { stdio: 'pipe' });
  return { KEY, CERT };
}
