/** Holds src/export/endpoint.ts over real TLS: whom certificates let in, and that files which change are followed while it listens. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { Agent, type AgentOptions } from 'node:https';
import { connect as connectPlain, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { connect, type PeerCertificate, type TLSSocket } from 'node:tls';
import { setLogLevel } from '../src/report.ts';
import { type Certificate, makeCertificate, NO_OPENSSL } from './certificates.ts';
import { atEnd, freshDirectory, type Owner, startApp, until } from './processes.ts';
import { request } from './requests.ts';
import { BODY, basic, hashOf, openSecured } from './secured-endpoint.ts';

setLogLevel('none');

const skip = NO_OPENSSL ?? false;
const shared = freshDirectory({ after });
const [server, renewed, authority, otherAuthority] = ['server', 'renewed', 'authority', 'other'].map((name) =>
  makeCertificate(shared, name),
) as [Certificate, Certificate, Certificate, Certificate];
const client = makeCertificate(shared, 'client', authority, 'DNS:prometheus.example,URI:spiffe://shop/a,IP:10.0.0.7');
const stranger = makeCertificate(shared, 'stranger', otherAuthority, 'DNS:prometheus.example');

describe('clients by their certificates', { skip }, () => {
  // Without a certificate, with one of the authority, with another's.
  const POLICIES: Record<string, [boolean, boolean, boolean]> = {
    NoClientCert: [true, true, true],
    RequestClientCert: [true, true, true],
    RequireAnyClientCert: [false, true, true],
    RequireClientCert: [false, true, true],
    VerifyClientCertIfGiven: [true, true, false],
    RequireAndVerifyClientCert: [false, true, false],
  };
  for (const [policy, [none, own, foreign]] of Object.entries(POLICIES)) {
    it(`are let in by ${policy} as in Go`, async (t) => {
      const authorities = policy === 'NoClientCert' ? {} : { client_ca_file: authority.certFile };
      const { url } = await openSecured(t, freshDirectory(t), {
        tls_server_config: { ...pairOf(server), client_auth_type: policy, ...authorities },
      });
      for (const [certificate, isLetIn] of [
        [undefined, none],
        [client, own],
        [stranger, foreign],
      ] as const) {
        const asked = ask(url, certificate);
        if (isLetIn) assert.equal((await asked).body, BODY);
        else await assert.rejects(asked);
      }
    });
  }

  it('may need a name, of any kind, letter by letter', async (t) => {
    const { url, configure } = await openSecured(t, freshDirectory(t), withNames('prometheus.example'));
    const agent = new Agent({ ...optionsOf(client), keepAlive: true });
    atEnd(t, () => agent.destroy());
    assert.equal((await request(url, { agent })).status, 200);
    for (const [name, isLetIn] of [
      ['rometheus.example', false],
      ['spiffe://shop/a', true],
      ['PROMETHEUS.example', false],
      ['10.0.0.7', true],
      ['example', false],
      ['client', false],
    ] as const) {
      configure(withNames('nobody', name));
      const answer = () => ask(url, client).catch(() => undefined);
      await until(async () => ((await answer())?.status === 200) === isLetIn, `${name}: ${isLetIn}`);
      // A connection that is open already is asked, too.
      const open = await request(url, { agent }).catch(() => undefined);
      assert.equal(open?.status === 200, isLetIn, name);
    }
  });

  it('are those of the authority as it is now: not one of before, on a connection or by a session of then', async (t) => {
    const directory = freshDirectory(t);
    const file = join(directory, 'ca.pem');
    copyFileSync(authority.certFile, file);
    const { url } = await openSecured(t, directory, {
      tls_server_config: {
        ...pairOf(server),
        client_auth_type: 'RequireAndVerifyClientCert',
        client_ca_file: file,
        max_version: 'TLS12',
      },
    });
    const agent = new Agent({ ...optionsOf(client), keepAlive: true, maxCachedSessions: 0 });
    atEnd(t, () => agent.destroy());
    assert.equal((await request(url, { agent })).status, 200);
    const { session } = await handshake(url, client);
    assert.equal((await handshake(url, client, session)).isReused, true);
    // One that is there already, and shakes hands much later.
    const { hostname, port } = new URL(url);
    const early = connectPlain(Number(port), hostname);
    atEnd(t, () => early.destroy());
    await once(early, 'connect');
    // It was accepted before this was.
    assert.equal((await request(url, { agent })).status, 200);
    copyFileSync(otherAuthority.certFile, file);
    // The connection of before is kept from being idle for long, which would end it as well.
    const isLetIn = async (asked: Promise<{ status: number }>) => (await asked.catch(() => undefined))?.status === 200;
    const onOpen = () => isLetIn(request(url, { agent }));
    await until(async () => {
      await onOpen();
      return isLetIn(ask(url, stranger));
    }, 'the new authority');
    // Soon: after a thousand requests it would be anyway.
    await until(async () => !(await onOpen()), 'the connection of before is closed, and no other is made', 5000);
    await assert.rejects(ask(url, client));
    await assert.rejects(handshake(url, client, session));
    await assert.rejects(handshake(url, client, undefined, early));
  });
});

describe('while it listens', { skip }, () => {
  it('who has connected before certificates were asked for, and shakes hands long after, is not answered', async (t) => {
    const { url, configure } = await openSecured(t, freshDirectory(t), { tls_server_config: pairOf(server) });
    const { hostname, port } = new URL(url);
    const early = connectPlain(Number(port), hostname);
    atEnd(t, () => early.destroy());
    await once(early, 'connect');
    assert.equal((await ask(url)).status, 200);
    configure(withNames());
    await until(
      () =>
        ask(url).then(
          () => false,
          () => true,
        ),
      'mutual TLS',
    );
    // What is being answered by the server of before is given five seconds.
    const over = performance.now() + 5500;
    await until(() => performance.now() > over, 'it has had them');
    await assert.rejects(handshake(url, undefined, undefined, early));
  });

  it('a renewed certificate is that of new connections, and one that is open stays', async (t) => {
    const directory = freshDirectory(t);
    place(directory, server);
    const { url } = await openSecured(t, directory, { tls_server_config: OWN_PAIR });
    const agent = new Agent({ ca: server.cert, keepAlive: true, maxSockets: 1 });
    atEnd(t, () => agent.destroy());
    const ports = new Set<number | undefined>();
    const onOpen = async () => {
      const [socket] = Object.values(agent.freeSockets).flat() as TLSSocket[];
      if (socket) ports.add(socket.localPort);
      assert.equal((await request(url, { agent })).status, 200);
    };
    await onOpen();
    const { serialNumber: before } = (await handshake(url)).certificate;
    place(directory, renewed);
    const after = await until(async () => {
      await onOpen();
      const { serialNumber } = (await handshake(url)).certificate;
      return serialNumber !== before && serialNumber;
    }, 'another serial number');
    await onOpen();
    assert.equal(ports.size, 1, 'it was one connection all the time');

    // Half of a pair, and a file that is not whole.
    writeFileSync(join(directory, 'tls.key'), server.key);
    await looks(async () => {
      await onOpen();
      assert.equal((await handshake(url)).certificate.serialNumber, after);
    });
    writeFileSync(join(directory, 'tls.crt'), server.cert.slice(0, 300));
    await looks(async () => assert.equal((await handshake(url)).certificate.serialNumber, after));
    writeFileSync(join(directory, 'tls.crt'), server.cert);
    await until(async () => (await handshake(url)).certificate.serialNumber === before, 'what was put right');
    await onOpen();
    assert.equal(ports.size, 1);
  });

  it('a secret that Kubernetes swaps by a link is seen', async (t) => {
    const directory = freshDirectory(t);
    for (const [name, certificate] of [
      ['..one', server],
      ['..two', renewed],
    ] as const) {
      mkdirSync(join(directory, name));
      place(join(directory, name), certificate);
    }
    symlinkSync('..one', join(directory, '..data'));
    symlinkSync('..data/tls.crt', join(directory, 'tls.crt'));
    symlinkSync('..data/tls.key', join(directory, 'tls.key'));
    const { url } = await openSecured(t, directory, { tls_server_config: OWN_PAIR });
    const { serialNumber } = (await handshake(url)).certificate;
    symlinkSync('..two', join(directory, '..new'));
    renameSync(join(directory, '..new'), join(directory, '..data'));
    await until(async () => (await handshake(url)).certificate.serialNumber !== serialNumber, 'the other one');
  });

  it('a user who is taken out is refused though he was known, and one who is put in is answered', async (t) => {
    const { url, configure } = await openSecured(t, freshDirectory(t), { basic_auth_users: { a: hashOf('1') } });
    const statusOf = async (user: string, password: string) =>
      (await request(url, { headers: basic(user, password) })).status;
    assert.deepEqual([await statusOf('a', '1'), await statusOf('b', '2')], [200, 401]);
    configure({ basic_auth_users: { b: hashOf('2') } });
    await until(async () => (await statusOf('b', '2')) === 200, 'the new user');
    assert.equal(await statusOf('a', '1'), 401);
  });

  it('a configuration that is cut short, empty or gone lets nobody in, and what was good goes on', async (t) => {
    const directory = freshDirectory(t);
    const config = { basic_auth_users: { a: hashOf('1') } };
    const { url, file } = await openSecured(t, directory, config);
    for (const text of ['', '{"basic_auth_us', undefined]) {
      if (text === undefined) renameSync(file, `${file}.away`);
      else writeFileSync(file, text);
      await looks(async () => {
        assert.equal((await request(url)).status, 401);
        assert.equal((await request(url, { headers: basic('a', '1') })).status, 200);
      });
    }
  });

  it('plain becomes https, https plain, and who needs a certificate changes, all on the same port', async (t) => {
    const { url, configure } = await openSecured(t, freshDirectory(t), {});
    const secure = url.replace('http:', 'https:');
    assert.equal((await request(url)).body, BODY);
    configure({ tls_server_config: pairOf(server) });
    await until(async () => (await ask(secure).catch(() => undefined))?.status === 200, 'https');
    await assert.rejects(request(url));
    configure(withNames());
    await until(async () => (await ask(secure, client).catch(() => undefined))?.status === 200, 'mutual TLS');
    await until(
      async () =>
        ask(secure).then(
          () => false,
          () => true,
        ),
      'others are refused',
    );
    configure({});
    await until(async () => (await request(url).catch(() => undefined))?.status === 200, 'plain HTTP');
  });
});

describe('what TLS may be', { skip }, () => {
  const configOf = (more: object) => ({ tls_server_config: { ...pairOf(server), ...more } });
  /** What openssl, as a client with these options, has agreed on. */
  const agreed = (url: string, ...options: string[]) => {
    const { stdout } = spawnSync('openssl', ['s_client', '-connect', new URL(url).host, ...options], {
      input: '',
      encoding: 'utf8',
      timeout: 20_000,
    });
    const [, version, cipher] = /^New, (\S+), Cipher is (\S+)$/m.exec(stdout) ?? [];
    return version === '(NONE)' ? undefined : [/Protocol *: (\S+)/.exec(stdout)?.[1] ?? version, cipher];
  };
  // The client is a program of its own, which is waited for: the endpoint has to run in another.
  let url: string;
  let configure: (config: object) => void;
  const ends: (() => unknown)[] = [];
  after(async () => {
    for (const end of ends) await end();
  });
  before(async () => {
    if (skip) return;
    ({ url, configure } = await startSecured({ after: (end) => void ends.push(end) }, configOf({})));
  });

  it('is TLS 1.2 and 1.3 unless told', () => {
    assert.equal(agreed(url, '-tls1_3')?.[0], 'TLSv1.3');
    assert.equal(agreed(url, '-tls1_2')?.[0], 'TLSv1.2');
    assert.equal(agreed(url, '-tls1_1', '-cipher', 'DEFAULT@SECLEVEL=0'), undefined);
  });

  const CASES: [string, object, string[], string[] | undefined, string[]][] = [
    ['a version and no older one', { min_version: 'TLS13' }, ['-tls1_2'], undefined, ['-tls1_3']],
    ['a version and no newer one', { max_version: 'TLS12' }, ['-tls1_3'], undefined, ['-tls1_2']],
    [
      'an old one, where that is asked for',
      { min_version: 'TLS11' },
      ['-tls1_1', '-cipher', 'DEFAULT@SECLEVEL=0'],
      ['TLSv1.1', 'ECDHE-ECDSA-AES128-SHA'],
      ['-tls1_2'],
    ],
    [
      "a cipher by Go's name",
      { cipher_suites: ['TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256'] },
      ['-tls1_2'],
      ['TLSv1.2', 'ECDHE-ECDSA-CHACHA20-POLY1305'],
      ['-tls1_3'],
    ],
    ['a curve', { curve_preferences: ['CurveP521'] }, ['-curves', 'X25519'], undefined, ['-curves', 'P-521']],
  ];
  for (const [what, more, options, expected, works] of CASES) {
    it(`is ${what}`, async () => {
      configure(configOf(more));
      await until(() => {
        const found = agreed(url, ...options);
        return expected ? found?.join() === expected.join() : found === undefined;
      }, `${options} agrees on ${expected}`);
      assert.ok(agreed(url, ...works), `${works} works`);
    });
  }
});

const OWN_PAIR = { cert_file: 'tls.crt', key_file: 'tls.key' };

function pairOf({ certFile, keyFile }: Certificate): object {
  return { cert_file: certFile, key_file: keyFile };
}

function withNames(...names: string[]): object {
  return {
    tls_server_config: {
      ...pairOf(server),
      client_auth_type: 'RequireAndVerifyClientCert',
      client_ca_file: authority.certFile,
      ...(names.length > 0 && { client_allowed_sans: names }),
    },
  };
}

// Key and certificate are two files, which change one after the other.
function place(directory: string, { cert, key }: Certificate): void {
  writeFileSync(join(directory, 'tls.crt'), cert);
  writeFileSync(join(directory, 'tls.key'), key);
}

function optionsOf(certificate?: Certificate): AgentOptions {
  return { ca: [server.cert, renewed.cert], ...(certificate && { cert: certificate.cert, key: certificate.key }) };
}

function ask(url: string, certificate?: Certificate) {
  return request(url, optionsOf(certificate));
}

/** Connects, and is answered: what of the handshake is to be known. */
function handshake(url: string, certificate?: Certificate, session?: Buffer, over?: Socket) {
  const { hostname: host, port } = new URL(url);
  return new Promise<{ certificate: PeerCertificate; session: Buffer; isReused: boolean }>((resolve, reject) => {
    const socket = connect({
      host,
      port: Number(port),
      ...optionsOf(certificate),
      ...(session && { session }),
      ...(over && { socket: over }),
    });
    let newest: Buffer | undefined;
    socket.on('session', (given: Buffer) => {
      newest = given;
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed without an answer')));
    socket.once('data', () => {
      const given = newest ?? socket.getSession()!;
      resolve({ certificate: socket.getPeerCertificate(), session: given, isReused: socket.isSessionReused() });
      socket.destroy();
    });
    socket.write('GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n');
  });
}

/** Does something again and again for as long as three looks of the endpoint at its files take. */
async function looks(act: () => Promise<void>): Promise<void> {
  const end = performance.now() + 3000;
  await until(async () => {
    await act();
    return performance.now() > end;
  }, 'three looks');
}

async function startSecured(owner: Owner, config: object): Promise<{ url: string; configure(config: object): void }> {
  const file = join(freshDirectory(owner), 'web.yml');
  const configure = (next: object) => writeFileSync(file, JSON.stringify(next));
  configure(config);
  const app = await startApp(owner, 'counts-its-answers.mjs', { env: { GUNICORN_OTEL_WEB_CONFIG_FILE: file } });
  return { url: await app.metricsUrl(), configure };
}
