/** PROMETHEUS_SSL_CLIENT_AUTH_REQUIRED: only clients with a certificate are answered. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeCertificate, NO_OPENSSL } from '../certificates.ts';
import { parseExposition, sum } from '../exposition.ts';
import { freshDirectory, startApp } from '../processes.ts';
import { request } from '../requests.ts';
import { FLAGS, holdSetting, NO_FLAG } from './setting-cases.ts';

holdSetting('sslClientAuthRequired', {
  variable: 'PROMETHEUS_SSL_CLIENT_AUTH_REQUIRED',
  fallback: false,
  valid: FLAGS,
  invalid: [...NO_FLAG],
});

for (const required of [true, false]) {
  const what = `a client without a certificate is ${required ? 'not answered' : 'answered when it need not have one'}`;
  test(what, { skip: NO_OPENSSL ?? false }, async (t) => {
    const { cert, key, certFile, keyFile } = makeCertificate(freshDirectory(t), 'endpoint');
    const app = await startApp(t, 'counts-its-answers.mjs', {
      env: {
        PROMETHEUS_SSL_CERTFILE: certFile,
        PROMETHEUS_SSL_KEYFILE: keyFile,
        PROMETHEUS_SSL_CLIENT_CAFILE: certFile,
        PROMETHEUS_SSL_CLIENT_AUTH_REQUIRED: String(required),
      },
    });
    const asked = request(await app.metricsUrl(), { ca: cert });
    if (!required) return assert.equal((await asked).status, 200);
    await assert.rejects(asked);
    const stranger = makeCertificate(freshDirectory(t), 'stranger');
    await assert.rejects(request(await app.metricsUrl(), { ca: cert, cert: stranger.cert, key: stranger.key }));
    // Both are counted as what they are.
    const { body } = await request(await app.metricsUrl(), { ca: cert, cert, key });
    assert.equal(sum(parseExposition(body), 'gunicorn_exporter_refused_total', { reason: 'unauthorized' }), 2);
    assert.equal(sum(parseExposition(body), 'gunicorn_exporter_refused_total', { reason: 'malformed' }), 0);
  });
}

test('without an authority to sign them there is no endpoint', { skip: NO_OPENSSL ?? false }, async (t) => {
  const { certFile, keyFile } = makeCertificate(freshDirectory(t), 'endpoint');
  const app = await startApp(t, 'counts-its-answers.mjs', {
    env: {
      PROMETHEUS_SSL_CERTFILE: certFile,
      PROMETHEUS_SSL_KEYFILE: keyFile,
      PROMETHEUS_SSL_CLIENT_AUTH_REQUIRED: 'true',
    },
  });
  await app.says(/PROMETHEUS_SSL_CLIENT_CAFILE is not set/, 'stderr');
  assert.doesNotMatch(app.output.stderr, /metrics of process/);
});
