/** Holds src/record/body-bytes.ts with a real server: every byte of a body counts once, however it was written, and no other. */
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { describe, it, type TestContext } from 'node:test';
import { countBodyBytes } from '../src/record/body-bytes.ts';
import { answeredWith, CONNECTION, type Connection, join } from '../src/record/under-way.ts';
import { connect, request } from './requests.ts';
import { listen, watch } from './watched-http.ts';

countBodyBytes();
// Again: what would count twice is put in place once.
countBodyBytes();

describe('the bytes of a response', () => {
  const answers: Record<string, [RequestListener, number]> = {
    'given to end() before the headers went out': [(_request, response) => response.end('größe'), 7],
    'given to end() as bytes': [(_request, response) => response.end(Buffer.alloc(1000)), 1000],
    'given to end() in an encoding': [(_request, response) => response.end('größe', 'latin1'), 5],
    'written in pieces, and in end()': [
      (_request, response) => {
        response.write('one');
        response.write(Buffer.from('two'));
        response.write(new Uint8Array(4));
        response.end('größe');
      },
      3 + 3 + 4 + 7,
    ],
    'written in encodings': [
      (_request, response) => {
        response.write('größe', 'latin1');
        response.write('00ff', 'hex');
        response.end('AAAA', 'base64');
      },
      5 + 2 + 3,
    ],
    'written with callbacks': [
      (_request, response) => {
        response.write('one', () => response.end(() => {}));
      },
      3,
    ],
    'behind headers that were flushed': [
      (_request, response) => {
        response.flushHeaders();
        response.end('three');
      },
      5,
    ],
    'that are none': [(_request, response) => response.end(), 0],
    'written after the end': [
      (_request, response) => {
        response.on('error', () => {});
        response.end('one');
        response.write('and a second one');
        response.end('three');
      },
      3,
    ],
    'of a status without a body': [(_request, response) => response.writeHead(304).end('text'), 0],
  };
  for (const [how, [answer, expected]] of Object.entries(answers)) {
    it(`${how} are ${expected}`, async (t) => {
      const { sent } = await serve(t, answer);
      assert.equal(await sent('GET'), expected);
    });
  }

  it('to a HEAD request are none, whatever the app writes', async (t) => {
    const { sent } = await serve(t, (_request, response) => {
      response.write('one');
      response.end('two');
    });
    assert.equal(await sent('HEAD'), 0);
  });
});

describe('the bytes of a request', () => {
  it('are those of its body, in whatever pieces it comes', async (t) => {
    const { received } = await serve(t, (request, response) =>
      request.resume().on('end', () => response.end('answer')),
    );
    assert.equal(await received([]), 0);
    assert.equal(await received(['größe']), 7);
    assert.equal(await received(['one', Buffer.alloc(100_000), 'three']), 100_008);
  });

  it('count once where the app reads text', async (t) => {
    const { received } = await serve(t, (request, response) => {
      request
        .setEncoding('utf8')
        .resume()
        .on('end', () => response.end());
    });
    assert.equal(await received(['größe', 'ü']), 9);
  });
});

describe('the bytes of requests that wait behind one another on a connection', () => {
  it('are those of each, in whatever order they are answered', async (t) => {
    const { counts, bytes } = watch(t);
    const waiting: (() => void)[] = [];
    const { port } = await listen(
      t,
      createServer((request, response) => {
        request.resume().on('end', () => {
          waiting.unshift(() => {
            response.write(request.url!);
            response.end('.');
          });
          if (waiting.length === 3) for (const answer of waiting) answer();
        });
      }),
    );
    const post = (path: string, body: string) =>
      `POST ${path} HTTP/1.1\r\nHost: own\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    await connect(port, post('/a', 'x') + post('/bc', 'xxxx') + post('/def', ''));
    await counts(3);
    assert.deepEqual(bytes(), [1 + 4, 2 + 1 + (3 + 1) + (4 + 1)]);
  });
});

describe('the methods put in front', () => {
  it('pass on to a patch of the parent class that comes later, and give what it gives', async (t) => {
    const { OutgoingMessage, ServerResponse } = await import('node:http');
    const inherited = OutgoingMessage.prototype.write;
    t.after(() => {
      OutgoingMessage.prototype.write = inherited;
    });
    const calls: unknown[][] = [];
    OutgoingMessage.prototype.write = function write(...args: unknown[]) {
      calls.push(args);
      return 'from the patch' as unknown as boolean;
    };
    const response = Object.create(ServerResponse.prototype) as import('node:http').ServerResponse;
    const callback = () => {};
    assert.equal(response.write('text', 'latin1', callback), 'from the patch');
    assert.deepEqual(calls, [['text', 'latin1', callback]]);
  });

  it('are not listed among the members of the classes', async () => {
    const { IncomingMessage, ServerResponse } = await import('node:http');
    assert.ok(!Object.keys(IncomingMessage.prototype).includes('push'));
    assert.ok(!Object.keys(ServerResponse.prototype).some((name) => name === 'write' || name === 'end'));
  });
});

async function serve(t: TestContext, answer: RequestListener) {
  const { counts, bytes } = watch(t);
  const { url } = await listen(t, createServer(answer));
  let requests = 0;
  const count = async (options: Parameters<typeof request>[1]) => {
    const before = bytes();
    await request(url, options);
    requests += 1;
    await counts(requests);
    return bytes().map((sum, i) => sum - before[i]!);
  };
  return {
    sent: async (method: string) => (await count({ method }))[1],
    received: async (body: (string | Buffer)[]) => (await count({ method: 'POST', body }))[0],
  };
}

describe('thousands of requests that wait on one connection', () => {
  it('are each found without going over the others', () => {
    const connection: Connection = { current: undefined, queued: [] };
    const request = { socket: { [CONNECTION]: connection } } as unknown as IncomingMessage;
    let looks = 0;
    const all = Array.from({ length: 2000 }, (_, startMs) => {
      const response = { req: request } as ServerResponse;
      const underWay = {
        request,
        get response() {
          looks += 1;
          return response;
        },
        method: 'GET',
        target: '/',
        startMs,
        requestBytes: 0,
        writtenBytes: 0,
      };
      join(connection, underWay);
      return { response, underWay };
    });
    for (const { response, underWay } of all) assert.equal(answeredWith(response), underWay);
    assert.ok(looks <= 3 * all.length, `${looks} looks at ${all.length}`);
    assert.equal(answeredWith({ req: request } as ServerResponse), undefined);
  });
});
