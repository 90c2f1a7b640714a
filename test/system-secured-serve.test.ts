/** The web configuration holds for every endpoint there is: that of `gunicorn-otel serve`, and that of a fleet. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { makeCertificate, NO_OPENSSL } from './certificates.ts';
import { CLI } from './cli.ts';
import { freshDirectory, start, startApp, until } from './processes.ts';
import { NO_REDIS, startRedis } from './redis-server.ts';
import { request } from './requests.ts';
import { basic, hashOf } from './secured-endpoint.ts';

const skip = NO_OPENSSL ?? false;

it('serve answers who is right, over TLS, and follows the file', { skip }, async (t) => {
  const app = await startApp(t, 'counts-its-answers.mjs', { env: { GUNICORN_OTEL_GROUP: 'shop' } });
  await hold(t, ['--dir', app.directory, '--group', 'shop'], {});
});

it('serve --redis does as well', { skip: NO_REDIS || skip }, async (t) => {
  const redis = await startRedis(t);
  await hold(t, ['--redis'], { REDIS_HOST: '127.0.0.1', REDIS_PORT: String(redis.port) });
});

async function hold(t: TestContext, args: string[], env: Record<string, string>): Promise<void> {
  const directory = freshDirectory(t);
  const { cert: ca, certFile, keyFile } = makeCertificate(directory, 'endpoint');
  const file = join(directory, 'web.yml');
  const configure = (user: string) => {
    const users = { [user]: hashOf('s3cret') };
    writeFileSync(
      file,
      JSON.stringify({ tls_server_config: { cert_file: certFile, key_file: keyFile }, basic_auth_users: users }),
    );
  };
  configure('one');
  const served = start(t, [CLI, 'serve', ...args], {
    preload: 'none',
    env: { ...env, GUNICORN_OTEL_WEB_CONFIG_FILE: file },
  });
  const [, url] = await served.says(/metrics of .* at (https\S+)/, 'stderr');
  const statusOf = async (user: string) => (await request(url!, { ca, headers: basic(user, 's3cret') })).status;
  assert.deepEqual([await statusOf('one'), await statusOf('two')], [200, 401]);
  assert.equal((await request(url!, { ca })).status, 401);
  const { body } = await request(url!, { ca, headers: basic('one', 's3cret') });
  assert.match(body, /^gunicorn_(?:exporter|fleet)_refused_total\{reason="unauthorized"\} 2$/m);
  configure('two');
  await until(async () => (await statusOf('two')) === 200, 'the other user');
  assert.equal(await statusOf('one'), 401);
}
