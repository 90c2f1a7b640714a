/** Clusters side by side with the same service name: rolling restarts of whole primaries, one endpoint throughout. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import test from 'node:test';
import { areLiving, countsExactly, endpointAt, inWords, leaderAt, watchEndpoint } from './one-endpoint.ts';
import { freePort, freshDirectory, startCluster, until } from './processes.ts';
import { requests } from './requests.ts';

const APP = 'counts-its-answers.mjs';

test('a primary is started before the one that it replaces ends: one endpoint, and the totals go on', async (t) => {
  const port = await freePort();
  const directory = freshDirectory(t);
  const env = { OTEL_SERVICE_NAME: 'till', PROMETHEUS_METRICS_PORT: String(port) };
  const endpoint = endpointAt(port);
  let old = await startCluster(t, APP, 2, { env, directory });
  let count = (await requests(`http://127.0.0.1:${old.port}/`, 4)).length;
  await countsExactly(endpoint, count);
  const watch = await watchEndpoint(t, port);
  for (let deployment = 1; deployment <= 2; deployment += 1) {
    assert.equal(await leaderAt(port), old.pid);
    const next = await startCluster(t, APP, 2, { env, directory });
    count += (await requests(`http://127.0.0.1:${next.port}/`, 4)).length;
    count += (await requests(`http://127.0.0.1:${old.port}/`, 2)).length;
    await countsExactly(endpoint, count);
    await areLiving(endpoint, 4);
    old.child.kill('SIGTERM');
    assert.deepEqual(await old.ended(), { code: 0, signal: null });
    count += (await requests(`http://127.0.0.1:${next.port}/`, 2)).length;
    await countsExactly(endpoint, count);
    await areLiving(endpoint, 2);
    old = next;
  }
  t.diagnostic(inWords(await watch.stop()));
  old.child.kill('SIGTERM');
  await old.ended();
  assert.deepEqual(readdirSync(directory), []);
});

test('a primary that leads is killed with its workers: the other takes over, the totals go on', async (t) => {
  const port = await freePort();
  const directory = freshDirectory(t);
  const env = { OTEL_SERVICE_NAME: 'till', PROMETHEUS_METRICS_PORT: String(port) };
  const clusters = await Promise.all([1, 2].map(() => startCluster(t, APP, 2, { env, directory })));
  for (const cluster of clusters) await requests(`http://127.0.0.1:${cluster.port}/`, 4);
  // Started in the same second, with workers of the same numbers.
  await areLiving(endpointAt(port), 4);
  await countsExactly(endpointAt(port), 8);
  const watch = await watchEndpoint(t, port);
  const leader = await leaderAt(port);
  const [led, other] = clusters[0]!.pid === leader ? clusters : [...clusters].reverse();
  assert.equal(led!.pid, leader, 'a primary leads');
  process.kill(-led!.pid, 'SIGKILL');
  await until(() => led!.child.signalCode, 'its end');
  await requests(`http://127.0.0.1:${other!.port}/`, 2);
  await countsExactly(endpointAt(port), 10);
  assert.equal(await leaderAt(port), other!.pid);
  await areLiving(endpointAt(port), 2);
  t.diagnostic(inWords(await watch.stop()));
});
