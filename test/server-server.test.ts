/** Holds src/server/server.ts over real HTTP: what is answered to whom, and that a failed scrape is never a 200. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { GunicornOtelError } from '../src/errors.ts';
import { setLogLevel } from '../src/report.ts';
import { HEALTH, LONG, serve } from './served-endpoint.ts';

setLogLevel('none');

describe('the endpoint', () => {
  it('answers /metrics with the text of a scrape and the type of the text format', async (t) => {
    const { get } = await serve(t, { scrape: async () => 'jobs_total 1\n' });
    const answer = await get('/metrics');
    assert.equal(answer.status, 200);
    assert.equal(answer.text, 'jobs_total 1\n');
    assert.equal(answer.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
    assert.equal(answer.headers['content-length'], '13');
    assert.equal(answer.headers['cache-control'], 'no-store');
    assert.equal(answer.headers['x-content-type-options'], 'nosniff');
  });

  it('ignores the query string', async (t) => {
    const { get } = await serve(t);
    for (const query of ['?', '?name[]=x', '?a=/healthz', '?a?b']) {
      assert.equal((await get(`/metrics${query}`)).text, LONG);
    }
  });

  it('answers /healthz with the health as JSON', async (t) => {
    const { get } = await serve(t);
    const answer = await get('/healthz');
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['content-type'], 'application/json');
    assert.deepEqual(JSON.parse(answer.text), HEALTH);
  });

  it('counts lengths in bytes, not characters', async (t) => {
    const { get } = await serve(t, { scrape: async () => 'größe{ort="☃"} 1\n' });
    assert.equal((await get('/metrics')).text, 'größe{ort="☃"} 1\n');
  });

  it('answers each of two scrapes with its own text, though both lie in the same memory', async (t) => {
    const memory = Buffer.alloc(4e6);
    let scrapes = 0;
    const { get, port } = await serve(t, {
      scrape: async () => {
        scrapes += 1;
        return memory.fill(String(scrapes));
      },
    });
    // One that takes nothing of its answer until the other has been there.
    const slow = httpRequest({ host: '127.0.0.1', agent: false, port, path: '/metrics' }).end();
    const [first] = (await once(slow, 'response')) as [IncomingMessage];
    for (const accepted of ['gzip', 'identity']) {
      const { bytes, headers } = await get('/metrics', { 'accept-encoding': accepted });
      const text = String(headers['content-encoding'] ? gunzipSync(bytes) : bytes);
      assert.ok(text === String(scrapes).repeat(memory.length), accepted);
    }
    assert.equal(scrapes, 3);
    assert.ok(Buffer.concat(await first.toArray()).equals(Buffer.alloc(memory.length, '1')));
  });

  it('has 404 for every other path, those that objects have included', async (t) => {
    const { get } = await serve(t);
    for (const path of [
      '/',
      '/metrics/',
      '/Metrics',
      '/favicon.ico',
      '/constructor',
      '/__proto__',
      '/toString',
      '//metrics',
    ]) {
      const answer = await get(path);
      assert.equal(answer.status, 404, path);
      assert.match(answer.text, /\/metrics and \/healthz/);
    }
  });

  it('has 405 and the methods that are allowed for every other method', async (t) => {
    let scrapes = 0;
    const { send } = await serve(t, {
      scrape: async () => {
        scrapes += 1;
        return '';
      },
    });
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE']) {
      for (const path of ['/metrics', '/healthz']) {
        const answer = await send(method, path);
        assert.equal(answer.status, 405, method);
        assert.equal(answer.headers['allow'], 'GET, HEAD');
      }
    }
    assert.equal(scrapes, 0);
  });

  it('answers HEAD as GET, without the body', async (t) => {
    const { send, get } = await serve(t);
    for (const path of ['/metrics', '/healthz', '/nowhere']) {
      const [head, whole] = [await send('HEAD', path), await get(path)];
      assert.equal(head.text, '');
      assert.equal(head.status, whole.status);
      for (const name of ['content-type', 'content-length', 'vary']) {
        assert.equal(head.headers[name], whole.headers[name], `${name} of ${path}`);
      }
    }
  });
});

describe('compression', () => {
  for (const accepted of [
    'gzip',
    'GZIP',
    'gzip;q=1.0',
    'deflate, gzip;q=0.5',
    '*',
    'br;q=1, *;q=0.1',
    ' gzip ; q=0.001',
  ]) {
    it(`is gzip for ${JSON.stringify(accepted)}`, async (t) => {
      const answer = await (await serve(t)).get('/metrics', { 'accept-encoding': accepted });
      assert.equal(answer.headers['content-encoding'], 'gzip');
      assert.equal(gunzipSync(answer.bytes).toString(), LONG);
      assert.equal(Number(answer.headers['content-length']), answer.bytes.length);
      assert.ok(answer.bytes.length < LONG.length);
    });
  }

  for (const refused of [
    '',
    'identity',
    'br, deflate',
    'gzip;q=0',
    'gzip;q=0.000',
    '*;q=0',
    'gzip;q=0, *',
    'gzip;q=x',
    'xgzip',
  ]) {
    it(`is none for ${JSON.stringify(refused)}`, async (t) => {
      const answer = await (await serve(t)).get('/metrics', { 'accept-encoding': refused });
      assert.equal(answer.headers['content-encoding'], undefined);
      assert.equal(answer.text, LONG);
    });
  }

  it('is none for who does not ask, and for what would not become smaller', async (t) => {
    const { get } = await serve(t);
    assert.equal((await get('/metrics')).headers['content-encoding'], undefined);
    assert.equal((await get('/healthz', { 'accept-encoding': 'gzip' })).headers['content-encoding'], undefined);
    assert.equal((await get('/metrics')).headers['vary'], 'Accept, Accept-Encoding');
    assert.equal((await get('/healthz')).headers['vary'], 'Accept-Encoding');
  });
});

describe('a scrape that fails', () => {
  it('is a 500 with the reason, and its cause', async (t) => {
    const cause = new Error('no\n  disk');
    const { get } = await serve(t, {
      scrape: () => Promise.reject(new GunicornOtelError('GUNICORN_OTEL_ERR_SCRAPE', 'not collected', { cause })),
    });
    const answer = await get('/metrics');
    assert.equal(answer.status, 500);
    assert.equal(answer.text, 'not collected: no disk\n');
    assert.match(answer.headers['content-type']!, /^text\/plain/);
  });

  it('because it takes too long is a 503', async (t) => {
    const { get } = await serve(t, {
      scrape: () => Promise.reject(new GunicornOtelError('GUNICORN_OTEL_ERR_SCRAPE_TIMEOUT', 'too late')),
    });
    const answer = await get('/metrics');
    assert.deepEqual([answer.status, answer.text], [503, 'too late\n']);
  });

  it('in any other way is a 500 too', async (t) => {
    const { get } = await serve(t, {
      scrape: () => {
        throw new TypeError('a bug');
      },
      health: () => {
        throw 'no error at all';
      },
    });
    assert.deepEqual([(await get('/metrics')).status, (await get('/healthz')).status], [500, 500]);
  });

  it('does not keep the next one from working', async (t) => {
    let fails = true;
    const { get } = await serve(t, {
      scrape: async () => {
        if (fails) throw new Error('once');
        return 'fine\n';
      },
    });
    assert.equal((await get('/metrics')).status, 500);
    fails = false;
    assert.deepEqual(await get('/metrics').then(({ status, text }) => [status, text]), [200, 'fine\n']);
  });
});

describe('a client', () => {
  it('that goes away while it is answered harms nobody', async (t) => {
    let answer = (_text: string) => {};
    let asked = () => {};
    const scraped = new Promise<void>((resolve) => {
      asked = resolve;
    });
    const { get, port } = await serve(t, {
      scrape: () =>
        new Promise((resolve) => {
          answer = resolve;
          asked();
        }),
    });
    const socket = connect(port, '127.0.0.1', () => socket.write('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n'));
    await scraped;
    socket.destroy();
    await once(socket, 'close');
    answer('x'.repeat(1e6));
    assert.equal((await get('/healthz')).status, 200);
  });

  it('that sends no HTTP is told so, and the others are served', async (t) => {
    const { get, port } = await serve(t);
    const socket = connect(port, '127.0.0.1', () => socket.write('hello?\r\n\r\n'));
    const [bytes] = await once(socket, 'data');
    assert.match(String(bytes), /^HTTP\/1\.1 400 /);
    socket.destroy();
    assert.equal((await get('/healthz')).status, 200);
  });
});
