/** Holds src/security/credentials.ts and what it is made of: the right ones are answered, all others are not, and none can flood it. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { Agent, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import { setLogLevel } from '../src/report.ts';
import { readAuthorization } from '../src/security/authorization.ts';
import { Gate } from '../src/security/credentials.ts';
import { PasswordChecks } from '../src/security/password-checks.ts';
import { RateLimit } from '../src/security/rate-limit.ts';
import { createMetricsServer } from '../src/server/server.ts';
import { atEnd, freshDirectory, until } from './processes.ts';
import { request } from './requests.ts';
import { BODY, basic, hashOf, openSecured } from './secured-endpoint.ts';

setLogLevel('none');

const TOKEN = 'a-token_of.an~agent+42/==';
const SHA256 = `sha256:${createHash('sha256').update(TOKEN).digest('hex')}`;
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

describe('credentials', async () => {
  const { url } = await openSecured({ after }, freshDirectory({ after }), {
    basic_auth_users: {
      alice: hashOf('wonderland', 10),
      bob: hashOf('größe: ☃', 12, '$2b$'),
      eve: hashOf('', 4, '$2a$'),
    },
    bearer_tokens: { agent: SHA256, slow: hashOf('another') },
  });
  const ask = async (headers: Record<string, string>) => (await request(url, { headers })).status;

  it('that are right are answered: of bcrypt by any of its names, at cost 4, 10 and 12, and tokens of both kinds', async () => {
    for (const headers of [
      basic('alice', 'wonderland'),
      basic('bob', 'größe: ☃'),
      basic('eve', ''),
      bearer(TOKEN),
      bearer('another'),
    ]) {
      // Compared, and then known.
      for (const _ of [1, 2]) {
        const { status, body } = await request(url, { headers });
        assert.deepEqual([status, body], [200, BODY]);
      }
    }
    assert.equal(
      await ask({ authorization: basic('alice', 'wonderland').authorization.replace('Basic', 'bAsIc  ') }),
      200,
    );
  });

  it('that are missing are asked for, by both schemes, whatever the path and the method', async () => {
    for (const path of ['/metrics', '/healthz', '/', '/nowhere']) {
      for (const method of ['GET', 'HEAD', 'POST']) {
        const { status, headers, body } = await request(new URL(path, url).href, { method });
        assert.equal(status, 401);
        assert.equal(
          headers['www-authenticate'],
          'Basic realm="gunicorn-otel metrics", charset="UTF-8", Bearer realm="gunicorn-otel metrics"',
        );
        assert.doesNotMatch(body, /answered/);
      }
    }
  });

  it("that are wrong are refused, a user that nobody knows and another's password included", async () => {
    for (const headers of [
      basic('alice', 'wonderland '),
      basic('alice', 'Wonderland'),
      basic('alice', ''),
      basic('ALICE', 'wonderland'),
      basic('bob', 'wonderland'),
      basic('nobody', 'wonderland'),
      basic('', ''),
      basic('constructor', 'x'),
      basic('__proto__', ''),
      bearer(`${TOKEN}x`),
      bearer(SHA256.slice('sha256:'.length)),
      bearer('wonderland'),
      basic('agent', TOKEN),
      { authorization: `Token ${TOKEN}` },
    ]) {
      assert.deepEqual([await ask(headers), await ask(headers)], [401, 401], JSON.stringify(headers));
    }
  });

  it('in any other header are none: 401, and nothing breaks', async () => {
    const right = [basic('eve', ''), bearer(TOKEN)].map(({ authorization }) => authorization);
    const agent = new Agent({ keepAlive: true, maxSockets: 4 });
    const header = fc.oneof(
      fc.string({ unit: fc.integer({ min: 0x20, max: 0xff }).map((code) => String.fromCharCode(code)), maxLength: 60 }),
      fc.string({ maxLength: 40 }).map((text) => `Basic ${Buffer.from(text).toString('base64')}`),
      fc.uint8Array({ maxLength: 40 }).map((bytes) => `Basic ${Buffer.from(bytes).toString('base64')}`),
      fc.base64String({ maxLength: 40 }).map((text) => `Bearer ${text}`),
      // The right ones with something changed.
      fc
        .tuple(fc.constantFrom(...right), fc.nat(60), fc.constantFrom('', ' ', 'A', '=', ':', ',', '\t'))
        .map(([text, at, change]) => text.slice(0, at) + change + text.slice(at + 1)),
    );
    await fc.assert(
      fc.asyncProperty(
        header.filter((text) => /^[\t\x20-\x7e\x80-\xff]*$/.test(text)),
        async (authorization) => {
          const { status, body } = await request(url, { agent, headers: { authorization } });
          // A header that says the same in other words: spaces around it, more between its two parts, letters of the scheme.
          const said = authorization
            .trim()
            .replace(/^basic +/i, 'Basic ')
            .replace(/^bearer +/i, 'Bearer ');
          const isRight = right.includes(said);
          assert.equal(status, isRight ? 200 : 401);
          assert.equal(body === BODY, isRight);
        },
      ),
      { numRuns: 300 },
    );
    agent.destroy();
  });
});

describe('an Authorization header', () => {
  it('is read whole or not at all', () => {
    const encoded = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;
    assert.deepEqual(readAuthorization(encoded('a:b:c')), { scheme: 'basic', user: 'a', password: 'b:c' });
    assert.deepEqual(readAuthorization('Basic Og=='), { scheme: 'basic', user: '', password: '' });
    for (const header of [
      undefined,
      '',
      'Basic',
      'Basic ',
      'Basic Og',
      'Basic O g==',
      'Basic Og===',
      'Basic Oh==',
      encoded('no colon'),
      `Basic ${Buffer.from([0xff, 0x3a, 0x61]).toString('base64')}`,
      'Bearer',
      'Bearer a b',
      'Bearer ä',
      'Digest a=b',
    ]) {
      assert.equal(readAuthorization(header), undefined, header);
    }
  });

  it('with NUL in it is none: bcrypt would take it for another password', () => {
    assert.ok(readAuthorization(basic('a', 'one').authorization));
    assert.equal(readAuthorization(basic('a', 'one\0one').authorization), undefined);
  });

  it('is never thrown about', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => void readAuthorization(text)));
  });
});

describe('a flood of wrong passwords', () => {
  it('does not keep the right ones from being answered, nor grow: it is told to come again', async (t) => {
    const { url } = await openSecured(t, freshDirectory(t), { basic_auth_users: { alice: hashOf('wonderland', 10) } });
    const right = { headers: basic('alice', 'wonderland') };
    assert.equal((await request(url, right)).status, 200);
    const refused = new Map<number, number>();
    let tries = 0;
    let isOver = false;
    const flooders = Array.from({ length: 30 }, async () => {
      while (!isOver) {
        tries += 1;
        const { status, headers } = await request(url, { headers: basic('alice', `guess ${tries}`) });
        refused.set(status, (refused.get(status) ?? 0) + 1);
        if (status === 503) assert.equal(headers['retry-after'], '1');
      }
    });
    await until(() => (refused.get(401) ?? 0) > 2, 'guesses are compared');
    for (let i = 0; i < 50; i += 1) assert.equal((await request(url, right)).status, 200);
    isOver = true;
    await Promise.all(flooders);
    t.diagnostic(`${tries} tries: ${JSON.stringify([...refused])}`);
    assert.deepEqual([...refused.keys()].sort(), [401, 503]);
    assert.ok(refused.get(503)! > refused.get(401)!, JSON.stringify([...refused]));
  });

  it('is compared one at a time, with few that wait, and of one address fewer', async (t) => {
    stayAwake(t);
    const checks = new PasswordChecks();
    const asker = (address: string, isGone = false) => ({ address, isGone: () => isGone });
    const hash = hashOf('right');
    const first = Array.from({ length: 10 }, (_, i) => checks.check(`guess ${i}`, [hash], asker('a')));
    const others = Array.from({ length: 30 }, (_, i) => checks.check('right', [hash], asker(`b${i}`)));
    const gone = checks.check('right', [hash], asker('c', true));
    const ofFirst = await Promise.all(first);
    // One is compared, three wait, the others do not.
    assert.deepEqual(ofFirst.filter((match) => match === -1).length, 4);
    assert.deepEqual(ofFirst.filter((match) => match === undefined).length, 6);
    const ofOthers = await Promise.all(others);
    assert.deepEqual(ofOthers.filter((match) => match === 0).length, 13);
    assert.equal(await gone, undefined);
    assert.equal(await checks.check('right', [hashOf('other'), hash], asker('a')), 1);
  });

  it('is compared for who is there still when somebody else who said the same has gone', async (t) => {
    stayAwake(t);
    const gate = new Gate();
    gate.use({ users: new Map([['a', hashOf('b')]]), tokens: new Map() });
    const [, answer] = await Promise.all([true, false].map((gone) => gate.guard(requestWith(basic('a', 'b'), gone))));
    assert.equal(answer, undefined);
  });

  it('of users that nobody knows takes as long as of one who is known: all of it waits for the same comparisons', async (t) => {
    stayAwake(t);
    const gate = new Gate();
    gate.use({ users: new Map([['a', hashOf('b')]]), tokens: new Map() });
    const guesses = Array.from({ length: 10 }, (_, i) => gate.guard(requestWith(basic(`nobody ${i}`, 'b'))));
    const statuses = (await Promise.all(guesses)).map((answer) => answer?.status);
    assert.deepEqual(statuses.sort(), [401, 401, 401, 401, 503, 503, 503, 503, 503, 503]);
  });

  it('of the same wrong password is compared once, for a few who wait for it: the others hold no place meanwhile', async () => {
    const gate = new Gate();
    gate.use({ users: new Map([['a', hashOf('b', 8)]]), tokens: new Map() });
    const answers = await Promise.all(Array.from({ length: 100 }, () => gate.guard(requestWith(basic('a', 'wrong')))));
    const statuses = answers.map((answer) => answer?.status);
    assert.deepEqual(statuses, [...Array(8).fill(401), ...Array(92).fill(503)]);
  });
});

describe('users that change', () => {
  it('are refused at once when they are gone or have another password, and the others go on', async (t) => {
    stayAwake(t);
    const gate = new Gate();
    const ask = async (headers: { authorization: string }) => (await gate.guard(requestWith(headers)))?.status ?? 200;
    const [a, b, c] = [hashOf('a'), hashOf('b'), hashOf('c')];
    gate.use({
      users: new Map([
        ['alice', a],
        ['bob', b],
        ['carol', c],
      ]),
      tokens: new Map([['t', hashOf('t')]]),
    });
    for (const headers of [basic('alice', 'a'), basic('bob', 'b'), basic('carol', 'c'), bearer('t')]) {
      assert.equal(await ask(headers), 200);
    }
    assert.equal(await ask(basic('dora', 'a')), 401);
    gate.use({
      users: new Map([
        ['bob', hashOf('new')],
        ['carol', c],
        ['dora', a],
      ]),
      tokens: new Map(),
    });
    assert.deepEqual(
      [
        await ask(basic('alice', 'a')),
        await ask(basic('bob', 'b')),
        await ask(basic('bob', 'new')),
        await ask(basic('carol', 'c')),
        await ask(basic('dora', 'a')),
        await ask(bearer('t')),
      ],
      [401, 401, 200, 200, 200, 401],
    );
    gate.use({ users: new Map(), tokens: new Map() });
    assert.equal(await ask(basic('alice', 'a')), 200, 'nobody in particular is let in');
  });
});

describe('a limit of the rate', () => {
  it('answers a burst and then 429, credentials or none, and says when to come again', async (t) => {
    const { url } = await openSecured(t, freshDirectory(t), { rate_limit: { interval: '1h', burst: 3 } });
    for (const _ of [1, 2, 3]) assert.equal((await request(url)).status, 200);
    const { status, headers } = await request(url);
    assert.deepEqual([status, headers['retry-after']], [429, '3600']);
  });

  it('lets one more in after each interval', async () => {
    const limit = new RateLimit({ intervalMs: 1, burst: 1 });
    assert.equal(limit.take(), 0);
    await until(() => limit.take() === 0, 'there is one more');
  });
});

it('headers of the configuration come before those that an answer has by itself', async (t) => {
  const server = createMetricsServer({
    scrape: async () => '',
    health: () => ({ status: 'ok', workers: 1, expectedWorkers: 1 }),
    routes: {
      '/x': async () => ({ status: 200, type: 'text/plain', body: '', headers: { 'X-A': 'own', 'X-B': 'own' } }),
    },
    headers: () => ({ 'X-A': 'told' }),
  }).listen(0, '127.0.0.1');
  atEnd(t, () => server.close());
  await once(server, 'listening');
  const { headers } = await request(`http://127.0.0.1:${(server.address() as AddressInfo).port}/x`);
  assert.deepEqual([headers['x-a'], headers['x-b']], ['told', 'own']);
});

it('headers of the configuration are those of every answer', async (t) => {
  const { url } = await openSecured(t, freshDirectory(t), {
    http_server_config: { headers: { 'X-Frame-Options': 'deny', 'Content-Security-Policy': "default-src 'none'" } },
    basic_auth_users: { a: hashOf('b') },
  });
  for (const headers of [{}, basic('a', 'b')]) {
    const answer = await request(url, { headers });
    assert.equal(answer.headers['x-frame-options'], 'deny');
    assert.equal(answer.headers['content-security-policy'], "default-src 'none'");
  }
});

function requestWith(headers: IncomingHttpHeaders, destroyed = false): IncomingMessage {
  return { headers, socket: { remoteAddress: '10.0.0.1', destroyed } } as unknown as IncomingMessage;
}

// Pauses between comparisons keep no process alive; here there may be nothing else that would.
function stayAwake(t: TestContext): void {
  const awake = setInterval(() => {}, 1000);
  atEnd(t, () => clearInterval(awake));
}
