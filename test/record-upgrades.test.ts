/** Holds src/record/upgrades.ts with real servers: what stops being HTTP is one request until it is answered, and no longer. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { describe, it } from 'node:test';
import { lookOn } from '../src/record/looked-on.ts';
import { recordException, setRoute } from '../src/record/marks.ts';
import { until } from './processes.ts';
import { get } from './request-count.ts';
import { connect } from './requests.ts';
import { listen, watch } from './watched-http.ts';

type Answer = (socket: Socket, request: IncomingMessage) => void;

const SWITCHED = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n';

describe('an upgrade', () => {
  const answers: Record<string, [answer: Answer, counted: string]> = {
    'that is made': [(socket) => void socket.write(SWITCHED), '/chat 101 ok'],
    'that is made as bytes': [(socket) => void socket.write(Buffer.from(`xx${SWITCHED}`).subarray(2)), '/chat 101 ok'],
    'that is made in an encoding': [
      (socket) => void socket.write(Buffer.from(SWITCHED).toString('base64'), 'base64'),
      '/chat 101 ok',
    ],
    'that is made in pieces': [
      (socket) => socket.write('HTTP/1') && socket.write('.1 10') && socket.write('1 Go\r\n\r\n'),
      '/chat 101 ok',
    ],
    'that is made in one corked write': [
      (socket) => {
        socket.cork();
        for (const piece of SWITCHED.match(/.{1,5}/gs)!) socket.write(piece);
        socket.uncork();
      },
      '/chat 101 ok',
    ],
    'that is made later': [(socket) => void setImmediate(() => socket.write(SWITCHED)), '/chat 101 ok'],
    'that is refused': [(socket) => void socket.end('HTTP/1.1 401 Unauthorized\r\n\r\n'), '/chat 401 ok'],
    'that fails': [(socket) => void socket.end('HTTP/1.1 503 Busy\r\n\r\n'), '/chat 503 503'],
    'that is answered in another protocol': [(socket) => void socket.write('hi'), '/chat - ok'],
    'that is not answered': [(socket) => void socket.destroy(), '/chat - aborted'],
    'that is ended without an answer': [(socket) => void socket.end(), '/chat - aborted'],
    'whose route the app says': [
      (socket, request) => {
        setRoute(request, '/chat/:room');
        socket.write(SWITCHED);
      },
      '/chat/:room 101 ok',
    ],
    'whose error the app says': [
      (socket, request) => {
        recordException(request, new RangeError('m'));
        socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
      },
      '/chat 400 RangeError',
    ],
  };
  for (const [what, [answer, expected]] of Object.entries(answers)) {
    it(`${what} counts once`, async (t) => {
      const watched = watch(t);
      const server = createServer().on('upgrade', (request, socket) => answer(socket as Socket, request));
      const { port } = await listen(t, server);
      const { socket } = await connect(port, upgrade('/chat'));
      assert.deepEqual(await watched.counts(1), [expected]);
      assert.deepEqual([watched.active(), watched.bytes()], [0, [0, 0]]);
      socket.destroy();
    });
  }

  it('is over when it is answered, whatever goes over the connection then, and leaves it as it was', async (t) => {
    const watched = watch(t);
    const server = createServer();
    let before: unknown;
    let sockets: Socket[] = [];
    const look = (socket: object) => ['_write', '_writev', '_destroy'].map((name) => Object.hasOwn(socket, name));
    server.on('connection', (socket) => {
      before = look(socket);
    });
    server.on('upgrade', (_request, socket) => {
      sockets = [socket as Socket];
      socket.write(SWITCHED);
      socket.pipe(socket);
    });
    const { port, closed } = await listen(t, server);
    const { socket, received } = await connect(port, upgrade('/chat'));
    await watched.counts(1);
    assert.deepEqual(look(sockets[0]!), before);
    socket.write('echoed');
    await until(() => received.text.endsWith('echoed'), 'the echo');
    socket.destroy();
    await until(() => closed() === 1, 'the end of the connection');
    assert.deepEqual([watched.counted(), watched.active()], [['/chat 101 ok'], 0]);
  });

  it('is under way until it is answered, and aborted when its client leaves before', async (t) => {
    const watched = watch(t);
    const { port, closed } = await listen(
      t,
      createServer().on('upgrade', (_request, socket) => void socket.on('error', () => {}).resume()),
    );
    const { socket } = await connect(port, upgrade('/chat'));
    await until(() => watched.active() === 1, 'the upgrade');
    socket.resetAndDestroy();
    await until(() => closed() === 1, 'the end of the connection');
    assert.deepEqual([watched.counted(), watched.active()], [['/chat - aborted'], 0]);
  });

  it('counts beside the requests before it on its connection', async (t) => {
    const watched = watch(t);
    const server = createServer((_request, response) => response.end('hello'));
    server.on('upgrade', (_request, socket) => socket.end(SWITCHED));
    const { port } = await listen(t, server);
    const { received } = await connect(port, get('/hello'));
    await until(() => received.text.endsWith('hello'), 'the answer');
    const second = await connect(port, get('/hello') + upgrade('/chat'));
    await until(() => second.received.text.includes(' 101 '), 'the switch');
    assert.deepEqual((await watched.counts(3)).sort(), ['/chat 101 ok', '/hello 200 ok', '/hello 200 ok']);
    assert.equal(watched.active(), 0);
  });

  it('that the app hands on to another server counts once', async (t) => {
    const watched = watch(t);
    const [front, back] = [createServer(), createServer((_request, response) => response.end())];
    front.on('upgrade', (...args) => back.emit('upgrade', ...args));
    back.on('upgrade', (_request, socket) => socket.write(SWITCHED));
    const { port: backPort } = await listen(t, back);
    await connect(backPort, get('/own'));
    await watched.counts(1);
    await connect((await listen(t, front)).port, upgrade('/chat'));
    assert.deepEqual((await watched.counts(2)).sort(), ['/chat 101 ok', '/own 200 ok']);
    assert.equal(watched.active(), 0);
  });

  it('of a server that is handed its connections by another counts from its second connection on', async (t) => {
    const watched = watch(t);
    const inner = createServer((_request, response) => response.end());
    inner.on('upgrade', (_request, socket) => socket.write(SWITCHED));
    const outer = createServer();
    outer.removeAllListeners('connection').on('connection', (socket) => inner.emit('connection', socket));
    const { port } = await listen(t, outer);
    await connect(port, get('/first'));
    await watched.counts(1);
    await connect(port, upgrade('/chat'));
    assert.deepEqual((await watched.counts(2)).sort(), ['/chat 101 ok', '/first 200 ok']);
  });

  it('whose handler throws has that error', async (t) => {
    const watched = watch(t);
    const server = createServer().on('upgrade', (_request, socket) => {
      watched.http.thrown(new TypeError('m'));
      socket.end('HTTP/1.1 500 Sorry\r\n\r\n');
    });
    await connect((await listen(t, server)).port, upgrade('/chat'));
    assert.deepEqual(await watched.counts(1), ['/chat 500 TypeError']);
  });

  it('that is still under way at the end of the process is what that ended by', async (t) => {
    const watched = watch(t);
    const { port } = await listen(
      t,
      createServer().on('upgrade', () => {}),
    );
    await connect(port, upgrade('/chat'));
    await until(() => watched.active() === 1, 'the upgrade');
    watched.http.abandon('TypeError');
    await connect(port, upgrade('/late'));
    assert.deepEqual(await watched.counts(2), ['/chat - TypeError', '/late - TypeError']);
    assert.equal(watched.active(), 0);
  });

  it('that a server does not listen for is a request like any other, before and after it did', async (t) => {
    const watched = watch(t);
    const server = createServer((_request, response) => response.end('plain'));
    const { port } = await listen(t, server);
    const asks = async (expected: string, count: number) => {
      const { received } = await connect(port, upgrade('/chat'));
      await until(() => received.text.startsWith(`HTTP/1.1 ${expected}`), `${expected}, not ${received.text}`);
      await watched.counts(count);
    };
    const listener = (_request: IncomingMessage, socket: Duplex) => void socket.end(SWITCHED);
    await asks('200', 1);
    server.on('upgrade', listener);
    await asks('101', 2);
    server.off('upgrade', listener);
    assert.equal(server.listenerCount('upgrade'), 0);
    await asks('200', 3);
    assert.deepEqual(watched.counted().sort(), ['/chat 101 ok', '/chat 200 ok', '/chat 200 ok']);
  });
});

describe('CONNECT', () => {
  it('counts once, as the method that it is and of no path', async (t) => {
    const watched = watch(t);
    const server = createServer().on('connect', (_request, socket) =>
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n'),
    );
    await connect((await listen(t, server)).port, 'CONNECT shop.example:443 HTTP/1.1\r\nHost: shop.example\r\n\r\n');
    assert.deepEqual(await watched.counts(1), ['/ 200 ok']);
    assert.equal(watched.active(), 0);
  });

  it('that nobody listens for ends with its connection, as without us, and is no request', async (t) => {
    const watched = watch(t);
    const { port, closed } = await listen(t, createServer());
    await connect(port, 'CONNECT shop.example:443 HTTP/1.1\r\nHost: shop.example\r\n\r\n');
    await until(() => closed() === 1, 'the end of the connection');
    assert.deepEqual([watched.counted(), watched.active()], [[], 0]);
  });
});

describe('the app', () => {
  it('finds the listeners that it would find without us, on the server and on the socket, while its own run', async (t) => {
    const look = async (watches: boolean) => {
      const server: Server = createServer();
      if (watches) watch(t);
      const seen: unknown[] = [];
      server.on('upgrade', (_request, socket) => {
        seen.push(server.listenerCount('upgrade'), server.listenerCount('connect'));
        seen.push(socket.eventNames().map((name) => [name, socket.listenerCount(name)]));
        seen.push(Object.keys(socket));
        socket.end(SWITCHED);
      });
      const { port } = await listen(t, server);
      const { socket } = await connect(port, upgrade('/chat'));
      await once(socket, 'close');
      return seen;
    };
    const without = await look(false);
    const withUs = await look(true);
    // Each connection has one listener of ours, for its end.
    const close = (without[2] as [string, number][]).find(([name]) => name === 'close')!;
    close[1] += 1;
    assert.deepEqual(withUs, without);
  });
});

describe('looking on while methods are called', () => {
  it('calls them as they were called, and ends without a trace, whoever had them', () => {
    const calls: unknown[] = [];
    const socket = new Duplex({
      write(chunk, _encoding, callback) {
        calls.push(String(chunk));
        callback();
      },
      read() {},
    });
    const own = Object.getOwnPropertyDescriptors(socket);
    const stop = lookOn(socket, {
      _write: ([chunk]) => calls.push(`saw ${chunk}`),
      _destroy: () => calls.push('saw the end'),
      _absent: () => calls.push('never'),
    });
    assert.ok(!('_absent' in socket));
    socket.write('one');
    stop();
    assert.deepEqual(Object.keys(Object.getOwnPropertyDescriptors(socket)), Object.keys(own));
    assert.equal(Object.getOwnPropertyDescriptor(socket, '_write')!.value, own['_write' as never]?.['value']);
    socket.write('two');
    assert.deepEqual(calls, ['one', 'saw one', 'two']);
  });

  it('leaves what somebody has put in front meanwhile', () => {
    const object = { method: () => 1 };
    const calls: unknown[] = [];
    const stop = lookOn(object, { method: () => calls.push('seen') });
    const ours = object.method;
    object.method = () => 1 + ours();
    stop();
    assert.deepEqual([object.method(), calls], [2, ['seen']]);
  });
});

function upgrade(path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n`;
}
