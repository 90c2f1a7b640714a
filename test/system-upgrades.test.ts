/** WebSockets and CONNECT as a user has them: each is one request, over when it is answered; the gauge returns to 0. */
import assert from 'node:assert/strict';
import { type EventEmitter, once } from 'node:events';
import { createRequire } from 'node:module';
import test from 'node:test';
import { type Sample, sum } from './exposition.ts';
import { fixture, start, startApp, startCluster, until } from './processes.ts';
import { active, answered, COUNT, get, settled } from './request-count.ts';
import { connect, request } from './requests.ts';

/** What these tests use of ws, which has no types of its own. */
interface Socket extends EventEmitter {
  send(text: string): void;
  close(): void;
  terminate(): void;
}
const WebSocket = createRequire(import.meta.url)('ws') as new (url: string) => Socket;
const APP = 'echoes-websockets.mjs';
const DURATION = 'http_server_request_duration_seconds_sum';
const MANY = 1000;
const AT_ONCE = 50;

test('a WebSocket is one request, answered 101, whose duration ends with the switch', async (t) => {
  const app = await startApp(t, APP);
  const socket = await open(app.port, '/chat/17');
  let samples: Sample[] = [];
  await until(async () => {
    samples = await app.scrape();
    return sum(samples, COUNT) === 1;
  }, 'the request, while the WebSocket is open');
  const atSwitch = sum(samples, DURATION);
  assert.equal(active(samples), 0);
  socket.send('echoed');
  assert.equal(String((await once(socket, 'message'))[0]), 'echoed');
  socket.close();
  await once(socket, 'close');
  await request(`http://127.0.0.1:${app.port}/hello`);
  samples = await settled(app, 2);
  assert.equal(sum(samples, COUNT, answered('GET', '/chat/:id', '101')), 1);
  assert.equal(sum(samples, DURATION, { http_route: '/chat/:id' }), atSwitch);
  assert.equal(sum(samples, 'gunicorn_worker_failed_requests_total'), 0);
});

test('an upgrade that is refused is its status, one whose client leaves is aborted, and neither stays', async (t) => {
  const app = await startApp(t, APP);
  await assert.rejects(open(app.port, '/private'), /401/);
  // What ws does not take for a WebSocket it answers 400.
  const { received } = await connect(
    app.port,
    'GET /chat/1 HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n',
  );
  await until(() => received.text.startsWith('HTTP/1.1 400'), 'the answer');
  const samples = await settled(app, 2);
  assert.equal(sum(samples, COUNT, answered('GET', '/private', '401')), 1);
  assert.equal(sum(samples, COUNT, answered('GET', '/chat/:id', '400')), 1);
});

test('CONNECT is one request of its own method, however it is answered and long the tunnel lives', async (t) => {
  const app = await startApp(t, APP);
  const ask = (host: string) => `CONNECT ${host} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
  const { socket, received } = await connect(app.port, ask(`127.0.0.1:${app.port}`));
  await until(() => received.text.startsWith('HTTP/1.1 200'), 'the tunnel');
  socket.write(get('/through'));
  await until(() => received.text.endsWith('hello'), 'the answer through the tunnel');
  const refused = await connect(app.port, ask('127.0.0.1:1'));
  await until(() => refused.received.text.startsWith('HTTP/1.1 502'), 'the refusal');
  const samples = await settled(app, 3);
  assert.equal(sum(samples, COUNT, answered('CONNECT', '/', '200')), 1);
  assert.equal(sum(samples, COUNT, answered('CONNECT', '/', '502')), 1);
  assert.equal(sum(samples, COUNT, answered('GET', '/through', '200')), 1);
  socket.destroy();
});

test(`${MANY} WebSockets in a cluster count once each, and leave nothing under way`, async (t) => {
  const cluster = await startCluster(t, APP, 2);
  await cluster.metricsUrl();
  let next = 0;
  const some = async () => {
    while (next < MANY) {
      next += 1;
      const socket = await open(cluster.port, `/chat/${next}`);
      if (next % 2 === 0) socket.terminate();
      else socket.close();
      await once(socket, 'close');
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, some));
  const samples = await settled(cluster, MANY);
  assert.equal(sum(samples, COUNT, answered('GET', '/chat/:id', '101')), MANY);
  assert.equal(active(samples), 0);
});

test('an app sees of its server and its upgraded sockets what it sees without us', async (t) => {
  const says = async (preload: 'none' | '--import' | '--require') => {
    const running = start(t, [fixture('watches-its-upgrades.mjs')], { preload });
    const { code } = await running.ended();
    return { code, stdout: running.output.stdout };
  };
  const plain = await says('none');
  assert.match(plain.stdout, /^answer \/while 101$/m);
  for (const preload of ['--import', '--require'] as const) assert.deepEqual(await says(preload), plain, preload);
});

async function open(port: number, path: string): Promise<Socket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`);
  // A close before the switch comes as an error as well.
  await once(socket, 'open');
  return socket.on('error', () => {});
}
