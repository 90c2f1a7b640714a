/** Holds what the endpoint says to requests that no scraper sends, over http and https: an answer as documented, and the next. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { setLogLevel } from '../src/report.ts';
import { until } from './processes.ts';
import { LONG, PROTOCOLS, type Served, serve } from './served-endpoint.ts';

setLogLevel('none');

const SAFE = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};
const HOST = 'Host: x\r\n';
const PAGE = { status: 200, type: 'text/plain', body: 'a page\n' };

for (const protocol of PROTOCOLS) {
  describe(`over ${protocol}`, () => {
    it('no other spelling of a path is that path', async (t) => {
      const { open } = await serve(t, {}, protocol);
      for (const target of [
        '//metrics',
        '/metrics/',
        '/metrics/.',
        '/%6detrics',
        '/../metrics',
        '/healthz/../metrics',
        '/./metrics',
        '/metrics;x',
        '/metrics%00',
        '/metrics%20',
        '\\metrics',
        '/\\metrics',
        'metrics',
        '*',
        '/METRICS',
        'http://x//metrics',
        'http://x/metrics/',
        'http://x:1@y/metrics',
        'http:///metrics',
        'http:/metrics',
        'ftp://x/metrics',
        '/metrics#x',
        '/__proto__',
        '/constructor',
      ]) {
        const { received, closed } = await open(`GET ${target} HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`);
        await closed();
        // Some are no targets at all for the parser.
        assert.match(received.text, /^HTTP\/1\.1 40[04] /, target);
        assert.doesNotMatch(received.text, /a comment/, target);
        assertSafe(received.text);
      }
    });

    it('a target with scheme and host in front, as a forward proxy sends it, is the same path', async (t) => {
      const { open } = await serve(t, { routes: { '/': async () => PAGE } }, protocol);
      for (const [target, body] of [
        ['http://x/metrics', LONG],
        ['https://x/metrics', LONG],
        ['HTTP://x:9090/metrics?name[]=y', LONG],
        ['http://[::1]:9090/metrics', LONG],
        ['http://x', PAGE.body],
        ['http://x?y', PAGE.body],
      ] as const) {
        const { received, closed } = await open(`GET ${target} HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`);
        await closed();
        assert.match(received.text, /^HTTP\/1\.1 200 /, target);
        assert.ok(received.text.endsWith(body), target);
      }
    });

    it('every answer has the headers of safety, and none says who answers', async (t) => {
      const { open } = await serve(t, { scrape: () => Promise.reject(new Error('no disk')) }, protocol);
      const cases: [request: string, status: number][] = [
        [`GET /healthz HTTP/1.1\r\n${HOST}`, 200],
        [`GET /metrics HTTP/1.1\r\n${HOST}`, 500],
        [`GET /nowhere HTTP/1.1\r\n${HOST}`, 404],
        [`DELETE /metrics HTTP/1.1\r\n${HOST}`, 405],
        ['GET /healthz HTTP/1.1\r\n', 400],
        ['GET /healthz HTTP/1.0\r\n', 200],
        ['nonsense\r\n', 400],
        [`GET /healthz HTTP/9.9\r\n${HOST}`, 400],
        [`CONNECT x:1 HTTP/1.1\r\n${HOST}`, 405],
        [`GET /healthz HTTP/1.1\r\n${HOST}Expect: 100-continue\r\n`, 200],
        [`GET /healthz HTTP/1.1\r\n${HOST}Expect: something\r\n`, 200],
        [`GET /healthz HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\n`, 200],
        [`GET /healthz HTTP/1.1\r\n${HOST}Content-Length: 5\r\n`, 413],
        [`GET /healthz HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n`, 413],
        [`GET /healthz HTTP/1.1\r\n${HOST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n`, 400],
        [`GET /healthz HTTP/1.1\r\n${HOST}Content-Length: 5\r\nExpect: 100-continue\r\n`, 413],
        [`POST /metrics HTTP/1.1\r\n${HOST}Content-Length: 5\r\nExpect: 100-continue\r\n`, 405],
        [`GET /healthz HTTP/1.1\r\n${HOST}x: ${'y'.repeat(9000)}\r\n`, 431],
        ['PRI * HTTP/2.0\r\n\r\nSM\r\n', 400],
      ];
      for (const [request, status] of cases) {
        const { socket, received } = await open(`${request}\r\n`);
        await until(() => received.text.includes('\r\n\r\n'), `an answer to ${request.slice(0, 80)}`);
        socket.destroy();
        assert.equal(Number(received.text.split(' ')[1]), status, request.slice(0, 80));
        assertSafe(received.text);
        assert.doesNotMatch(received.text, /^(Server|X-Powered-By):/im);
      }
    });

    it('a body is not read: the connection closes behind the answer', async (t) => {
      const { open } = await serve(t, {}, protocol);
      for (const request of [
        `POST /metrics HTTP/1.1\r\n${HOST}Content-Length: 100000000\r\n\r\n${'x'.repeat(1000)}`,
        `GET /metrics HTTP/1.1\r\n${HOST}Content-Length: 30\r\n\r\nGET /healthz HTTP/1.1\r\n${HOST}\r\n`,
        `GET /metrics HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n`,
      ]) {
        const { received, closed } = await open(request);
        await closed();
        assert.equal(received.text.match(/HTTP\/1\.1 /g)?.length, 1, received.text);
        assert.match(received.text, /^HTTP\/1\.1 4(05|13) .*\r\n.*Connection: close\r\n/is);
      }
    });

    it('what was sent before an answer came is not answered, and the connection closes behind the first', async (t) => {
      let scrapes = 0;
      const { open, refused } = await serve(
        t,
        {
          scrape: async () => {
            scrapes += 1;
            return LONG.repeat(500);
          },
        },
        protocol,
      );
      const { received, closed } = await open(`GET /metrics HTTP/1.1\r\n${HOST}\r\n`.repeat(500));
      await closed();
      assert.equal(scrapes, 1);
      assert.equal(received.text.match(/HTTP\/1\.1 /g)?.length, 1);
      assert.ok(received.text.endsWith(LONG), 'the whole first answer');
      assert.equal(received.text.split('\r\n\r\n')[1]?.length, LONG.length * 500);
      assert.ok(refused.get('pipelined')! > 0);
    });

    it('one request after another on a connection is what it is there for', async (t) => {
      const { open, refused } = await serve(t, {}, protocol);
      const { socket, received } = await open();
      for (let round = 1; round <= 20; round += 1) {
        socket.write(`GET /metrics HTTP/1.1\r\n${HOST}\r\n`);
        await until(() => received.text.split(LONG).length === round + 1, `answer ${round}`);
      }
      assert.deepEqual([...refused], []);
    });

    it('garbage, in whatever pieces, costs its connection and nothing else', async (t) => {
      const served = await serve(t, {}, protocol);
      const garbage = [
        Buffer.alloc(70_000, 0),
        Buffer.from('\x16\x03\x01\x02\x00'),
        Buffer.from('GET\0/metrics\0HTTP/1.1\r\n\r\n'),
      ];
      for (const bytes of garbage) {
        const { socket } = await served.knock(bytes);
        if (bytes.length < 10) socket.end();
        await until(() => socket.closed || socket.readableEnded, 'the end of the connection');
      }
      const { closed } = await served.open(`GET / HTTP/1.1\r\nx: ${'a'.repeat(1e6)}`);
      await closed();
      assert.equal((await served.get('/metrics')).text, LONG);
      assert.ok(served.refused.get('malformed')! >= 3);
    });

    it('a client that resets its connection, or says only half of its request, harms nobody', async (t) => {
      const served = await serve(t, {}, protocol);
      for (let i = 0; i < 20; i += 1) {
        const text = i % 2 ? 'GET /metr' : `GET /metrics HTTP/1.1\r\n${HOST}\r\n`;
        if (i % 3) (await served.open(text)).socket.destroy();
        else (await served.knock(text)).socket.resetAndDestroy();
      }
      assert.equal((await served.get('/metrics')).text, LONG);
      await until(async () => (await served.connections()) === 0, 'no connection is left');
    });
  });
}

it('a head, or a handshake, that does not come in time is not waited for', async (t) => {
  const late = await Promise.all(
    PROTOCOLS.map(async (protocol) => {
      const served = await serve(t, {}, protocol);
      return [await served.open('GET /metrics HTT'), await served.open(), await served.knock('\x16\x03\x01')];
    }),
  );
  for (const [half, none, knocked] of late) {
    for (const { closed } of [half!, none!, knocked!]) await closed();
    for (const { received } of [half!, none!]) {
      assert.match(received.text, /^HTTP\/1\.1 408 .*the head of a request did not come in time\n$/s);
      assertSafe(received.text);
    }
  }
});

it('a pipelined request behind one that never ends in time is not answered either', async (t) => {
  let asked = 0;
  const served: Served = await serve(t, {
    scrape: () => {
      asked += 1;
      return new Promise(() => {});
    },
  });
  const socket = connect(served.port, '127.0.0.1', () =>
    socket.write(`GET /metrics HTTP/1.1\r\n${HOST}\r\n`.repeat(3)),
  );
  socket.on('error', () => {});
  await until(() => served.refused.get('pipelined'), 'the second is refused');
  socket.destroy();
  await until(async () => (await served.connections()) === 0, 'the connection is gone');
  assert.equal(asked, 1);
});

function assertSafe(answer: string): void {
  const head = answer.split('\r\n\r\n', 1)[0]!;
  const headers = Object.fromEntries(
    head
      .split('\r\n')
      .slice(1)
      .map((line) => [line.split(': ', 1)[0]!.toLowerCase(), line.slice(line.indexOf(': ') + 2)]),
  );
  for (const [name, value] of Object.entries(SAFE)) assert.equal(headers[name], value, `${name} of ${head}`);
}
