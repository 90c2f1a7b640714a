/** Holds what src/record/http.ts makes of marks, hooks and uncaught errors, with real servers; counting itself is system-request-*. */
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { describe, it } from 'node:test';
import { recordException, setRoute } from '../src/record/marks.ts';
import { until } from './processes.ts';
import { get } from './request-count.ts';
import { connect, request } from './requests.ts';
import { listen, watch } from './watched-http.ts';

// The first in this process to say anything: whoever has said something itself asks for what others say.
const OTHER_COPY = new URL('../src/record/marks.js?other', import.meta.url).href;

describe('a request of which the app says', () => {
  it('a route by another copy of the package is one of that route', async (t) => {
    const { counts } = watch(t);
    const other: typeof import('../src/record/marks.ts') = await import(OTHER_COPY);
    const { url } = await listen(
      t,
      createServer((request, response) => {
        other.setRoute(request, '/from/the/other');
        response.end();
      }),
    );
    await request(url);
    assert.deepEqual(await counts(1), ['/from/the/other 200 ok']);
  });

  it('a route is one of that route, the last one that was said before its end', async (t) => {
    const { counts } = watch(t);
    const { url } = await listen(
      t,
      createServer((request, response) => {
        if (request.url !== '/plain/1') setRoute(request, '/first');
        if (request.url === '/last') setRoute(request, '/users/:name');
        response.on('close', () => setRoute(request, '/too/late')).end();
      }),
    );
    for (const path of ['/plain/1', '/first/x', '/last']) await request(url + path);
    assert.deepEqual(await counts(3), ['/plain/:id 200 ok', '/first 200 ok', '/users/:name 200 ok']);
  });

  it('an error has failed with it, whatever its status', async (t) => {
    const { counts } = watch(t);
    const { url } = await listen(
      t,
      createServer((request, response) => {
        recordException(request, new RangeError('m'));
        response.writeHead(Number(request.headers['x-status'])).end();
      }),
    );
    for (const status of ['200', '500']) await request(url, { headers: { 'x-status': status } });
    assert.deepEqual(await counts(2), ['/ 200 RangeError', '/ 500 RangeError']);
  });

  it('an error has failed with that also when the client has left', async (t) => {
    const { counts, active } = watch(t);
    let heard = 0;
    const { port } = await listen(
      t,
      createServer((request) => {
        heard += 1;
        if (request.url === '/told') recordException(request, new RangeError('m'));
      }),
    );
    for (const path of ['/told', '/silent']) {
      const before = heard;
      const { socket } = await connect(port, get(path));
      await until(() => heard > before, 'the request');
      assert.equal(active(), 1);
      socket.destroy();
      await until(() => active() === 0, 'its end');
    }
    assert.deepEqual(await counts(2), ['/told - RangeError', '/silent - aborted']);
  });
});

describe('an uncaught error', () => {
  it('is that of the request whose handler it comes out of, and of no other', async (t) => {
    const watched = watch(t);
    const error = Object.assign(new Error('m'), { code: 'EPAYMENT' });
    const server = await listen(t, createServer(throwing(() => watched.http.thrown(error))));
    await Promise.all(['/one', '/throw', '/two'].map((path) => request(server.url + path)));
    assert.deepEqual((await watched.counts(3)).sort(), ['/one 200 ok', '/throw 200 EPAYMENT', '/two 200 ok']);
  });

  it('is that of the last request that has come on a connection where others wait', async (t) => {
    const watched = watch(t);
    const held: ServerResponse[] = [];
    const server = await listen(
      t,
      createServer((request, response) => {
        if (request.url === '/throw') watched.http.thrown(new TypeError('m'));
        held.push(response);
      }),
    );
    await connect(server.port, get('/first') + get('/throw'));
    await until(() => held.length === 2, 'both requests');
    for (const response of held) response.end();
    assert.deepEqual((await watched.counts(2)).sort(), ['/first 200 ok', '/throw 200 TypeError']);
  });

  it('is that of no request when it comes from elsewhere, and throws nothing', async (t) => {
    const watched = watch(t);
    const server = await listen(
      t,
      createServer((_request, response) => response.end()),
    );
    watched.http.thrown(new Error('m'));
    await request(server.url);
    watched.http.thrown(new Error('m'));
    assert.deepEqual(await watched.counts(1), ['/ 200 ok']);
  });
});

describe('the hooks around a request', () => {
  it('are called before the handler and when the request is counted, with what Node has given the app', async (t) => {
    const calls: unknown[] = [];
    let given: [IncomingMessage, ServerResponse] | undefined;
    const watched = watch(t, {
      hooks: {
        preRequest: (request) => calls.push(['pre', request]),
        postRequest: (request, response, seconds) =>
          calls.push(['post', request, response, seconds, watched.counted()]),
      },
    });
    const { url } = await listen(
      t,
      createServer((request, response) => {
        given = [request, response];
        calls.push('handler');
        response.writeHead(204).end();
      }),
    );
    const began = performance.now();
    await request(url);
    await until(() => calls.length === 3, 'the last hook');
    const [, , post] = calls as [unknown, unknown, unknown[]];
    const seconds = Number(post[3]);
    assert.ok(seconds > 0 && seconds <= (performance.now() - began) / 1000, `${seconds} s`);
    assert.deepEqual(calls.slice(0, 2), [['pre', given![0]], 'handler']);
    assert.ok(post[0] === 'post' && post[1] === given![0] && post[2] === given![1]);
    assert.deepEqual(post[4], ['/ 204 ok']);
  });

  it('are called for a request whose client has left, too, and once', async (t) => {
    const calls: string[] = [];
    const hooks = {
      preRequest: ({ url }: IncomingMessage) => void calls.push(`pre ${url}`),
      postRequest: ({ url }: IncomingMessage) => void calls.push(`post ${url}`),
    };
    const { counts } = watch(t, { hooks });
    const { port } = await listen(t, createServer());
    const { socket } = await connect(port, get('/a') + get('/b'));
    await until(() => calls.length === 2, 'both requests');
    socket.destroy();
    await counts(2);
    assert.deepEqual(calls, ['pre /a', 'pre /b', 'post /a', 'post /b']);
  });

  it('are called for no request to a server of our own, nor is that counted', async (t) => {
    const calls: string[] = [];
    const own = createServer((_request, response) => response.end());
    const watched = watch(t, {
      ignored: () => own,
      hooks: { preRequest: () => void calls.push('pre'), postRequest: () => void calls.push('post') },
    });
    await request((await listen(t, own)).url);
    assert.deepEqual([calls, watched.active()], [[], 0]);
    await request(
      (
        await listen(
          t,
          createServer((_request, response) => response.end()),
        )
      ).url,
    );
    await watched.counts(1);
    assert.deepEqual(calls, ['pre', 'post']);
  });
});

describe('what is still under way', () => {
  it('at the end of the process is counted as what the process ended by, and not again', async (t) => {
    const { http, counted, active } = watch(t);
    const server = await listen(t, createServer());
    const { socket } = await connect(server.port, get('/a') + get('/b'));
    await until(() => active() === 2, 'both requests');
    http.abandon('TypeError');
    assert.deepEqual([counted(), active()], [['/a - TypeError', '/b - TypeError'], 0]);
    socket.destroy();
    await until(() => server.closed() === 1, 'the end of the connection');
    http.abandon('TypeError');
    assert.equal(counted().length, 2);
  });

  it('begins to count no more after the end of watching, nor do hooks hear of it', async (t) => {
    const calls: string[] = [];
    const watched = watch(t, { hooks: { preRequest: () => void calls.push('pre') } });
    const { url } = await listen(
      t,
      createServer((_request, response) => response.end()),
    );
    await request(url);
    await watched.counts(1);
    watched.http.stop();
    await request(url);
    assert.deepEqual([watched.counted().length, watched.active(), calls], [1, 0, ['pre']]);
  });
});

// Where the path asks for it, as the handler of an uncaught error is called in the middle of the request's own.
function throwing(thrown: () => void): RequestListener {
  return (request, response) => {
    if (request.url === '/throw') thrown();
    setImmediate(() => response.end());
  };
}
