import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { closedLoop, requestFor } from './bench/closed-loop.ts';
import { until } from './processes.ts';

test('a closed loop sends as many requests as asked for, each path in its turn', async (t) => {
  const seen = new Map<string, number>();
  const { port } = await listen(t, (request, response) => {
    seen.set(request.url!, (seen.get(request.url!) ?? 0) + 1);
    response.end('hello world');
  });
  const seconds = await closedLoop(port, ['/a', '/b', '/c'].map(requestFor), 301);
  assert.deepEqual(Object.fromEntries(seen), { '/a': 101, '/b': 100, '/c': 100 });
  assert.ok(seconds > 0);
});

test('fewer requests than connections are no more than asked for', async (t) => {
  let count = 0;
  const { port, server } = await listen(t, (_request, response) => {
    count += 1;
    response.end('hello world');
  });
  let opened = 0;
  let closed = 0;
  server.on('connection', (socket) => {
    opened += 1;
    socket.once('close', () => {
      closed += 1;
    });
  });
  await closedLoop(port, [requestFor('/')], 5);
  // What was sent on any of them has come.
  await until(() => opened > 5 && closed === opened, 'the end of all connections');
  assert.equal(count, 5);
});

test('a server that does not answer with 200 is not measured', async (t) => {
  const { port } = await listen(t, (_request, response) => response.writeHead(404).end('not found'));
  await assert.rejects(closedLoop(port, [requestFor('/')], 100), /HTTP\/1\.1 404/);
});

async function listen(t: TestContext, handler: RequestListener): Promise<{ port: number; server: Server }> {
  const server = createServer(handler).listen(0, '127.0.0.1');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, server };
}
