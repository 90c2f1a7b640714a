/** Holds src/server/deliveries.ts: slow clients are cut, and hold no more memory and no more places than is told. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MAX_DELIVERIES, MAX_HELD_BYTES } from '../src/server/deliveries.ts';
import { until } from './processes.ts';
import { PROTOCOLS, type Raw, serve } from './served-endpoint.ts';

const LARGE = 'x'.repeat(15 * 1024 * 1024);
const SCRAPE = 'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n';

for (const protocol of PROTOCOLS) {
  describe(`over ${protocol}, an answer`, () => {
    it('to HEAD that is not taken is cut off as well, and its place is free again', async (t) => {
      const served = await serve(t, { patience: { stallMs: 2000, wholeMs: 60_000 } }, protocol);
      // As if the kernel took nothing of it.
      served.server.prependListener('request', ({ socket }) => Object.assign(socket, { _write() {}, _writev() {} }));
      const all = await Promise.all(Array.from({ length: MAX_DELIVERIES + 1 }, () => served.open()));
      for (const { socket } of all) socket.write(SCRAPE.replace('GET', 'HEAD'));
      await Promise.all(all.map(({ closed }) => closed()));
      assert.deepEqual(Object.fromEntries(served.refused), { busy: 1, slow: MAX_DELIVERIES + 1 });
    });

    it('that is taken slowly, but taken, is given whole', async (t) => {
      const served = await serve(
        t,
        { scrape: async () => LARGE, patience: { stallMs: 30_000, wholeMs: 60_000 } },
        protocol,
      );
      const { socket, received, closed } = await served.open();
      socket.write(SCRAPE.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'));
      // A piece, then nothing for a while, again and again.
      socket.on('data', () => {
        socket.pause();
        setTimeout(() => socket.resume(), 5);
      });
      await closed();
      assert.equal(received.text.split('\r\n\r\n')[1]?.length, LARGE.length);
      assert.equal(served.refused.get('slow'), undefined);
    });

    it('that is not taken is cut, and its place is free', async (t) => {
      const served = await serve(
        t,
        { scrape: async () => LARGE, patience: { stallMs: 2000, wholeMs: 60_000 } },
        protocol,
      );
      await readsNothing(served.open);
      await until(() => served.refused.get('slow'), 'it is cut');
      await until(async () => (await served.connections()) === 0, 'its connection is closed');
      assert.equal((await served.get('/metrics')).bytes.length, LARGE.length);
    });

    it('that is taken for too long as a whole is cut as well', async (t) => {
      const served = await serve(
        t,
        { scrape: async () => LARGE, patience: { stallMs: 60_000, wholeMs: 300 } },
        protocol,
      );
      await readsNothing(served.open);
      await until(() => served.refused.get('slow'), 'it is cut');
    });
  });
}

describe('answers at once', () => {
  it(`are ${MAX_DELIVERIES}; the next is told to come again, and is answered when there is room`, async (t) => {
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    let isSlow = true;
    const served = await serve(t, {
      scrape: async () => {
        if (isSlow) await released;
        return 'x\n';
      },
    });
    const waiting = await Promise.all(Array.from({ length: MAX_DELIVERIES }, () => served.open(SCRAPE)));
    const refused = await until(async () => {
      const answer = await served.get('/healthz');
      return answer.status === 503 && answer;
    }, 'a refusal');
    assert.equal(refused.headers['retry-after'], '1');
    assert.match(refused.text, /as many are being answered as there may be/);
    assert.ok(served.refused.get('busy')! >= 1);
    assert.equal((await served.get('/nowhere')).status, 404);
    // Who has gone away leaves a place.
    waiting.pop()!.socket.destroy();
    await until(async () => (await served.get('/healthz')).status === 200, 'a place');
    isSlow = false;
    release();
    for (const { received } of waiting) await until(() => received.text.endsWith('x\n'), 'its answer');
    assert.equal((await served.get('/healthz')).status, 200);
  });

  it('are not those of clients that have gone while they were asked who they are', async (t) => {
    let letIn = () => {};
    const asked = new Promise<void>((resolve) => {
      letIn = resolve;
    });
    const served = await serve(t, { guard: () => asked.then(() => undefined) });
    for (let i = 0; i < MAX_DELIVERIES; i += 1) {
      const { socket } = await served.open(SCRAPE);
      await until(() => served.requests() === i + 1, 'it is asked');
      socket.destroy();
    }
    await until(async () => (await served.connections()) === 0, 'all are gone');
    letIn();
    assert.equal((await served.get('/metrics')).status, 200);
    assert.deepEqual(Object.fromEntries(served.refused), {}, 'nobody was refused anything');
  });

  it(`hold ${MAX_HELD_BYTES / 2 ** 20} MiB in clients that do not take them; what is shared counts once`, async (t) => {
    const served = await serve(t, { scrape: async () => LARGE, patience: { stallMs: 60_000, wholeMs: 60_000 } });
    const statuses = async () => {
      const raw = await readsNothing(served.open);
      return raw.received.text.slice(9, 12);
    };
    // Each a scrape of its own.
    const all: string[] = [];
    for (let i = 0; i < 6; i += 1) all.push(await statuses());
    assert.deepEqual(all, ['200', '200', '200', '200', '503', '503']);
    assert.equal(served.refused.get('busy'), 2);
    assert.equal((await served.get('/metrics', { 'accept-encoding': 'gzip' })).status, 200);
  });
});

/** Asks, reads the head, and then nothing more. */
async function readsNothing(open: (text: string) => Promise<Raw>): Promise<Raw> {
  const raw = await open(SCRAPE);
  raw.socket.once('data', () => raw.socket.pause());
  await until(() => raw.received.text !== '', 'the head of the answer');
  return raw;
}
