/** Holds src/top/look.ts and top-target.ts: which endpoint is asked, by whose right, and what is said when it cannot be had. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { look } from '../src/top/look.ts';
import { foundTarget, namedTarget } from '../src/top-target.ts';
import { makeCertificate, NO_OPENSSL } from './certificates.ts';
import { runCli } from './cli.ts';
import { atEnd, freePort, freshDirectory, startApp } from './processes.ts';
import { aStatus, startStatusServer } from './status-server.ts';

const statusUrl = (url: string) => new URL(`${url}/status.json`);

async function troubleOf(...args: Parameters<typeof look>): Promise<string> {
  const seen = await look(...args);
  return 'trouble' in seen ? seen.trouble : assert.fail('no trouble');
}

describe('an address', () => {
  it('is that of the page, of the scrapes or of the document', () => {
    const document = 'http://localhost:9090/status.json';
    for (const path of ['', '/', '/metrics', '/status.json', '/healthz', '/?x=1#y']) {
      const target = namedTarget(`http://localhost:9090${path}`);
      assert.equal('url' in target && target.url.href, document, path);
    }
  });

  it('may be below another path, behind a proxy', () => {
    for (const path of ['/shop', '/shop/', '/shop/metrics', '/shop/status.json']) {
      const target = namedTarget(`https://proxy${path}`);
      assert.equal('url' in target && target.url.href, 'https://proxy/shop/status.json', path);
    }
  });

  it('is http or https, and has no password in it', () => {
    for (const other of ['localhost:9090', 'ftp://x', 'http://', '', 'file:///etc/passwd', 'http://me:s3cret@x']) {
      const target = namedTarget(other);
      assert.ok('problem' in target && target.misused, other);
      assert.doesNotMatch(target.problem, /s3cret/);
    }
  });
});

describe('without an address', () => {
  it('the one group that lives here is looked at, wherever its endpoint is', async (t) => {
    const app = await startApp(t, 'counts-its-answers.mjs');
    const url = await app.metricsUrl();
    const target = foundTarget(
      { PROMETHEUS_MULTIPROC_DIR: app.directory, PROMETHEUS_METRICS_PORT: '1' },
      freshDirectory(t),
    );
    assert.equal('url' in target && target.url.href, url.replace('/metrics', '/status.json'));
  });

  it('of several they are told, and none is taken, unless GUNICORN_OTEL_GROUP names one', async (t) => {
    const directory = freshDirectory(t);
    const urls: string[] = [];
    for (const group of ['shop', 'bank']) {
      const app = await startApp(t, 'counts-its-answers.mjs', { directory, env: { GUNICORN_OTEL_GROUP: group } });
      urls.push(new URL(await app.metricsUrl()).origin);
    }
    const { code, stdout, stderr } = await runCli(t, ['top'], { PROMETHEUS_MULTIPROC_DIR: directory });
    assert.deepEqual([code, stdout], [2, '']);
    assert.match(stderr, /2 groups live in/);
    for (const url of urls) assert.ok(stderr.includes(`  ${url}  `), stderr);
    const env = { PROMETHEUS_MULTIPROC_DIR: directory, GUNICORN_OTEL_GROUP: 'bank' };
    const target = foundTarget(env, freshDirectory(t));
    assert.equal('url' in target && target.url.origin, urls[1]);
  });

  it('and without a group it is that of the settings', (t) => {
    const cwd = freshDirectory(t);
    const env = { PROMETHEUS_MULTIPROC_DIR: join(cwd, 'none') };
    const hrefOf = (more: object) => {
      const target = foundTarget({ ...env, ...more }, cwd);
      return 'url' in target ? target.url.href : target.problem;
    };
    assert.equal(hrefOf({}), 'http://127.0.0.1:9090/status.json');
    const tls = { PROMETHEUS_SSL_CERTFILE: 'c', PROMETHEUS_SSL_KEYFILE: 'k', PROMETHEUS_METRICS_PORT: '9443' };
    assert.equal(hrefOf(tls), 'https://127.0.0.1:9443/status.json');
    assert.match(
      hrefOf({ PROMETHEUS_METRICS_PORT: '0' }),
      /no group with an endpoint lives in .*none, which is not there, and PROMETHEUS_METRICS_PORT is 0: name the address/,
    );
    writeFileSync(join(cwd, 'none'), '');
    assert.match(hrefOf({ GUNICORN_OTEL_GROUP: 'x' }), /no group x with an endpoint .*none, which is no directory$/);
  });
});

describe('who asks', () => {
  it('says so by user and password, from a file or the environment, or by a token', async (t) => {
    const directory = freshDirectory(t);
    const file = (name: string, text: string) => {
      writeFileSync(join(directory, name), text);
      return join(directory, name);
    };
    const passwordFile = file('password', 'pässword:1\n');
    const bearerFile = file('token', 'abc.def\n');
    const basic = `Basic ${Buffer.from('me:pässword:1').toString('base64')}`;
    const server = await startStatusServer(t, { authorization: basic });
    const url = statusUrl(server.url);
    assert.match(await troubleOf(url, {}), /answers 401: no name, password or token that it takes: --user/);
    assert.ok('status' in (await look(url, { user: 'me', passwordFile })));
    assert.ok('status' in (await look(url, { user: 'me', password: 'pässword:1' })));
    assert.match(await troubleOf(url, { user: 'me', password: 'other' }), /401/);
    const byToken = await startStatusServer(t, { authorization: 'Bearer abc.def' });
    assert.ok('status' in (await look(statusUrl(byToken.url), { bearerFile })));
    // Another token in the same file: that of the next look.
    writeFileSync(bearerFile, 'old');
    assert.match(await troubleOf(statusUrl(byToken.url), { bearerFile }), /401/);
    assert.match(await troubleOf(url, { bearerFile: join(directory, 'none') }), /ENOENT/);
    const lines = file('lines', 's3cret\ntwo');
    assert.match(await troubleOf(url, { bearerFile: lines }), /characters that no header can have/);
    assert.doesNotMatch(await troubleOf(url, { bearerFile: lines }), /s3cret/);
  });

  it('says nothing to whom he was not sent: a redirect is not followed', async (t) => {
    const elsewhere = await startStatusServer(t);
    const server = http.createServer((_req, res) =>
      res.writeHead(302, { location: `${elsewhere.url}/status.json` }).end(),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    atEnd(t, () => server.close());
    const url = statusUrl(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    assert.match(await troubleOf(url, { user: 'me', password: 's3cret' }), /answers 302$/);
    assert.deepEqual(elsewhere.asked, []);
  });

  it('of the command reaches the endpoint, and nothing of it is shown', async (t) => {
    const basic = `Basic ${Buffer.from('me:s3cret').toString('base64')}`;
    const server = await startStatusServer(t, { authorization: basic });
    const args = ['top', server.url, '--user', 'me'];
    const good = await runCli(t, args, { GUNICORN_OTEL_PASSWORD: 's3cret' });
    assert.equal(good.code, 0, good.stderr);
    assert.deepEqual(server.asked, Array(2).fill({ path: '/status.json', authorization: basic }));
    const bad = await runCli(t, args, { GUNICORN_OTEL_PASSWORD: 'wr0ng' });
    assert.deepEqual([bad.code, bad.stdout], [1, '']);
    assert.match(bad.stderr, /^gunicorn-otel: http:\S+ answers 401: [^\n]+\n$/);
    assert.doesNotMatch(good.stdout + bad.stderr, /s3cret|wr0ng|bWU6/);
  });
});

describe('an https endpoint', { skip: NO_OPENSSL ?? false }, () => {
  it('is trusted by who signed it, and not otherwise', async (t) => {
    const directory = freshDirectory(t);
    const authority = makeCertificate(directory, 'authority');
    const { cert, key } = makeCertificate(directory, 'endpoint', authority);
    const server = await startStatusServer(t, { tls: { cert, key } });
    assert.ok('status' in (await look(statusUrl(server.url), { ca: authority.certFile })));
    assert.match(await troubleOf(statusUrl(server.url), {}), /certificate.*--ca \(\w+\)$/);
    const other = makeCertificate(directory, 'other');
    assert.match(await troubleOf(statusUrl(server.url), { ca: other.certFile }), /certificate/);
    assert.deepEqual(server.asked.length, 1);
    assert.match(await troubleOf(statusUrl(server.url), { ca: join(directory, 'none') }), /ENOENT/);
    assert.match(await troubleOf(statusUrl(server.url.replace('https', 'http')), {}), /https for http/);
  });

  it('that asks for a certificate is shown one', async (t) => {
    const directory = freshDirectory(t);
    const authority = makeCertificate(directory, 'authority');
    const endpoint = makeCertificate(directory, 'endpoint', authority);
    const client = makeCertificate(directory, 'client', authority);
    const tls = { ...endpoint, ca: authority.cert, requestCert: true, rejectUnauthorized: true };
    const server = await startStatusServer(t, {
      tls: { cert: tls.cert, key: tls.key, ca: tls.ca, requestCert: true, rejectUnauthorized: true },
    });
    const ca = authority.certFile;
    assert.ok('status' in (await look(statusUrl(server.url), { ca, cert: client.certFile, key: client.keyFile })));
    assert.match(await troubleOf(statusUrl(server.url), { ca }), /--cert/);
  });
});

describe('what goes wrong', () => {
  it('is one line that says what it is', async (t) => {
    const nobody = new URL(`http://127.0.0.1:${await freePort()}/status.json`);
    assert.match(await troubleOf(nobody, {}), /^http:\S+\/status\.json: nobody listens there \(ECONNREFUSED\)$/);
    const answers: [unknown, RegExp][] = [
      ['<html>', /what it answers is no JSON$/],
      [{}, /is no status document of gunicorn-otel$/],
      [{ ...aStatus(), version: 2 }, /of version 2/],
      ['x'.repeat(17 * 1024 * 1024), /answers more than \d+ bytes$/],
    ];
    for (const [answer, why] of answers) {
      const server = await startStatusServer(t, { answer: () => answer });
      assert.match(await troubleOf(statusUrl(server.url), {}), why);
    }
    const server = await startStatusServer(t);
    assert.match(await troubleOf(new URL(`${server.url}/other`), {}), /answers 404: it is none of gunicorn-otel/);
  });

  it('is told of an endpoint that begins an answer and hangs, or goes away', async (t) => {
    const server = http.createServer((req, res) => {
      res.writeHead(200, { 'content-length': 100 }).write('{');
      if (req.url === '/goes/status.json') setImmediate(() => res.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    atEnd(t, () => {
      server.close();
      server.closeAllConnections();
    });
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    assert.match(await troubleOf(statusUrl(url), {}, 200), /no answer within 0\.2 s$/);
    assert.match(await troubleOf(statusUrl(`${url}/goes`), {}), /ended the connection|aborted/);
  });

  it('has no escape sequence of the endpoint in it', async (t) => {
    const server = await startStatusServer(t, { answer: () => '\u001b[31m{' });
    assert.doesNotMatch(await troubleOf(statusUrl(server.url), {}), /\p{Cc}/u);
  });
});
