/** PROMETHEUS_SSL_CERTFILE: the certificate of the endpoint. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeCertificate, NO_OPENSSL } from '../certificates.ts';
import { freshDirectory, startApp } from '../processes.ts';
import { request } from '../requests.ts';
import { holdSetting, NO_LINE } from './setting-cases.ts';

holdSetting('sslCertfile', {
  variable: 'PROMETHEUS_SSL_CERTFILE',
  fallback: '',
  valid: [
    ['/etc/tls/tls.pem', '/etc/tls/tls.pem'],
    ['relative.pem', 'relative.pem'],
    ['/with space/ä.pem', '/with space/ä.pem'],
  ],
  invalid: [...NO_LINE],
});

test('with it the endpoint is https and nothing else, and says so', { skip: NO_OPENSSL ?? false }, async (t) => {
  const { cert, certFile, keyFile } = makeCertificate(freshDirectory(t), 'endpoint');
  const env = { PROMETHEUS_SSL_CERTFILE: certFile, PROMETHEUS_SSL_KEYFILE: keyFile };
  const app = await startApp(t, 'counts-its-answers.mjs', { env });
  const url = await app.metricsUrl();
  assert.match(url, /^https:/);
  const [group] = readdirSync(app.directory);
  assert.equal(JSON.parse(readFileSync(join(app.directory, group!, 'exporter.json'), 'utf8')).url, url);
  const answer = await request(url, { ca: cert });
  assert.equal(answer.status, 200);
  assert.match(answer.body, /^gunicorn_worker_requests_total/m);
  await assert.rejects(request(url.replace('https:', 'http:')));
});

test('without its key there is no endpoint, plain or not, and the app runs on', {
  skip: NO_OPENSSL ?? false,
}, async (t) => {
  const { certFile } = makeCertificate(freshDirectory(t), 'endpoint');
  const app = await startApp(t, 'counts-its-answers.mjs', { env: { PROMETHEUS_SSL_CERTFILE: certFile } });
  await app.says(/PROMETHEUS_SSL_CERTFILE is set and PROMETHEUS_SSL_KEYFILE is not: .*the app runs on/, 'stderr');
  assert.equal((await request(`http://127.0.0.1:${app.port}/`)).status, 200);
  const [group] = readdirSync(app.directory);
  assert.ok(!readdirSync(join(app.directory, group!)).includes('exporter.json'));
});
