/** Holds src/server/connections.ts: whoever comes finds a place while others do nothing with theirs. */
import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { MAX_CONNECTIONS } from '../src/server/connections.ts';
import { MAX_DELIVERIES } from '../src/server/deliveries.ts';
import { atEnd, until } from './processes.ts';
import { LONG, PROTOCOLS, type Served, serve } from './served-endpoint.ts';

const MANY = 1000;

for (const protocol of PROTOCOLS) {
  describe(`over ${protocol}, connections`, () => {
    // Silent ones, half of a head, half of a TLS handshake.
    for (const [what, said] of [
      ['that say nothing', ''],
      ['that say the beginning of a head', 'GET /metrics HTTP/1.1\r\nHost'],
      ['that say the beginning of a handshake', '\x16\x03\x01\x02\x00\x01\x00\x01'],
    ] as const) {
      it(`${what} give way, a thousand of them, and each scrape in between is answered`, async (t) => {
        const served = await serve(t, {}, protocol);
        const sockets = knockers(t);
        for (let round = 0; round < 5; round += 1) {
          for (let i = 0; i < MANY / 5; i += 1) sockets.knock(served, said);
          assert.equal((await served.get('/metrics')).text, LONG);
        }
        await until(() => sockets.closed() >= MANY - MAX_CONNECTIONS, 'those too many are closed');
        await until(async () => (await served.connections()) <= MAX_CONNECTIONS, 'no more than there may be');
        assert.ok(served.refused.get('evicted')! > 0 || served.refused.get('malformed')! > 0);
        assert.equal((await served.get('/metrics')).text, LONG);
      });
    }

    it('that are being answered give way to nobody', async (t) => {
      let release = () => {};
      const released = new Promise<void>((resolve) => {
        release = resolve;
      });
      const served = await serve(
        t,
        {
          scrape: async () => {
            await released;
            return 'x\n';
          },
        },
        protocol,
      );
      const waiting = await Promise.all(
        Array.from({ length: 20 }, () => served.open('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n')),
      );
      const sockets = knockers(t);
      for (let i = 0; i < MANY; i += 1) sockets.knock(served, '');
      await until(() => sockets.closed() >= MANY - MAX_CONNECTIONS, 'those too many are closed');
      release();
      for (const { received } of waiting) await until(() => received.text.endsWith('x\n'), 'its answer');
    });

    it('that are refused close behind that, and give way while they do not take it', async (t) => {
      const refusal = { status: 401, type: 'text/plain', body: 'who?\n', refused: 'unauthorized' } as const;
      const guard = async ({ headers }: IncomingMessage) => (headers['x-right'] ? undefined : refusal);
      const served = await serve(t, { guard }, protocol);
      const taken = await served.open('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n');
      await taken.closed();
      assert.match(taken.received.text, /^HTTP\/1\.1 401 /);
      // As if the kernel took nothing of it.
      served.server.prependListener('request', ({ headers, socket }) => {
        if (!headers['x-right']) Object.assign(socket, { _write() {}, _writev() {} });
      });
      for (let i = 0; i < MAX_CONNECTIONS; i += 1) await served.open('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n');
      await until(() => served.refused.get('unauthorized') === MAX_CONNECTIONS + 1, 'all are refused');
      const { socket, received } = await served.open();
      await until(async () => (await served.connections()) <= MAX_CONNECTIONS, 'one has given way');
      socket.write('GET /metrics HTTP/1.1\r\nHost: x\r\nX-Right: 1\r\n\r\n');
      await until(() => received.text.endsWith(LONG), 'the newcomer is answered');
    });

    it('that are told to come again give way as well while they do not take that', async (t) => {
      const served = await serve(t, { scrape: () => new Promise(() => {}) }, protocol);
      for (let i = 0; i < MAX_DELIVERIES; i += 1) await served.open('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n');
      await until(() => served.requests() === MAX_DELIVERIES, 'as many as there may be are being answered');
      served.server.prependListener('request', ({ headers, socket }) => {
        if (!headers['x-takes']) Object.assign(socket, { _write() {}, _writev() {} });
      });
      for (let i = MAX_DELIVERIES; i < MAX_CONNECTIONS; i += 1) {
        await served.open('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n');
      }
      await until(() => served.refused.get('busy') === MAX_CONNECTIONS - MAX_DELIVERIES, 'the others are refused');
      const { socket, received } = await served.open();
      await until(async () => (await served.connections()) <= MAX_CONNECTIONS, 'one has given way');
      socket.write('GET /metrics HTTP/1.1\r\nHost: x\r\nX-Takes: 1\r\n\r\n');
      await until(() => received.text.startsWith('HTTP/1.1 503 '), 'the newcomer is told so');
    });

    it('give way in the order in which they were answered last, or came', async (t) => {
      const served = await serve(t, {}, protocol);
      const kept = await served.open('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
      const sockets = knockers(t);
      for (let round = 0; round < 6; round += 1) {
        for (let i = 0; i < MAX_CONNECTIONS / 2; i += 1) sockets.knock(served, '');
        await until(
          async () => (await served.connections()) >= Math.min(MAX_CONNECTIONS, 1 + sockets.all()),
          'they are there',
        );
        kept.received.text = '';
        kept.socket.write('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n');
        await until(() => kept.received.text.endsWith(LONG), 'an answer on the same connection');
      }
      for (let i = 0; i <= MAX_CONNECTIONS; i += 1) sockets.knock(served, '');
      await kept.closed();
    });
  });
}

it('all of which are being answered leave none for who comes then', async (t) => {
  // By a guard that does not come to an end: what is waited for behind it has a limit of its own.
  const served = await serve(t, { guard: () => new Promise(() => {}) });
  const all = await Promise.all(
    Array.from({ length: MAX_CONNECTIONS }, () => served.open('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n')),
  );
  await until(async () => (await served.connections()) === MAX_CONNECTIONS, 'all are there');
  const late = await served.open();
  await late.closed();
  assert.equal(served.refused.get('connections'), 1);
  assert.ok(all.every(({ socket }) => !socket.closed));
});

/** Connections that are let go of with the test; whatever becomes of them. */
function knockers(t: TestContext): { knock(served: Served, text: string): void; closed(): number; all(): number } {
  const sockets: Socket[] = [];
  let closed = 0;
  atEnd(t, () => sockets.forEach((socket) => void socket.destroy()));
  return {
    knock({ port }, text) {
      const socket = connect(port, '127.0.0.1').resume();
      socket.on('error', () => {});
      socket.on('end', () => socket.destroy());
      socket.on('close', () => {
        closed += 1;
      });
      if (text !== '') socket.write(Buffer.from(text, 'latin1'));
      sockets.push(socket);
    },
    closed: () => closed,
    all: () => sockets.length,
  };
}
