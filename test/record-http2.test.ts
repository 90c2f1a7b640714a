/** Holds src/record/http2.ts with real servers and clients of node:http2: each stream of a client counts once, as it ended. */
import assert from 'node:assert/strict';
import http2, {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import { createRequire } from 'node:module';
import { connect as connectTcp } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { recordException, setRoute } from '../src/record/marks.ts';
import { until } from './processes.ts';
import { listen, watch } from './watched-http.ts';

type Handler = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;
type Watched = ReturnType<typeof watch>;

describe('a stream of the core API', () => {
  const endings: Record<string, [handler: Handler, counted: string, bytes: number]> = {
    'that is answered': [answers('hello'), '/x 200 ok', 5],
    'that is answered without respond()': [(stream) => stream.end('hello'), '/x 200 ok', 5],
    'that is answered by its headers alone': [
      (stream) => stream.respond({ ':status': 204 }, { endStream: true }),
      '/x 204 ok',
      0,
    ],
    'that is answered in many frames': [
      (stream) => {
        stream.respond();
        stream.write(Buffer.alloc(1e6));
        stream.end(Buffer.alloc(1e6));
      },
      '/x 200 ok',
      2e6,
    ],
    'that is answered with trailers': [
      (stream) => {
        stream.respond({ ':status': 200 }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
        stream.end('message');
      },
      '/x 200 ok',
      7,
    ],
    'that is answered and closed at once': [
      (stream) => {
        stream.respond();
        stream.end('x'.repeat(500_000));
        stream.close();
      },
      '/x 200 ok',
      500_000,
    ],
    'that is answered 5xx': [(stream) => stream.respond({ ':status': 503 }, { endStream: true }), '/x 503 503', 0],
    'that is reset by the server is its code': [
      (stream) => stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR),
      '/x - NGHTTP2_INTERNAL_ERROR',
      0,
    ],
    'that is cancelled by the server is that': [
      (stream) => stream.close(http2.constants.NGHTTP2_CANCEL),
      '/x - NGHTTP2_CANCEL',
      0,
    ],
    'that is closed without an answer is aborted': [(stream) => stream.close(), '/x - aborted', 0],
    'that is destroyed without an answer is aborted': [(stream) => stream.destroy(), '/x - aborted', 0],
    'that is destroyed by an error is that error': [
      (stream) => stream.destroy(Object.assign(new Error('m'), { code: 'ECARD' })),
      '/x - ECARD',
      0,
    ],
    'that is destroyed in the middle of its answer has its status': [
      (stream) => {
        stream.respond();
        stream.write('half');
        setImmediate(() => stream.destroy(new RangeError('m')));
      },
      '/x 200 RangeError',
      4,
    ],
    'whose session the server destroys is aborted': [(stream) => stream.session!.destroy(), '/x - aborted', 0],
  };
  for (const [what, [handler, expected, bytes]] of Object.entries(endings)) {
    it(`${what} counts once`, async (t) => {
      const served = await serve(t, handler);
      await over(served.request('/x').resume());
      assert.deepEqual(await served.counts(1), [expected]);
      assert.deepEqual(served.bytes(), [0, bytes]);
      await quiet(served, 1);
    });
  }

  it('that sends a file counts the bytes of the file', async (t) => {
    const file = new URL(import.meta.url);
    const served = await serve(t, (stream) => stream.respondWithFile(file.pathname));
    let received = 0;
    await over(
      served.request('/file').on('data', (chunk: Buffer) => {
        received += chunk.length;
      }),
    );
    assert.deepEqual(await served.counts(1), ['/file 200 ok']);
    assert.ok(received > 0);
    assert.deepEqual(served.bytes(), [0, received]);
  });

  it('that pushes others counts alone', async (t) => {
    const served = await serve(t, (stream) => {
      stream.pushStream({ ':path': '/pushed' }, (_error, pushed) => {
        pushed.respond();
        pushed.end('pushed');
        stream.respond();
        stream.end('x');
      });
    });
    const pushed = new Promise<ClientHttp2Stream>((resolve) => served.client.on('stream', resolve));
    await over(served.request('/page').resume());
    await over((await pushed).resume());
    assert.deepEqual(await served.counts(1), ['/page 200 ok']);
    await quiet(served, 1);
  });

  it('that uploads counts the bytes of its body, and so does each of many at a time', async (t) => {
    const served = await serve(t, (stream) => {
      stream.resume().on('end', () => answers('stored')(stream, {}));
    });
    const sizes = [0, 1, 16_384, 100_000];
    await Promise.all(
      sizes.map((size) => {
        const stream = served.request('/upload', { ':method': 'POST' }, false);
        stream.end(Buffer.alloc(size));
        return over(stream.resume());
      }),
    );
    await served.counts(4);
    assert.deepEqual(served.bytes(), [116_385, 4 * 'stored'.length]);
  });

  it('that is answered before its upload has ended is over when it is closed', async (t) => {
    const served = await serve(t, answers('early'));
    const stream = served.request('/upload', { ':method': 'POST' }, false);
    await over(stream.resume());
    assert.deepEqual(await served.counts(1), ['/upload 200 ok']);
  });

  for (const [name, code] of Object.entries({ CANCEL: 8, INTERNAL_ERROR: 2, NO_ERROR: 0 })) {
    it(`that its client resets with ${name} is aborted, begun or not`, async (t) => {
      const served = await serve(t, (stream, headers) => {
        stream.on('error', () => {});
        if (headers[':path'] === '/half') stream.write('half');
      });
      for (const path of ['/hang', '/half']) {
        const stream = served.request(path);
        await until(() => served.active() === 1, 'the request');
        if (path === '/half') await new Promise((resolve) => stream.once('data', resolve));
        stream.close(code);
        await until(() => served.active() === 0, 'its end');
      }
      assert.deepEqual(served.counted(), ['/hang - aborted', '/half 200 aborted']);
    });
  }

  it('whose client is gone is aborted, also when the app has ended it', async (t) => {
    const served = await serve(t, (stream) => {
      stream.on('error', () => {});
      stream.end(Buffer.alloc(3e6));
    });
    served.request('/big').pause();
    await until(() => served.active() === 1, 'the request');
    served.client.destroy();
    assert.deepEqual(await served.counts(1), ['/big 200 aborted']);
    await quiet(served, 1);
  });
});

describe('a request of the compatibility API', () => {
  it('has its method, path and status, and those it came with', async (t) => {
    const watched = watch(t);
    const client = await connected(
      t,
      http2.createServer((request, response) => {
        request.url = '/changed';
        response.statusCode = 201;
        response.end('hello');
      }),
    );
    await over(client.request({ ':path': '/orders/17?x=1' }).resume());
    await over(client.request({ ':path': '/orders/17', ':method': 'HEAD' }).resume());
    assert.deepEqual(await watched.counts(2), ['/orders/:id 201 ok', '/orders/:id 201 ok']);
    assert.deepEqual(watched.bytes(), [0, 5]);
  });

  it('is of the route and has the error that the app says, by the request or by its stream', async (t) => {
    const watched = watch(t);
    const client = await connected(
      t,
      http2.createServer((request, response) => {
        const said = request.url === '/stream' ? request.stream : request;
        setRoute(said as ServerHttp2Stream, '/:said');
        if (request.url !== '/plain') recordException(said as ServerHttp2Stream, new TypeError('m'));
        response.end();
      }),
    );
    for (const path of ['/plain', '/request', '/stream']) await over(client.request({ ':path': path }).resume());
    assert.deepEqual(await watched.counts(3), ['/:said 200 ok', '/:said 200 TypeError', '/:said 200 TypeError']);
  });

  it('is of the route that its framework has found', async (t) => {
    const watched = watch(t);
    const require = createRequire(import.meta.url);
    const [Koa, { Router }] = [require('koa'), require('@koa/router')];
    const routes = new Router().get('/users/:name', (context: { body: string }) => {
      context.body = 'hello';
    });
    const client = await connected(t, http2.createServer(new Koa().use(routes.routes()).callback()));
    for (const path of ['/users/ann', '/nobody']) await over(client.request({ ':path': path }).resume());
    assert.deepEqual(await watched.counts(2), ['/users/:name 200 ok', 'unmatched 404 ok']);
  });

  it('that waits for 100 Continue counts once', async (t) => {
    const watched = watch(t);
    const client = await connected(
      t,
      http2.createServer((request, response) => void request.resume().on('end', () => response.end())),
    );
    const stream = client.request({ ':method': 'POST', expect: '100-continue' }, { endStream: false });
    stream.once('continue', () => stream.end('body'));
    await over(stream.resume());
    assert.deepEqual(await watched.counts(1), ['/ 200 ok']);
    assert.deepEqual(watched.bytes(), [4, 0]);
  });

  it('is told to the hooks, each of many that come at once, with what Node has given the app', async (t) => {
    const calls: unknown[][] = [];
    const watched = watch(t, {
      hooks: {
        preRequest: (request) => void calls.push(['pre', request.url, request]),
        postRequest: (request, response, seconds) => void calls.push(['post', request.url, request, response, seconds]),
      },
    });
    const given = new Map<string, unknown[]>();
    const client = await connected(
      t,
      http2.createServer((request, response) => {
        calls.push(['handler', request.url]);
        given.set(request.url, [request, response]);
        response.end();
      }),
    );
    const paths = ['/a', '/b', '/c', '/d'];
    await Promise.all(paths.map((path) => over(client.request({ ':path': path }).resume())));
    await watched.counts(4);
    await until(() => calls.length === 12, 'the last hook');
    for (const path of paths) {
      const own = calls.filter(([, url]) => url === path);
      assert.deepEqual(
        own.map(([kind]) => kind),
        ['pre', 'handler', 'post'],
      );
      const [request, response] = given.get(path)!;
      assert.ok(own[0]![2] === request && own[2]![2] === request && own[2]![3] === response);
      assert.ok(Number(own[2]![4]) > 0);
    }
  });
});

describe('CONNECT', () => {
  for (const how of ['respond', 'write'] as const) {
    it(`is over when it is answered by ${how}(), however long it then lives`, async (t) => {
      const served = await serve(t, (stream) => {
        stream.on('error', () => {});
        if (how === 'respond') stream.respond({ ':status': 200 });
        else stream.write('tunnel');
        stream.pipe(stream);
      });
      const stream = served.client.request({ ':method': 'CONNECT', ':authority': 'other:1' });
      stream.on('error', () => {});
      assert.deepEqual(await served.counts(1), ['/ 200 ok']);
      assert.equal(served.active(), 0);
      stream.write('through');
      await new Promise((resolve) => stream.once('data', resolve));
      stream.destroy();
      await quiet(served, 1);
    });
  }

  it('that nobody listens for is answered by Node, and counts once', async (t) => {
    const watched = watch(t);
    const client = await connected(
      t,
      http2.createServer((_request, response) => response.end()),
    );
    const headers = { ':method': 'CONNECT', ':authority': 'other:1' };
    await over(client.request(headers, { endStream: true }).resume());
    assert.deepEqual(await watched.counts(1), ['/ 405 ok']);
  });
});

describe('an error of a session', () => {
  it('is of no request where none is under way, by its code', async (t) => {
    const served = await serve(t, answers('x'));
    const socket = connectTcp(served.port, '127.0.0.1').on('error', () => {});
    socket.write('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    await until(() => Object.keys(served.connectionErrors()).length > 0, 'the error');
    assert.deepEqual([served.connectionErrors(), served.counted()], [{ ERR_HTTP2_ERROR: 1 }, []]);
  });

  it('that the client says goodbye with is that of the requests under way, and of nobody else', async (t) => {
    const served = await serve(t, (stream) => void stream.on('error', () => {}));
    const [first, second] = [served.request('/one'), served.request('/two')];
    await until(() => served.active() === 2, 'both requests');
    served.client.goaway(http2.constants.NGHTTP2_INTERNAL_ERROR);
    assert.deepEqual(await served.counts(2), ['/one - ERR_HTTP2_SESSION_ERROR', '/two - ERR_HTTP2_SESSION_ERROR']);
    assert.deepEqual(served.connectionErrors(), {});
    await Promise.all([over(first), over(second)]);
    await quiet(served, 2);
  });

  it('is none of the server when the client resets an idle connection, and aborts what is under way', async (t) => {
    for (const requests of [0, 1]) {
      const served = await serve(t, (stream) => void stream.on('error', () => {}));
      const { client } = served;
      if (requests > 0) served.request('/hang');
      else await new Promise((resolve) => client.once('remoteSettings', resolve));
      await until(() => served.active() === requests, 'the request');
      const before = served.closed();
      socketOf(client).resetAndDestroy();
      await until(() => served.closed() > before, 'the end of the connection');
      await until(() => served.active() === 0, 'the end of the request');
      assert.deepEqual([served.counted(), served.connectionErrors()], [requests ? ['/hang - aborted'] : [], {}]);
      served.http.stop();
    }
  });
});

describe('an uncaught error', () => {
  it('is that of the stream whose handler it comes out of, and of no other', async (t) => {
    const watched: Watched & { request(path: string): ClientHttp2Stream } = await serve(t, (stream, headers) => {
      if (headers[':path'] === '/throw') watched.http.thrown(Object.assign(new Error('m'), { code: 'EPAYMENT' }));
      setImmediate(() => answers('x')(stream, {}));
    });
    await Promise.all(['/one', '/throw', '/two'].map((path) => over(watched.request(path).resume())));
    watched.http.thrown(new Error('m'));
    assert.deepEqual((await watched.counts(3)).sort(), ['/one 200 ok', '/throw 200 EPAYMENT', '/two 200 ok']);
  });
});

describe('what is still under way', () => {
  it('at the end of the process is counted as what the process ended by, and not again, nor what comes then', async (t) => {
    const served = await serve(t, (stream) => void stream.on('error', () => {}));
    const streams = ['/a', '/b'].map((path) => served.request(path));
    await until(() => served.active() === 2, 'both requests');
    served.http.abandon('TypeError');
    assert.deepEqual([served.counted(), served.active()], [['/a - TypeError', '/b - TypeError'], 0]);
    for (const stream of streams) stream.close();
    await over(served.request('/c').resume(), 50);
    await until(() => served.counted().length === 3, 'the one that came then');
    await quiet(served, 3);
  });

  it('is nothing after ten thousand streams on one session, hundreds of them reset', async (t) => {
    const served = await serve(t, (stream) => void (stream.destroyed || answers('x')(stream, {})));
    let next = 0;
    const one = async () => {
      while (next < 10_000) {
        next += 1;
        const stream = served.request('/x');
        // Beyond a thousand, nghttp2's protection from such clients ends the session.
        if (next % 12 === 0) stream.close(8);
        await over(stream.resume());
      }
    };
    await Promise.all(Array.from({ length: 50 }, one));
    await served.counts(10_000);
    await quiet(served, 10_000);
    const [session] = served.sessions;
    // Node's own set of streams is empty, and what ours held would be counted by an abandon().
    served.http.abandon('left behind');
    assert.equal(served.counted().length, 10_000);
    assert.equal(session!.destroyed, false);
  });
});

describe('the app', () => {
  it('finds the listeners on servers, sessions and streams that it would find without us', async (t) => {
    const look = async (watches: boolean) => {
      const seen: unknown[] = [];
      const server = http2.createServer();
      if (watches) watch(t);
      server.on('session', (session) => seen.push(['session', names(session)]));
      server.on('stream', (stream, headers) => {
        const { length } = server.listeners('stream');
        // Node 20 tells of streams by this event alone.
        seen.push(['server', length - (watches && process.version.startsWith('v20.') ? 1 : 0)]);
        seen.push(['stream', names(stream), Object.keys(stream).filter((key) => !key.startsWith('_'))]);
        answers('x')(stream, headers);
      });
      const client = await connected(t, server);
      for (const path of ['/1', '/2']) await over(client.request({ ':path': path }).resume());
      return seen;
    };
    const without = await look(false);
    assert.deepEqual(await look(true), without);
  });

  it('is not served requests by a server that has no listener for them', async (t) => {
    const watched = watch(t, { hooks: { preRequest: () => {} } });
    const server = http2.createServer();
    const client = await connected(t, server);
    const stream = client.request({ ':path': '/nobody' });
    stream.on('error', () => {});
    await until(() => watched.active() === 1, 'the request');
    assert.equal(server.listenerCount('request'), 0);
    stream.close(8);
    assert.deepEqual(await watched.counts(1), ['/nobody - aborted']);
  });

  it('is counted no more after the end of watching, and once by who begins then', async (t) => {
    const first = watch(t);
    const server = http2.createServer((_request, response) => response.end());
    const client = await connected(t, server);
    await over(client.request({ ':path': '/a' }).resume());
    await first.counts(1);
    first.http.stop();
    await over(client.request({ ':path': '/b' }).resume());
    const second = watch(t);
    await over(client.request({ ':path': '/c' }).resume());
    assert.deepEqual([await second.counts(1), first.counted()], [['/c 200 ok'], ['/a 200 ok']]);
  });
});

function answers(body: string): Handler {
  return (stream) => {
    stream.respond();
    stream.end(body);
  };
}

async function serve(t: TestContext, handler: Handler) {
  const watched = watch(t);
  const server = http2.createServer();
  const sessions: http2.ServerHttp2Session[] = [];
  server.on('session', (session) => sessions.push(session));
  server.on('stream', (stream, headers) => {
    if (stream.listenerCount('error') === 0) stream.on('error', () => {});
    handler(stream, headers);
  });
  const { port, closed } = await listen(t, server);
  const client = open(t, port);
  const request = (path: string, headers: OutgoingHttpHeaders = {}, endStream = true) =>
    client.request({ ':path': path, ...headers }, { endStream }).on('error', () => {});
  return { ...watched, client, request, port, closed, sessions };
}

async function connected(t: TestContext, server: http2.Http2Server): Promise<ClientHttp2Session> {
  return open(t, (await listen(t, server)).port);
}

function open(t: TestContext, port: number): ClientHttp2Session {
  const client = http2.connect(`http://127.0.0.1:${port}`).on('error', () => {});
  t.after(() => client.destroy());
  return client;
}

async function over(stream: ClientHttp2Stream, deadlineMs = 5000): Promise<void> {
  await until(() => stream.closed || stream.destroyed, 'the end of the stream', deadlineMs).catch((error) => {
    if (deadlineMs === 5000) throw error;
  });
}

// Nothing is under way, and nothing counts twice.
async function quiet(watched: Watched, count: number): Promise<void> {
  await until(() => watched.active() === 0, 'nothing under way');
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([watched.counted().length, watched.active()], [count, 0]);
}

function names(emitter: NodeJS.EventEmitter): [string, number][] {
  return emitter.eventNames().map((name) => [String(name), emitter.listenerCount(name)]);
}

// The proxy that a session gives lets nobody end the connection.
function socketOf(session: ClientHttp2Session): import('node:net').Socket {
  const symbol = Object.getOwnPropertySymbols(session).find(({ description }) => description === 'socket')!;
  return (session as unknown as Record<symbol, import('node:net').Socket>)[symbol]!;
}
