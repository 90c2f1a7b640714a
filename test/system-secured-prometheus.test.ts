/**
 * A real Prometheus scrapes a real cluster once a second for a minute, over TLS with basic auth. In the middle of it the
 * certificate is renewed, and no scrape fails.
 */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { connect } from 'node:tls';
import { makeCertificate, NO_OPENSSL } from './certificates.ts';
import { freshDirectory, startCluster, until } from './processes.ts';
import { NO_PROMETHEUS, startPrometheus } from './prometheus-server.ts';
import { request, requests } from './requests.ts';
import { hashOf } from './secured-endpoint.ts';

const skip = NO_PROMETHEUS || (NO_OPENSSL ?? false);
const MINUTE = 60;
const DEADLINE_MS = 150_000;
// Longer than the endpoint keeps a connection that is idle: each of these scrapes makes its own.
const ANEW_SECONDS = 8;
const WORKERS = 2;

// A suite that is skipped is not counted as skipped; this is, and .ci/run fails of it.
it('there is a Prometheus to test with', { skip }, () => {});

it('over TLS with basic auth no scrape of a minute fails, though the certificate is renewed in it', {
  skip,
}, async (t) => {
  const directory = freshDirectory(t);
  const authority = makeCertificate(directory, 'authority');
  const [first, second] = [
    makeCertificate(directory, 'first', authority),
    makeCertificate(directory, 'second', authority),
  ];
  const place = ({ cert, key }: typeof first) => {
    for (const [name, text] of Object.entries({ 'tls.crt': cert, 'tls.key': key })) {
      writeFileSync(join(directory, `${name}.new`), text);
      renameSync(join(directory, `${name}.new`), join(directory, name));
    }
  };
  place(first);
  writeFileSync(
    join(directory, 'web.yml'),
    `tls_server_config:
  cert_file: tls.crt
  key_file: tls.key
basic_auth_users:
  prometheus: ${hashOf('s3cret: ☃', 10)}
`,
  );
  const cluster = await startCluster(t, 'counts-its-answers.mjs', WORKERS, {
    env: { GUNICORN_OTEL_WEB_CONFIG_FILE: join(directory, 'web.yml') },
  });
  const url = await cluster.metricsUrl();
  assert.equal((await request(url, { ca: authority.cert })).status, 401);
  writeFileSync(join(directory, 'password'), 's3cret: ☃');
  const job = (name: string, seconds: number, password: object) => ({
    job_name: name,
    scheme: 'https',
    scrape_interval: `${seconds}s`,
    scrape_timeout: `${seconds}s`,
    tls_config: { ca_file: authority.certFile },
    basic_auth: { username: 'prometheus', ...password },
    static_configs: [{ targets: [new URL(url).host] }],
  });
  const prometheus = await startPrometheus(t, {
    scrape_configs: [
      job('steady', 1, { password_file: join(directory, 'password') }),
      job('anew', ANEW_SECONDS, { password: 's3cret: ☃' }),
      job('guesses', ANEW_SECONDS, { password: 'guess' }),
    ],
  });
  const value = async (query: string) => Number((await prometheus.query(query))[0]?.value[1]);
  const scrapes = async () => {
    await requests(`http://127.0.0.1:${cluster.port}/`, 5);
    return value('count_over_time(up{job="steady"}[1h])');
  };
  await until(async () => (await scrapes()) >= MINUTE / 2, 'half a minute of scrapes', DEADLINE_MS);
  assert.equal(await serialOf(url), new X509Certificate(first.cert).serialNumber);
  place(second);
  const anew = await value('count_over_time(up{job="anew"}[1h])');
  await until(async () => (await serialOf(url)) === new X509Certificate(second.cert).serialNumber, 'the renewed one');
  await until(async () => (await scrapes()) >= MINUTE, 'a minute of scrapes', DEADLINE_MS);
  t.diagnostic(`${await scrapes()} scrapes, ${await value('count_over_time(up{job="anew"}[1h])')} on new connections`);

  for (const name of ['steady', 'anew']) {
    assert.equal(await value(`min_over_time(up{job="${name}"}[1h])`), 1, name);
    assert.equal(await value(`resets(scrape_samples_scraped{job="${name}"}[1h])`), 0, name);
    assert.ok((await value(`max_over_time(scrape_samples_scraped{job="${name}"}[1h])`)) > 100, name);
  }
  assert.ok((await value('count_over_time(up{job="anew"}[1h])')) > anew, 'some of them since the renewal');
  assert.equal(await value('max_over_time(up{job="guesses"}[1h])'), 0);
  const { activeTargets } = await prometheus.api('targets');
  const lastErrors = activeTargets.map(({ labels, lastError }: { labels: { job: string }; lastError: string }) => [
    labels.job,
    lastError,
  ]);
  assert.deepEqual(Object.fromEntries(lastErrors), {
    steady: '',
    anew: '',
    guesses: 'server returned HTTP status 401 Unauthorized',
  });
  assert.deepEqual(await prometheus.query('resets(gunicorn_worker_requests_total{job="steady"}[1h]) > 0'), []);
  assert.equal(await value('count(gunicorn_worker_requests_total{job="steady"})'), WORKERS);
});

function serialOf(url: string): Promise<string> {
  const { hostname: host, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port: Number(port), rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().serialNumber);
      socket.destroy();
    });
    socket.once('error', reject);
  });
}
