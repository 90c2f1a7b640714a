/** GUNICORN_OTEL_WEB_CONFIG_FILE: who may read the endpoint, in the format of Prometheus' exporters. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { test } from 'node:test';
import { makeCertificate, NO_OPENSSL } from '../certificates.ts';
import { parseExposition, sum } from '../exposition.ts';
import { fixture, freshDirectory, startApp, until } from '../processes.ts';
import { request } from '../requests.ts';
import { basic, hashOf } from '../secured-endpoint.ts';
import { holdSetting, NO_LINE } from './setting-cases.ts';

holdSetting('webConfigFile', {
  variable: 'GUNICORN_OTEL_WEB_CONFIG_FILE',
  fallback: '',
  valid: [
    ['/etc/shop/web.yml', '/etc/shop/web.yml'],
    ['relative.yml', 'relative.yml'],
    ['/with space/ä.yml', '/with space/ä.yml'],
  ],
  invalid: [...NO_LINE],
});

const skip = NO_OPENSSL ?? false;
const right = { headers: basic('prometheus', 's3cret') };

test('with it the endpoint is https for its users, and for nobody else', { skip }, async (t) => {
  const { ca, file, env } = secured(freshDirectory(t));
  const app = await startApp(t, 'counts-its-answers.mjs', { env });
  const url = await app.metricsUrl();
  assert.match(url, /^https:/);
  assert.match((await request(url, { ca, ...right })).body, /^gunicorn_worker_requests_total/m);
  assert.equal((await request(url, { ca })).status, 401);
  assert.equal((await request(url.replace('metrics', 'healthz'), { ca })).status, 401);
  assert.equal((await request(url, { ca, headers: basic('prometheus', 'guess') })).status, 401);
  await assert.rejects(request(url.replace('https:', 'http:'), right));
  const refused = parseExposition((await request(url, { ca, ...right })).body);
  assert.equal(sum(refused, 'gunicorn_exporter_refused_total', { reason: 'unauthorized' }), 3);
  // What changes is told in one line each, and no line has a secret.
  writeFileSync(file, 'basic_auth_users:\n  prometheus: s3cret\n');
  await app.says(
    /web\.yml line 2: basic_auth_users\.prometheus is no bcrypt hash: .*goes on with what it had/,
    'stderr',
  );
  assert.equal((await request(url, { ca, ...right })).status, 200);
  writeFileSync(file, configOf({ someone: hashOf('else') }));
  await app.says(/read anew: \S+web\.yml, \S+pem, \S+key; a certificate until \S+, users: 1 from now on/, 'stderr');
  assert.equal((await request(url, { ca, ...right })).status, 401);
  assert.equal(app.output.stderr.match(/goes on with/g)?.length, 1);
  assert.doesNotMatch(app.output.stderr, /s3cret|guess|\$2|PRIVATE/);
});

test('it may be relative to the working directory, and files in it to its own', { skip }, async (t) => {
  const { ca, file } = secured(freshDirectory(t));
  const env = { GUNICORN_OTEL_WEB_CONFIG_FILE: basename(file) };
  const app = await startApp(t, fixture('counts-its-answers.mjs'), {
    env: { ...env, NODE_OPTIONS: `--import=${new URL('../../lib/register.js', import.meta.url)}` },
    preload: 'none',
    cwd: dirname(file),
  });
  assert.equal((await request(await app.metricsUrl(), { ca, ...right })).status, 200);
});

test('while it is bad there is no endpoint, plain or not; the app runs on, and it opens once it is right', {
  skip,
}, async (t) => {
  const { ca, file, env } = secured(freshDirectory(t));
  writeFileSync(file, 'basic_auth_user:\n  prometheus: s3cret\n');
  const app = await startApp(t, 'counts-its-answers.mjs', { env });
  await app.says(
    /FILE=\S+web\.yml line 1: basic_auth_user is not known; is basic_auth_users meant\?; the app runs on/,
    'stderr',
  );
  assert.equal((await request(`http://127.0.0.1:${app.port}/`)).status, 200);
  assert.doesNotMatch(app.output.stderr, /metrics of process/);
  writeFileSync(file, configOf({ prometheus: hashOf('s3cret') }));
  assert.equal((await request(await app.metricsUrl(), { ca, ...right })).status, 200);
  assert.equal(app.output.stderr.match(/is not known/g)?.length, 1);
});

test('with PROMETHEUS_SSL_* beside it there is no endpoint where both name a certificate, and one line says so', {
  skip,
}, async (t) => {
  const { ca, file, env } = secured(freshDirectory(t));
  const ssl = {
    PROMETHEUS_SSL_CERTFILE: join(dirname(file), 'endpoint.pem'),
    PROMETHEUS_SSL_KEYFILE: join(dirname(file), 'endpoint.key'),
  };
  const app = await startApp(t, 'counts-its-answers.mjs', { env: { ...env, ...ssl } });
  await app.says(/web\.yml has a tls_server_config and PROMETHEUS_SSL_\* is set: one of them; the app/, 'stderr');
  assert.doesNotMatch(app.output.stderr, /metrics of process/);
  // Users and the variables' certificate go together.
  writeFileSync(file, JSON.stringify({ basic_auth_users: { prometheus: hashOf('s3cret') } }));
  const url = await app.metricsUrl();
  assert.deepEqual([(await request(url, { ca, ...right })).status, (await request(url, { ca })).status], [200, 401]);
});

test('the files of PROMETHEUS_SSL_* are followed as well', { skip }, async (t) => {
  const directory = freshDirectory(t);
  const [one, other] = [makeCertificate(directory, 'endpoint'), makeCertificate(directory, 'other')];
  const app = await startApp(t, 'counts-its-answers.mjs', {
    env: { PROMETHEUS_SSL_CERTFILE: one.certFile, PROMETHEUS_SSL_KEYFILE: one.keyFile },
  });
  const url = await app.metricsUrl();
  assert.equal((await request(url, { ca: one.cert })).status, 200);
  writeFileSync(one.certFile, other.cert);
  await app.says(/endpoint\.pem and \S+endpoint\.key are no pair, .*; the endpoint goes on with/, 'stderr');
  assert.equal((await request(url, { ca: one.cert })).status, 200);
  writeFileSync(one.keyFile, other.key);
  await until(async () => (await request(url, { ca: other.cert }).catch(() => undefined))?.status === 200, 'the other');
  await app.says(/read anew: \S+endpoint\.pem, \S+endpoint\.key; a certificate until/, 'stderr');
});

function secured(directory: string): { ca: string; file: string; env: Record<string, string> } {
  const file = join(directory, 'web.yml');
  const { cert } = makeCertificate(directory, 'endpoint');
  writeFileSync(file, configOf({ prometheus: hashOf('s3cret') }));
  return { ca: cert, file, env: { GUNICORN_OTEL_WEB_CONFIG_FILE: file } };
}

function configOf(users: Record<string, string>): string {
  const lines = Object.entries(users).map(([name, hash]) => `  ${name}: ${hash}\n`);
  return `tls_server_config:\n  cert_file: endpoint.pem\n  key_file: endpoint.key\nbasic_auth_users:\n${lines.join('')}`;
}
