/** The metrics port is taken: the app runs all the same, is told so once, and the endpoint comes up when it is free. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import test, { type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { parseExposition, sum } from './exposition.ts';
import { atEnd, start, startApp, startCluster, until } from './processes.ts';
import { COUNT } from './request-count.ts';
import { request, requests } from './requests.ts';

// Long enough that a complaint per retry or per worker would be seen; nothing waits for it to be over.
const TAKEN_MS = 2500;
const APP = 'counts-its-answers.mjs';

for (const kind of ['a process', 'a cluster'] as const) {
  test(`${kind} whose metrics port is taken serves, says so in one line, and is scraped once the port is free`, async (t) => {
    const { port, server } = await takePort(t);
    const env = { PROMETHEUS_METRICS_PORT: String(port) };
    const app = await (kind === 'a process' ? startApp(t, APP, { env }) : startCluster(t, APP, 2, { env }));
    await requests(`http://127.0.0.1:${app.port}/`, 6);
    await app.says(/PROMETHEUS_METRICS_PORT/, 'stderr');
    await delay(TAKEN_MS);
    const lines = app.output.stderr.trim().split('\n');
    assert.equal(lines.length, 1, app.output.stderr);
    assert.match(lines[0]!, /^gunicorn-otel: .*PROMETHEUS_METRICS_PORT/);
    assert.match(lines[0]!, new RegExp(`\\b${port}\\b`));

    server.close();
    const counted = () =>
      request(`http://127.0.0.1:${port}/metrics`).then(
        ({ body }) => sum(parseExposition(body), COUNT),
        () => 0,
      );
    assert.equal(await until(counted, 'metrics on the port that is free again'), 6);
    assert.equal(await app.metricsUrl(), `http://127.0.0.1:${port}/metrics`);
    assert.equal(app.output.stderr.trim().split('\n').length, 2, app.output.stderr);
    assert.doesNotMatch(app.output.stdout, /gunicorn-otel/);
  });
}

test('a program whose metrics port is taken ends as it would without us', async (t) => {
  const { port } = await takePort(t);
  const app = await startApp(t, APP, { env: { PROMETHEUS_METRICS_PORT: String(port) } });
  await app.says(/PROMETHEUS_METRICS_PORT/, 'stderr');
  app.child.kill('SIGTERM');
  assert.deepEqual(await app.ended(), { code: 0, signal: null });
});

test('a second program on the same port leaves the metrics of the first alone', async (t) => {
  const first = await startApp(t, APP);
  const env = { PROMETHEUS_METRICS_PORT: new URL(await first.metricsUrl()).port };
  const second = start(t, ['test/fixtures/counts-its-answers.mjs'], { env, directory: first.directory });
  const port = Number((await second.says(/^ready on port (\d+)/m))[1]);
  await second.says(/PROMETHEUS_METRICS_PORT/, 'stderr');
  await requests(`http://127.0.0.1:${first.port}/`, 2);
  await requests(`http://127.0.0.1:${port}/`, 3);
  await until(async () => sum(await first.scrape(), COUNT) === 2, 'the requests of the first');
  first.child.kill('SIGTERM');
  await first.ended();
  await until(
    async () => sum(await second.scrape(), COUNT) === 3,
    'the requests of the second, on the port of the first',
  );
});

async function takePort(t: TestContext): Promise<{ port: number; server: Server }> {
  const server = createServer((socket) => socket.destroy()).listen(0, '0.0.0.0');
  atEnd(t, () => server.close());
  await once(server, 'listening');
  return { port: (server.address() as { port: number }).port, server };
}
