/** Holds src/record/connections.ts with real connections: errors of no request are counted once, and answered as without us. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, createServer as createPlainServer } from 'node:net';
import { describe, it } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { atEnd, until } from './processes.ts';
import { get } from './request-count.ts';
import { connect } from './requests.ts';
import { listen, watch } from './watched-http.ts';

const NO_REQUEST = 'no request\r\n\r\n';
const UPLOAD = 'POST /upload HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n';

describe('what cannot be parsed', () => {
  it('is an error of no request, by its code, and is answered by Node', async (t) => {
    const { counted, connectionErrors } = watch(t);
    const { port, closed } = await listen(t, createServer());
    const { received } = await connect(port, NO_REQUEST);
    await until(() => closed() === 1, 'the end of the connection');
    await until(() => received.text.startsWith('HTTP/1.1 400 Bad Request'), 'the answer');
    assert.deepEqual([connectionErrors(), counted()], [{ HPE_INVALID_METHOD: 1 }, []]);
  });

  it('is counted once where the app answers it itself, whose answer goes out', async (t) => {
    const { connectionErrors } = watch(t);
    const server = createServer();
    let listeners: number | undefined;
    server.on('clientError', (_error, socket) => {
      listeners = server.listenerCount('clientError');
      socket.end('HTTP/1.1 418 Own Answer\r\n\r\n');
    });
    const { port, closed } = await listen(t, server);
    const { received } = await connect(port, NO_REQUEST);
    await until(() => closed() === 1, 'the end of the connection');
    await until(() => received.text.startsWith('HTTP/1.1 418 Own Answer'), 'the answer');
    assert.deepEqual([connectionErrors(), listeners], [{ HPE_INVALID_METHOD: 1 }, 1]);
  });

  it('is counted once where the app says it on', async (t) => {
    const { connectionErrors } = watch(t);
    const server = createServer();
    server.on('clientError', (error, socket) => {
      socket.destroy(error);
    });
    const { port, closed } = await listen(t, server);
    await connect(port, NO_REQUEST);
    await until(() => closed() === 1, 'the end of the connection');
    assert.deepEqual(connectionErrors(), { HPE_INVALID_METHOD: 1 });
  });

  it('is counted for each connection, behind requests that were answered as well', async (t) => {
    const { counts, connectionErrors } = watch(t);
    const server = createServer((_request, response) => response.end());
    const { port, closed } = await listen(t, server);
    for (let n = 0; n < 2; n += 1) {
      const { socket, received } = await connect(port, get('/'));
      await until(() => received.text.includes('200 OK'), 'the answer');
      socket.write(NO_REQUEST);
    }
    await until(() => closed() === 2, 'the end of the connections');
    assert.deepEqual(await counts(2), ['/ 200 ok', '/ 200 ok']);
    assert.deepEqual(connectionErrors(), { HPE_INVALID_METHOD: 2 });
  });

  for (const listens of [false, true]) {
    it(`in the body of a request is its error, where the app listens${listens ? '' : ' not'}`, async (t) => {
      const { counts, connectionErrors } = watch(t);
      const server = createServer((request) => request.resume());
      if (listens) server.on('clientError', (_error, socket) => socket.destroy());
      const { port, closed } = await listen(t, server);
      await connect(port, `${UPLOAD}no size\r\n`);
      await until(() => closed() === 1, 'the end of the connection');
      assert.deepEqual(await counts(1), ['/upload - HPE_INVALID_CHUNK_SIZE']);
      assert.deepEqual(connectionErrors(), {});
    });
  }
});

describe('what comes too late', () => {
  const slow = (server: Server) => Object.assign(server, { headersTimeout: 50, requestTimeout: 100 });
  const options = { connectionsCheckingInterval: 20 };

  it('in the headers is an error of no request', async (t) => {
    const { counted, connectionErrors } = watch(t);
    const { port, closed } = await listen(t, slow(createServer(options)));
    await connect(port, 'GET / HTTP/1.1\r\n');
    await until(() => closed() === 1, 'the end of the connection');
    assert.deepEqual([connectionErrors(), counted()], [{ ERR_HTTP_REQUEST_TIMEOUT: 1 }, []]);
  });

  it("in the body is the request's", async (t) => {
    const { counts, connectionErrors } = watch(t);
    const { port, closed } = await listen(t, slow(createServer(options, (request) => request.resume())));
    await connect(port, UPLOAD);
    await until(() => closed() === 1, 'the end of the connection');
    assert.deepEqual(await counts(1), ['/upload - ERR_HTTP_REQUEST_TIMEOUT']);
    assert.deepEqual(connectionErrors(), {});
  });
});

describe('a client that leaves', () => {
  for (const listens of [false, true]) {
    it(`between two requests is no error, however it does, where the app listens${listens ? '' : ' not'}`, async (t) => {
      const { counts, connectionErrors } = watch(t);
      const server = createServer((_request, response) => response.end());
      if (listens) server.on('clientError', (_error, socket) => socket.destroy());
      const { port, closed } = await listen(t, server);
      for (const leave of ['end', 'destroy', 'resetAndDestroy'] as const) {
        const before = closed();
        const { socket, received } = await connect(port, get('/'));
        await until(() => received.text.includes('200 OK'), 'the answer');
        socket[leave]();
        await until(() => closed() > before, 'the end of the connection');
      }
      assert.deepEqual(await counts(3), new Array(3).fill('/ 200 ok'));
      assert.deepEqual(connectionErrors(), {});
    });
  }

  it('in the middle of its upload has aborted the request', async (t) => {
    const { counts, connectionErrors } = watch(t);
    const { port, closed } = await listen(
      t,
      createServer((request) => request.resume()),
    );
    for (const leave of ['end', 'resetAndDestroy'] as const) {
      const before = closed();
      const { socket } = await connect(port, `${UPLOAD}5\r\nhello\r\n`);
      socket[leave]();
      await until(() => closed() > before, 'the end of the connection');
    }
    assert.deepEqual([...new Set((await counts(2)).map((told) => told.split(' ')[2]))], ['aborted']);
    assert.deepEqual(connectionErrors(), {});
  });
});

describe('a TLS handshake that fails', () => {
  it('is an error of no request, by its code', async (t) => {
    const { counted, connectionErrors } = watch(t);
    const server = createTlsServer();
    const { port } = await listen(t, server);
    await connect(port, get('/'));
    await until(() => Object.keys(connectionErrors()).length > 0, 'the error');
    assert.deepEqual([connectionErrors(), counted()], [{ ERR_SSL_HTTP_REQUEST: 1 }, []]);
  });

  it('is none that succeeds, behind which a request counts, and what cannot be parsed', async (t) => {
    const { counted, counts, connectionErrors, http } = watch(t);
    // A key that both know is the one kind of TLS that needs no certificate.
    const psk = Buffer.alloc(32, 'key');
    const shared = { ciphers: 'PSK', maxVersion: 'TLSv1.2', checkServerIdentity: () => undefined } as const;
    const server = createTlsServer({ ...shared, pskCallback: () => psk }, (_request, response) => response.end());
    const { port, closed } = await listen(t, server);
    const connects = async () => {
      const before = closed();
      const client = connectTls({ ...shared, port, host: '127.0.0.1', pskCallback: () => ({ psk, identity: 'i' }) });
      await once(
        client.on('error', () => {}),
        'secureConnect',
      );
      return {
        client,
        async fails() {
          client.write(NO_REQUEST);
          await until(() => closed() > before, 'the end of the connection');
        },
      };
    };
    await (await connects()).fails();
    assert.deepEqual([counted(), connectionErrors()], [[], { HPE_INVALID_METHOD: 1 }]);
    for (const watches of [true, false]) {
      if (!watches) http.stop();
      const { client, fails } = await connects();
      client.write(get('/'));
      await once(client, 'data');
      await fails();
      assert.deepEqual([await counts(1), connectionErrors()], [['/ 200 ok'], { HPE_INVALID_METHOD: 2 }]);
    }
  });

  it('of a second connection is counted once more, whoever listens', async (t) => {
    const { connectionErrors } = watch(t);
    const server = createTlsServer().on('tlsClientError', () => {});
    const { port } = await listen(t, server);
    for (let n = 1; n <= 2; n += 1) {
      await connect(port, get('/'));
      await until(() => connectionErrors()['ERR_SSL_HTTP_REQUEST'] === n, `error ${n}`);
    }
  });
});

describe('a server', () => {
  it('gets no clientError listener from us unless the app has one, so that Node goes on to answer', async (t) => {
    const { connectionErrors } = watch(t);
    const server = createServer((_request, response) => response.end());
    const { port } = await listen(t, server);
    const { received } = await connect(port, get('/'));
    await until(() => received.text.includes('200 OK'), 'the answer');
    assert.equal(server.listenerCount('clientError'), 0);
    const listener = () => {};
    server.on('clientError', listener);
    assert.equal(server.listenerCount('clientError'), 2);
    server.off('clientError', listener);
    assert.equal(server.listenerCount('clientError'), 0);
    assert.deepEqual(connectionErrors(), {});
  });

  it('that is none of HTTP is left alone', async (t) => {
    const { connectionErrors } = watch(t);
    const server = createPlainServer((socket) => socket.end()).listen(0, '127.0.0.1');
    atEnd(t, () => server.close());
    await once(server, 'listening');
    const before = server.eventNames();
    const { socket } = await connect((server.address() as AddressInfo).port, NO_REQUEST);
    await once(socket, 'close');
    assert.deepEqual([server.eventNames(), connectionErrors()], [before, {}]);
  });

  it('of our own has no errors that count', async (t) => {
    const own = createServer();
    const { connectionErrors } = watch(t, { ignored: () => own });
    const { port, closed } = await listen(t, own);
    await connect(port, NO_REQUEST);
    await until(() => closed() === 1, 'the end of the connection');
    assert.deepEqual(connectionErrors(), {});
  });

  it('has none after the end of watching', async (t) => {
    const { http, connectionErrors } = watch(t);
    const server = createServer((_request, response) => response.end());
    server.on('clientError', (_error, socket) => socket.destroy());
    const tls = createTlsServer();
    const [plain, secure] = [await listen(t, server), await listen(t, tls)];
    for (const { port, closed } of [plain, secure]) {
      await connect(port, NO_REQUEST);
      await until(() => closed() === 1, 'the end of the connection');
    }
    const before = connectionErrors();
    assert.equal(Object.keys(before).length, 2);
    http.stop();
    for (const { port, closed } of [plain, secure]) {
      await connect(port, NO_REQUEST);
      await until(() => closed() === 2, 'the end of the connection');
    }
    assert.deepEqual(connectionErrors(), before);
  });
});
