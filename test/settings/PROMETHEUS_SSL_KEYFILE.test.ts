/** PROMETHEUS_SSL_KEYFILE: the private key of the endpoint's certificate. */
import assert from 'node:assert/strict';
import { renameSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { makeCertificate, NO_OPENSSL } from '../certificates.ts';
import { freshDirectory, startApp } from '../processes.ts';
import { request } from '../requests.ts';
import { holdSetting, NO_LINE } from './setting-cases.ts';

holdSetting('sslKeyfile', {
  variable: 'PROMETHEUS_SSL_KEYFILE',
  fallback: '',
  valid: [
    ['/etc/tls/tls.pem', '/etc/tls/tls.pem'],
    ['relative.pem', 'relative.pem'],
    ['/with space/ä.pem', '/with space/ä.pem'],
  ],
  invalid: [...NO_LINE],
});

test('the endpoint opens once the key can be read, and one line told why not', {
  skip: NO_OPENSSL ?? false,
}, async (t) => {
  const { cert, certFile, keyFile } = makeCertificate(freshDirectory(t), 'endpoint');
  renameSync(keyFile, `${keyFile}.later`);
  const env = { PROMETHEUS_SSL_CERTFILE: certFile, PROMETHEUS_SSL_KEYFILE: keyFile };
  const app = await startApp(t, 'counts-its-answers.mjs', { env });
  await app.says(/PROMETHEUS_SSL_KEYFILE=\S+ cannot be read/, 'stderr');
  // Long enough for a second try, of which nothing more is said.
  await delay(1200);
  assert.equal(app.output.stderr.match(/cannot be read/g)?.length, 1);
  writeFileSync(keyFile, 'not yet');
  await app.says(/PROMETHEUS_SSL_KEYFILE=\S+ has no private key/, 'stderr');
  renameSync(`${keyFile}.later`, keyFile);
  assert.equal((await request(await app.metricsUrl(), { ca: cert })).status, 200);
});
