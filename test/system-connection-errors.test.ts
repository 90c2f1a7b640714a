/** What goes wrong on connections is counted once each, and seen by nobody: neither by the client nor by the app. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import test, { type TestContext } from 'node:test';
import tls from 'node:tls';
import { makeCertificate, NO_OPENSSL } from './certificates.ts';
import { type Sample, select, sum } from './exposition.ts';
import { freshDirectory, startApp, until } from './processes.ts';
import { COUNT, get } from './request-count.ts';

const APP = 'says-connection-errors.mjs';
const HANDLED = 'gunicorn_worker_error_handling_total';
const FAILED = 'gunicorn_worker_failed_requests_total';
const UPLOAD = 'POST /upload HTTP/1.1\r\nHost: test\r\n';
const TIMEOUT = 'ERR_HTTP_REQUEST_TIMEOUT';

interface Scene {
  /** What the client sends, as it is. */
  sends: string;
  /** How it leaves; it reads to the end otherwise. */
  leaves?: 'ends' | 'resets when answered' | 'resets';
  /** Bytes that do not go through TLS, where there is TLS. */
  plain?: true;
  /** UNKNOWN UNKNOWN and this; with `upload` of the request; '' where nothing is counted. */
  error: string;
  upload?: true;
}

type Scenes = Record<string, Scene>;

const ERRORS: Scenes = {
  'a method that nobody knows': { sends: 'BREW / HTTP/1.1\r\nHost: test\r\n\r\n', error: 'HPE_INVALID_METHOD' },
  'what is no request at all': { sends: 'no request at all\r\n\r\n', error: 'HPE_INVALID_METHOD' },
  'a header that is none': { sends: 'GET / HTTP/1.1\r\nno header\r\n\r\n', error: 'HPE_INVALID_HEADER_TOKEN' },
  'headers that are too large': { sends: get('/').replace('test', 'x'.repeat(20_000)), error: 'HPE_HEADER_OVERFLOW' },
  'headers that end too early': { sends: 'GET / HTTP/1.1\r\nHo', leaves: 'ends', error: 'HPE_INVALID_EOF_STATE' },
  'an idle connection that is reset': { sends: get('/'), leaves: 'resets when answered', error: '' },
  'a body with a chunk of no size': {
    sends: `${UPLOAD}Transfer-Encoding: chunked\r\n\r\nlarge\r\n`,
    error: 'HPE_INVALID_CHUNK_SIZE',
    upload: true,
  },
};
const TIMEOUTS: Scenes = {
  'headers that do not come to an end': { sends: 'GET / HTTP/1.1\r\nHo', error: TIMEOUT },
  'no request at all': { sends: '', error: TIMEOUT },
  'a body that does not come to an end': {
    sends: `${UPLOAD}Content-Length: 9\r\n\r\nhalf`,
    error: TIMEOUT,
    upload: true,
  },
};
// Their codes are those that the app's own listener is told.
const HANDSHAKES: Scenes = {
  'plain text where TLS is expected': { sends: get('/'), plain: true, error: 'ERR_SSL_HTTP_REQUEST' },
  'bytes that are no TLS': { sends: `\x16${'no TLS'.repeat(20)}`, plain: true, error: 'ERR_SSL_' },
  'a connection that ends within its handshake': { sends: '', leaves: 'ends', plain: true, error: 'ECONNRESET' },
  'a connection that is reset within its handshake': { sends: '', leaves: 'resets', plain: true, error: 'ECONNRESET' },
};

for (const OWN of ['', '1']) {
  const listener = OWN ? "an app's own listener" : 'no listener of the app';

  test(`errors on connections are counted once each, and change nothing, with ${listener}`, async (t) => {
    await play(t, ERRORS, { OWN });
  });

  test(`requests that come too late are counted once each, and change nothing, with ${listener}`, async (t) => {
    await play(t, TIMEOUTS, { OWN, TIMEOUT_MS: '500' });
  });

  test(`errors under TLS are counted once each, and change nothing, with ${listener}`, {
    skip: NO_OPENSSL,
  }, async (t) => {
    const { keyFile: KEY, certFile: CERT } = makeCertificate(freshDirectory(t), 'localhost');
    await play(t, { ...HANDSHAKES, ...ERRORS }, { OWN, KEY, CERT });
  });
}

// Plays each scene with a preloaded app and with one that is not: bytes and calls must be the same, and the count right.
async function play(t: TestContext, scenes: Scenes, env: Record<string, string>): Promise<void> {
  const [app, plain] = await Promise.all([startApp(t, APP, { env }), startApp(t, APP, { env, preload: 'none' })]);
  await app.metricsUrl();
  const said = ({ output }: typeof app) => output.stdout.replace(/^ready on port .*$/m, '');
  const expected = new Map<string, number>();
  for (const [name, scene] of Object.entries(scenes)) {
    if (scene.leaves === 'resets when answered' && env['KEY']) continue;
    const secure = env['KEY'] !== undefined && !scene.plain;
    const [bytes, plainBytes] = await Promise.all([act(app.port, scene, secure), act(plain.port, scene, secure)]);
    assert.equal(bytes, plainBytes, `what a client gets for ${name}`);
    // The app may be told later than the client.
    await until(
      () => said(app) === said(plain),
      () => `the app is told the same of ${name}: ${said(app)} instead of ${said(plain)}`,
      5000,
    );
    const key = [...(scene.upload ? ['POST', '/upload'] : ['UNKNOWN', 'UNKNOWN']), scene.error].join(' ');
    if (scene.error) expected.set(key, (expected.get(key) ?? 0) + 1);
    await until(
      async () => total(await app.scrape()) >= [...expected.values()].reduce((a, b) => a + b, 0),
      `${name} counted after ${JSON.stringify([...expected])}`,
    );
    assert.deepEqual(errors(await app.scrape(), scenes), expected, name);
  }
  const samples = await app.scrape();
  const uploads = Object.values(scenes).filter(({ upload }) => upload);
  const answered = Object.values(scenes).filter(({ leaves }) => leaves === 'resets when answered' && !env['KEY']);
  assert.equal(sum(samples, COUNT), uploads.length + answered.length, 'what fired a request event is a request');
  for (const { error } of uploads) {
    const labels = { method: 'POST', endpoint: '/upload', error_type: error };
    assert.equal(sum(samples, FAILED, labels), 1);
    assert.equal(sum(samples, COUNT, { http_request_method: 'POST', http_route: '/upload', error_type: error }), 1);
  }
  assert.equal(select(samples, FAILED).length, uploads.length);
}

// One client's part; returns all that it got.
async function act(port: number, { sends, leaves }: Scene, secure: boolean): Promise<string> {
  const socket = secure
    ? tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
    : net.connect(port, '127.0.0.1');
  let received = '';
  let closed = false;
  socket.setEncoding('latin1').on('data', (text: string) => {
    received += text;
  });
  // A connection that the other side resets ends as well.
  socket.on('error', () => {});
  socket.on('close', () => {
    closed = true;
  });
  await once(socket, secure ? 'secureConnect' : 'connect');
  socket.write(sends, 'latin1');
  if (leaves === 'ends') socket.end();
  if (leaves === 'resets') socket.resetAndDestroy();
  if (leaves === 'resets when answered') {
    await until(() => received.includes('stored'), 'the answer');
    socket.resetAndDestroy();
  }
  await until(() => closed, 'the end of the connection');
  return received;
}

function total(samples: Sample[]): number {
  return sum(samples, HANDLED);
}

// How often what was counted, by the names that the scenes have: OpenSSL's codes are its own to choose.
function errors(samples: Sample[], scenes: Scenes): Map<string, number> {
  const known = Object.values(scenes).map(({ error }) => error);
  const counted = new Map<string, number>();
  for (const { labels, value } of select(samples, HANDLED)) {
    const type = labels['error_type']!;
    const name = known.includes(type)
      ? type
      : (known.find((each) => each.endsWith('_') && type.startsWith(each)) ?? type);
    const key = `${labels['method']} ${labels['endpoint']} ${name}`;
    counted.set(key, (counted.get(key) ?? 0) + value);
  }
  return counted;
}
