/** PROMETHEUS_SSL_CLIENT_CAFILE: who signs the certificates of clients. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeCertificate, NO_OPENSSL } from '../certificates.ts';
import { freshDirectory, startApp } from '../processes.ts';
import { request } from '../requests.ts';
import { holdSetting, NO_LINE } from './setting-cases.ts';

holdSetting('sslClientCafile', {
  variable: 'PROMETHEUS_SSL_CLIENT_CAFILE',
  fallback: '',
  valid: [
    ['/etc/tls/tls.pem', '/etc/tls/tls.pem'],
    ['relative.pem', 'relative.pem'],
    ['/with space/ä.pem', '/with space/ä.pem'],
  ],
  invalid: [...NO_LINE],
});

test('a client is answered that this authority has signed, one of another is not', {
  skip: NO_OPENSSL ?? false,
}, async (t) => {
  const directory = freshDirectory(t);
  const [endpoint, authority, other] = ['endpoint', 'authority', 'other'].map((name) =>
    makeCertificate(directory, name),
  );
  const [client, stranger] = [makeCertificate(directory, 'client', authority), makeCertificate(directory, 'x', other)];
  const app = await startApp(t, 'counts-its-answers.mjs', {
    env: {
      PROMETHEUS_SSL_CERTFILE: endpoint!.certFile,
      PROMETHEUS_SSL_KEYFILE: endpoint!.keyFile,
      PROMETHEUS_SSL_CLIENT_CAFILE: authority!.certFile,
      PROMETHEUS_SSL_CLIENT_AUTH_REQUIRED: 'true',
    },
  });
  const url = await app.metricsUrl();
  const ca = endpoint!.cert;
  assert.equal((await request(url, { ca, cert: client.cert, key: client.key })).status, 200);
  await assert.rejects(request(url, { ca, cert: stranger.cert, key: stranger.key }));
});
