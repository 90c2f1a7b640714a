/** HTTP/2 as a user has it: with TLS and HTTP/1 beside it in a cluster, alone in plain, by streams; every request counts once. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { makeCertificate, NO_OPENSSL } from './certificates.ts';
import { select, sum } from './exposition.ts';
import { ask, leave, openSession } from './http2-client.ts';
import { fixture, freshDirectory, type Owner, start, startApp, startCluster, until } from './processes.ts';
import { active, answered, COUNT, settled } from './request-count.ts';
import { request } from './requests.ts';

const APP = 'serves-http2.mjs';
const FAILED = 'gunicorn_worker_failed_requests_total';
const HANDLED = 'gunicorn_worker_error_handling_total';
// The promise of system-killed-worker.
const ANSWER_SAFE_MS = 20;

for (const [kind, scheme, refusal, skip] of [
  ['in plain', 'http', undefined, false],
  ['by TLS, without HTTP/1', 'https', 403, NO_OPENSSL],
] as const) {
  test(`a server of HTTP/2 alone, ${kind}, is measured, with methods, sizes and resets`, { skip }, async (t) => {
    const env = scheme === 'https' ? { ...tls(t), ONLY_HTTP2: '1' } : {};
    const app = await startApp(t, APP, { env });
    const url = `${scheme}://127.0.0.1:${app.port}`;
    // Whoever speaks no HTTP/2 is no request: Node itself says 403 where there is TLS, and nothing where not.
    const refused = await request(`${url}/pid`, { rejectUnauthorized: false }).catch(() => undefined);
    assert.equal(refused?.status, refusal);
    const session = await openSession(t, url);
    for (let n = 0; n < 5; n += 1) assert.equal((await ask(session, '/pid')).status, 200);
    assert.equal((await ask(session, '/upload', Buffer.alloc(100_000))).body, 'stored');
    leave(session, '/reset');
    const left = leave(session, '/hang');
    await app.says(/^request \/hang 2\.0$/m);
    left.close(8);
    const samples = await settled(app, 8);
    assert.equal(sum(samples, COUNT, answered('GET', '/pid', '200')), 5);
    assert.equal(sum(samples, COUNT, answered('POST', '/upload', '200')), 1);
    assert.equal(sum(samples, 'http_server_request_body_size_bytes_sum'), 100_000);
    assert.equal(
      sum(samples, 'http_server_response_body_size_bytes_sum'),
      5 * String(app.pid).length + 'stored'.length,
    );
    assert.equal(sum(samples, FAILED, { endpoint: '/reset', error_type: 'NGHTTP2_INTERNAL_ERROR' }), 1);
    assert.equal(sum(samples, FAILED, { endpoint: '/hang', error_type: 'aborted' }), 1);
    assert.equal(sum(samples, FAILED), 2);
  });
}

test('calls by streams, with trailers and routes of their own, are as without us', async (t) => {
  const app = await startApp(t, 'calls-by-streams.mjs');
  const session = await openSession(t, `http://127.0.0.1:${app.port}`);
  for (const [method, status] of Object.entries({ Buy: '0', Fail: '13' })) {
    const answer = await ask(session, `/shop.v1.Orders/${method}`, Buffer.alloc(12));
    assert.deepEqual([answer.status, answer.trailers['grpc-status']], [200, status]);
  }
  const samples = await settled(app, 2);
  assert.equal(sum(samples, COUNT, answered('POST', '/shop.v1.Orders/*', '200')), 2);
  assert.equal(sum(samples, 'http_server_request_body_size_bytes_sum'), 24);
  assert.equal(sum(samples, 'http_server_response_body_size_bytes_sum'), 10);
});

test('a client that speaks no HTTP/2 is an error of no request', async (t) => {
  const app = await startApp(t, APP);
  await assert.rejects(request(`http://127.0.0.1:${app.port}/pid`));
  await until(
    async () => sum(await app.scrape(), HANDLED, { method: 'UNKNOWN', error_type: 'ERR_HTTP2_ERROR' }) === 1,
    'the error',
  );
  assert.equal(sum(await app.scrape(), COUNT), 0);
});

test('requests of both versions over one TLS port of a cluster count once each, also after a kill', {
  skip: NO_OPENSSL,
}, async (t) => {
  const cluster = await startCluster(t, APP, 2, { env: tls(t) });
  await cluster.metricsUrl();
  const url = `https://127.0.0.1:${cluster.port}`;
  let answers = 0;
  for (let round = 1; round <= 3; round += 1) {
    const pids = new Set<string>();
    for (let connection = 0; connection < 4; connection += 1) {
      const session = await openSession(t, url);
      const bodies = await Promise.all(Array.from({ length: 25 }, () => ask(session, '/pid')));
      for (const { body } of bodies) pids.add(body);
      const { body } = await request(`${url}/pid`, { rejectUnauthorized: false });
      pids.add(body);
      answers += 26;
      session.close();
    }
    await delay(ANSWER_SAFE_MS);
    process.kill(Number([...pids].at(-1)), 'SIGKILL');
    await until(() => cluster.workers().size === 2 + round, 'a new worker in place of the killed one');
    assert.equal(sum(await cluster.scrape(), COUNT), answers);
  }
  const samples = await settled(cluster, answers);
  assert.equal(sum(samples, COUNT, answered('GET', '/pid', '200')), answers);
  assert.deepEqual(select(samples, FAILED), []);
  assert.match(cluster.output.stdout, /^request \/pid 1\.1$/m);
});

test('a stream whose handler throws has that error, and so has what dies with its process', {
  skip: NO_OPENSSL,
}, async (t) => {
  const cluster = await startCluster(t, APP, 1, { env: tls(t) });
  const session = await openSession(t, `https://127.0.0.1:${cluster.port}`);
  leave(session, '/hang');
  await cluster.says(/^request \/hang 2\.0$/m);
  leave(session, '/throw');
  await until(() => cluster.workers().size === 2, 'a new worker');
  const samples = await settled(cluster, 2);
  for (const endpoint of ['/hang', '/throw']) {
    assert.equal(sum(samples, FAILED, { endpoint, error_type: 'SyntaxError' }), 1, endpoint);
  }
});

test('requests under way in a worker that is killed leave no gauge behind', { skip: NO_OPENSSL }, async (t) => {
  const cluster = await startCluster(t, APP, 1, { env: tls(t) });
  const session = await openSession(t, `https://127.0.0.1:${cluster.port}`);
  for (let n = 0; n < 10; n += 1) leave(session, '/hang');
  await until(async () => active(await cluster.scrape()) === 10, 'ten under way');
  process.kill(cluster.workers().get('1')!, 'SIGKILL');
  await until(async () => active(await cluster.scrape()) === 0, 'none under way');
});

test('an app sees of its servers, sessions and streams what it sees without us', async (t) => {
  const says = async (preload: 'none' | '--import' | '--require') => {
    const running = start(t, [fixture('watches-its-http2.mjs')], { preload });
    const { code } = await running.ended();
    return { code, stdout: running.output.stdout };
  };
  const plain = await says('none');
  assert.match(plain.stdout, /^uncaught unheard$/m);
  for (const preload of ['--import', '--require'] as const) assert.deepEqual(await says(preload), plain, preload);
});

function tls(t: Owner): { KEY: string; CERT: string } {
  const { keyFile, certFile } = makeCertificate(freshDirectory(t), 'shop');
  return { KEY: keyFile, CERT: certFile };
}
