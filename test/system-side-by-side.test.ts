/** Processes started side by side, with nobody above them: who is one group, and what it keeps when all of them end. */
import assert from 'node:assert/strict';
import { readdirSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { sum } from './exposition.ts';
import { areLiving, countsExactly, endpointAt, leaderAt, lockHolder } from './one-endpoint.ts';
import { freePort, freshDirectory, type Running, startApp, until } from './processes.ts';
import { requests } from './requests.ts';

const APP = 'counts-its-answers.mjs';
const SAYS_WHERE = /metrics of process \d+ .* at http/;
// A group whose members are all dead goes on within a minute, not later.
const LONG_AGO_MS = 120_000;

// Most of their time they wait for processes.
describe('processes side by side', { concurrency: 2 }, () => {
  for (const [what, env, directoryOf] of [
    ['OTEL_SERVICE_NAME', { OTEL_SERVICE_NAME: 'till' }, (port: number) => `group-till@${port}`],
    ['service.name', { OTEL_RESOURCE_ATTRIBUTES: 'service.name=till' }, (port: number) => `group-till@${port}`],
    ['GUNICORN_OTEL_GROUP', { GUNICORN_OTEL_GROUP: 'counter' }, () => 'group-counter'],
  ] as const) {
    it(`four processes with the same ${what} are one group: one endpoint, exact sums, an end without leftovers`, async (t) => {
      const port = await freePort();
      const directory = freshDirectory(t);
      const apps = await startSideBySide(t, 4, { ...env, PROMETHEUS_METRICS_PORT: String(port) }, directory);
      let count = 0;
      for (const [index, app] of apps.entries()) {
        count += (await requests(`http://127.0.0.1:${app.port}/`, index + 1)).length;
      }
      const samples = await countsExactly(endpointAt(port), count);
      const workers = await areLiving(endpointAt(port), 4);
      const each = workers.map((worker_id) => sum(samples, 'gunicorn_worker_requests_total', { worker_id }));
      assert.deepEqual(each.sort(), [1, 2, 3, 4]);
      const leader = await leaderAt(port);
      assert.ok(apps.some(({ pid }) => pid === leader));
      assert.equal(lockHolder(directory), leader);
      assert.deepEqual(readdirSync(directory), [directoryOf(port)]);
      const speakers = apps.filter(({ output }) => SAYS_WHERE.test(output.stderr));
      assert.deepEqual(
        speakers.map(({ pid }) => pid),
        [leader],
      );
      for (const { output } of apps) assert.ok(output.stderr.trim().split('\n').length <= 1, output.stderr);

      for (const app of apps) {
        app.child.kill('SIGTERM');
        assert.deepEqual(await app.ended(), { code: 0, signal: null });
      }
      assert.deepEqual(readdirSync(directory), []);
    });
  }

  for (const [what, one, other] of [
    ['different service names', { OTEL_SERVICE_NAME: 'till' }, { OTEL_SERVICE_NAME: 'shop' }],
    ['the same service name', { OTEL_SERVICE_NAME: 'till' }, { OTEL_SERVICE_NAME: 'till' }],
    ['different groups', { GUNICORN_OTEL_GROUP: 'a' }, { GUNICORN_OTEL_GROUP: 'b' }],
    ['no name', {}, {}],
  ] as const) {
    it(`processes with ${what} and different ports are separate`, async (t) => {
      const directory = freshDirectory(t);
      const ports = [await freePort(), await freePort()];
      for (const [index, env] of [one, other].entries()) {
        const port = ports[index]!;
        const [app] = await startSideBySide(t, 1, { ...env, PROMETHEUS_METRICS_PORT: String(port) }, directory);
        await requests(`http://127.0.0.1:${app!.port}/`, 2 + index);
        assert.equal(await leaderAt(port), app!.pid);
      }
      for (const [index, port] of ports.entries()) await countsExactly(endpointAt(port), 2 + index);
      assert.equal(readdirSync(directory).length, 2);
    });
  }

  it('all are killed and one is started again: the totals go on; long after, they begin anew', async (t) => {
    const port = await freePort();
    const directory = freshDirectory(t);
    const env = { OTEL_SERVICE_NAME: 'till', PROMETHEUS_METRICS_PORT: String(port) };
    const apps = await startSideBySide(t, 3, env, directory);
    for (const app of apps) await requests(`http://127.0.0.1:${app.port}/`, 2);
    await countsExactly(endpointAt(port), 6);
    await killAll(apps);

    const [next] = await startSideBySide(t, 1, env, directory);
    await requests(`http://127.0.0.1:${next!.port}/`, 1);
    await countsExactly(endpointAt(port), 7);
    await areLiving(endpointAt(port), 1);
    await killAll([next!]);

    const group = join(directory, readdirSync(directory)[0]!);
    const longAgo = (Date.now() - LONG_AGO_MS) / 1000;
    for (const file of ['', ...readdirSync(group)]) utimesSync(join(group, file), longAgo, longAgo);
    const [last] = await startSideBySide(t, 1, env, directory);
    await requests(`http://127.0.0.1:${last!.port}/`, 1);
    await countsExactly(endpointAt(port), 1);
  });
});

async function startSideBySide(
  t: TestContext,
  count: number,
  env: Record<string, string>,
  directory: string,
): Promise<(Running & { port: number })[]> {
  return Promise.all(Array.from({ length: count }, () => startApp(t, APP, { env, directory })));
}

async function killAll(apps: Running[]): Promise<void> {
  for (const { child } of apps) child.kill('SIGKILL');
  await until(() => apps.every(({ child }) => child.signalCode), 'the end of all');
}
