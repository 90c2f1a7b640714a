/**
 * Whatever is done to the endpoint of a real cluster, over http and over https: scrapes are answered as documented, the app's
 * requests as before, and nothing is left of it afterwards.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { connect as connectPlain, type Socket } from 'node:net';
import { after, before, describe, it, type TestContext } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { makeCertificate } from './certificates.ts';
import { parseExposition, sum } from './exposition.ts';
import { pipeline } from './hostile-client.ts';
import { type Cluster, freshDirectory, startCluster, until } from './processes.ts';
import { COUNT } from './request-count.ts';
import { request } from './requests.ts';
import { PROTOCOLS } from './served-endpoint.ts';

const APP = 'believes-its-clients.mjs';
const HOSTS = 'HTTP/1.1\r\nHost: x\r\n';
const REFUSED = 'gunicorn_exporter_refused_total';
const SCRAPE = `GET /metrics ${HOSTS}\r\n`;
const HALF_OPEN = 1000;
const CONCURRENT = 50;
const ROUTES = 95;
const STATUSES = 20;
const READERS = 12;
/** Of the process that has the endpoint. What it holds for slow readers is gone; what V8 and malloc keep of it is not. */
const MEMORY_BOUND_BYTES = 96 * 2 ** 20;
const NO_PROC = process.platform !== 'linux' && 'SKIP: what a process holds is read from /proc, on Linux';

for (const protocol of PROTOCOLS) {
  describe(`an endpoint over ${protocol}`, () => {
    let cluster: Cluster;
    let url: string;
    let sent = 0;
    let untouched: { descriptors: number; memoryBytes: number };
    const sockets = new Set<Socket>();
    const ends: (() => unknown)[] = [];

    before(async () => {
      const owner = { after: (end: () => unknown) => void ends.push(end) };
      const { certFile, keyFile } = makeCertificate(freshDirectory(owner), 'endpoint');
      const https = { PROMETHEUS_SSL_CERTFILE: certFile, PROMETHEUS_SSL_KEYFILE: keyFile };
      cluster = await startCluster(owner, APP, 2, { env: protocol === 'https' ? https : {} });
      url = await cluster.metricsUrl();
      // A scrape of some megabytes: what is smaller lies in the system's buffers, whoever reads it or not.
      sent = ROUTES * STATUSES;
      await pipeline(cluster.port, sent, (n) => `GET /all/r${n % ROUTES}//${200 + Math.floor(n / ROUTES)} HTTP/1.1`);
      await counted(sent);
      for (let i = 0; i < 10; i += 1) await scrape();
      untouched = { descriptors: descriptors(), memoryBytes: memory() };
    });
    after(async () => {
      for (const socket of sockets) socket.destroy();
      for (const end of ends) await end();
    });

    it('answers a scrape, and the app its clients, while a thousand connections are half open', async (t) => {
      const knocks = ['', `GET /metrics ${HOSTS}`, '\x16\x03\x01\x02\x00\x01\x00'];
      await besides(t, async () => {
        for (let i = 0; i < HALF_OPEN; i += 1) {
          knock(knocks[i % knocks.length]!);
          if (i % 100 === 99) await scrape();
        }
        await scrape();
      });
      letGo();
    });

    it('and while heads come letter by letter, and handshakes not at all', async (t) => {
      const slow = Array.from({ length: 100 }, () => knock('G'));
      await besides(t, async () => {
        for (const letter of 'ET /metrics HTTP/1.1') {
          for (const socket of slow) socket.write(letter);
          await scrape();
        }
      });
      letGo();
    });

    it('answers wrong paths, methods and heads by the book', async () => {
      const cases: [start: string, status: number][] = [
        [`GET //metrics ${HOSTS}`, 404],
        [`GET /metrics/ ${HOSTS}`, 404],
        [`GET /%6detrics ${HOSTS}`, 404],
        [`GET /healthz/../metrics ${HOSTS}`, 404],
        [`GET http://x/healthz ${HOSTS}`, 200],
        [`POST /metrics ${HOSTS}`, 405],
        [`GET /metrics ${HOSTS}x: ${'y'.repeat(9000)}\r\n`, 431],
        [`GET /metrics ${HOSTS}Content-Length: 3\r\n`, 413],
        ['GET /metrics HTTP/1.1\r\n', 400],
        [`CONNECT x:1 ${HOSTS}`, 405],
        ['garbage\r\n', 400],
      ];
      for (const [start, status] of cases) {
        const { socket, received } = await open(`${start}\r\n`);
        await until(() => received.text.includes('\r\n\r\n'), `an answer to ${start.slice(0, 40)}`);
        assert.equal(Number(received.text.split(' ')[1]), status, start.slice(0, 40));
        socket.destroy();
      }
      await scrape();
    });

    it('outlives scrapes that are broken off in the middle', async (t) => {
      await besides(t, async () => {
        for (let i = 0; i < 40; i += 1) {
          const { socket, received } = await open(SCRAPE);
          if (i % 2) await until(() => received.text !== '', 'the beginning of an answer');
          socket.destroy();
        }
      });
      await scrape();
    });

    it('has one collection for fifty scrapes at once', async () => {
      const all = await Promise.all(Array.from({ length: CONCURRENT }, () => open()));
      const before = await read('gunicorn_exporter_scrapes_total');
      // Stopped, it finds all of them when it goes on.
      process.kill(cluster.pid, 'SIGSTOP');
      await until(() => hasStopped(cluster.pid), 'the primary has stopped, with all its threads');
      for (const { socket } of all)
        await new Promise((resolve) => socket.write(SCRAPE.replace('x\r\n', 'x\r\nConnection: close\r\n'), resolve));
      process.kill(cluster.pid, 'SIGCONT');
      const bodies = new Set<string>();
      for (const { socket, received } of all) {
        await until(() => socket.closed, 'the end of an answer', 60_000);
        assert.match(received.text, /^HTTP\/1\.1 200 /);
        bodies.add(received.text.split('\r\n\r\n')[1]!);
      }
      assert.equal(bodies.size, 1);
      assert.equal(await read('gunicorn_exporter_scrapes_total'), before + 2);
    });

    it('answers one of a thousand requests that are sent at once on a connection', async (t) => {
      await besides(t, async () => {
        const { socket, received } = await open(SCRAPE.repeat(1000));
        await until(() => socket.closed, 'the end of the connection');
        assert.ok(received.text.split('HTTP/1.1 200').length <= 2);
      });
      await scrape();
    });

    it('cuts those off who do not take their answers, and answers the others meanwhile', async (t) => {
      const cut = () => read(REFUSED, { reason: 'slow' });
      const before = await cut();
      let given = 0;
      for (let i = 0; i < READERS; i += 1) {
        const { socket, received } = await open(SCRAPE);
        socket.once('data', () => socket.pause());
        await until(() => received.text !== '', 'the beginning of an answer');
        // When as much is held as there may be, the others are told so.
        if (received.text.startsWith('HTTP/1.1 200 ')) given += 1;
        else assert.match(received.text, /^HTTP\/1\.1 503 .*Retry-After: 1\r\n/s);
      }
      assert.ok(given > 0);
      await besides(t, async () => {
        await until(async () => (await cut()) >= before + given, 'they are cut off', 60_000);
      });
      t.diagnostic(`${given} were given an answer of which they took nothing, ${READERS - given} were refused`);
      letGo();
    });

    it('has told whom it has refused', async () => {
      for (const reason of ['evicted', 'slow', 'malformed', 'pipelined']) {
        assert.ok((await read(REFUSED, { reason })) > 0, reason);
      }
    });

    it('has nothing left of it: descriptors, memory and counts are as they should be', { skip: NO_PROC }, async (t) => {
      letGo();
      await until(
        () => descriptors() <= untouched.descriptors,
        () => `${untouched.descriptors} descriptors, not ${descriptors()}`,
      );
      await counted(sent);
      const grownBytes = memory() - untouched.memoryBytes;
      t.diagnostic(
        `${(grownBytes / 2 ** 20).toFixed(1)} MiB more than the ${(untouched.memoryBytes / 2 ** 20).toFixed(0)} MiB before`,
      );
      assert.ok(grownBytes < MEMORY_BOUND_BYTES, `it has grown by ${grownBytes} bytes`);
      assert.equal(cluster.child.exitCode, null);
    });

    // Does it while the app answers one request after another, all of which are counted, and none is late.
    async function besides(t: TestContext, attack: () => Promise<unknown>): Promise<void> {
      const quiet = await latencies(50);
      let isOver = false;
      const attacked = attack().finally(() => {
        isOver = true;
      });
      const during: number[] = [];
      while (!isOver || during.length < 50) during.push(...(await latencies(1)));
      await attacked;
      const tell = (all: number[]) => `median ${at(all, 0.5)} ms, p99 ${at(all, 0.99)} ms of ${all.length}`;
      t.diagnostic(`requests of the app: before ${tell(quiet)}; meanwhile ${tell(during)}`);
      await counted(sent);
    }

    async function latencies(count: number): Promise<number[]> {
      const all: number[] = [];
      while (all.length < count) {
        const startMs = performance.now();
        const { status } = await request(`http://127.0.0.1:${cluster.port}/`);
        assert.equal(status, 200);
        sent += 1;
        all.push(performance.now() - startMs);
      }
      return all;
    }

    // Compressed, as Prometheus asks for it; this process is not to be busy with what it reads.
    async function scrape(): Promise<void> {
      const headers = { 'accept-encoding': 'gzip' };
      const { status } = await request(url, { rejectUnauthorized: false, headers });
      assert.equal(status, 200);
    }

    async function read(name: string, labels?: Record<string, string>): Promise<number> {
      const { status, body } = await request(`${url}?name[]=${name}`, { rejectUnauthorized: false });
      assert.equal(status, 200, body);
      return sum(parseExposition(body), name, labels);
    }

    function counted(count: number): Promise<unknown> {
      let told = 0;
      return until(
        async () => {
          told = await read(COUNT);
          assert.ok(told <= count, `${told} of ${count}`);
          return told === count;
        },
        () => `${count} requests are counted, of which there are ${told}`,
      );
    }

    // As far as HTTP can be said on it.
    async function open(text = ''): Promise<{ socket: Socket; received: { text: string } }> {
      const port = Number(new URL(url).port);
      const options = { port, host: '127.0.0.1', rejectUnauthorized: false };
      const socket = keep(protocol === 'http' ? connectPlain(options) : connectTls(options));
      const received = { text: '' };
      socket.setEncoding('latin1').on('data', (piece: string) => {
        received.text += piece;
      });
      await once(socket, protocol === 'http' ? 'connect' : 'secureConnect');
      if (text !== '') socket.write(text);
      return { socket, received };
    }

    function knock(text: string): Socket {
      const socket = keep(connectPlain(Number(new URL(url).port), '127.0.0.1')).resume();
      if (text !== '') socket.write(Buffer.from(text, 'latin1'));
      return socket;
    }

    function keep(socket: Socket): Socket {
      sockets.add(socket);
      return socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    }

    function letGo(): void {
      for (const socket of sockets) socket.destroy();
    }

    function descriptors(): number {
      return NO_PROC ? 0 : readdirSync(`/proc/${cluster.pid}/fd`).length;
    }

    function memory(): number {
      if (NO_PROC) return 0;
      return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${cluster.pid}/status`, 'utf8'))![1]) * 1024;
    }
  });
}

function at(all: number[], quantile: number): string {
  const sorted = [...all].sort((a, b) => a - b);
  return sorted[Math.floor(quantile * sorted.length)]!.toFixed(1);
}

function hasStopped(pid: number): boolean {
  const threads = readdirSync(`/proc/${pid}/task`);
  return threads.every((thread) => /\) T /.test(readFileSync(`/proc/${pid}/task/${thread}/stat`, 'latin1')));
}
