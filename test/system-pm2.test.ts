/** PM2 with four instances, however they are run, preloaded and named: one endpoint, exact sums. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { describe, it } from 'node:test';
import { select, sum } from './exposition.ts';
import { areLiving, countsExactly, endpointAt, leaderAt, listenersOn } from './one-endpoint.ts';
import { preloadedBy, preloadsAll, startPm2 } from './pm2.ts';
import { freePort, freshDirectory } from './processes.ts';
import { requests } from './requests.ts';

const INSTANCES = 4;
const EACH = 5;
const NAMES = {
  'a service name': { env: { OTEL_SERVICE_NAME: 'till' }, group: (port: number) => `group-till@${port}` },
  'a group': { env: { GUNICORN_OTEL_GROUP: 'counter' }, group: () => 'group-counter' },
  "nothing but PM2's name": { env: {}, group: (port: number) => `group-pm2-shop@${port}` },
};

// Most of their time they wait for processes.
describe('PM2', { concurrency: 2 }, () => {
  // Each mode with each name, and each preload in both modes.
  for (const [mode, preload, flag, named] of [
    ['cluster', 'node_args', '--import', 'a service name'],
    ['cluster', 'node_args', '--require', "nothing but PM2's name"],
    ['cluster', 'NODE_OPTIONS', '--import', 'a group'],
    ['fork', 'node_args', '--import', "nothing but PM2's name"],
    ['fork', 'node_args', '--require', 'a group'],
    ['fork', 'NODE_OPTIONS', '--require', 'a service name'],
  ] as const) {
    it(`four instances in ${mode} mode, preloaded by ${flag} in ${preload}, with ${named}: one endpoint, exact sums`, async (t) => {
      const [port, appPort, shellPort] = [await freePort(), await freePort(), await freePort()];
      const shellDirectory = freshDirectory(t);
      const byShell = preload === 'NODE_OPTIONS';
      const app = {
        name: 'shop',
        exec_mode: mode,
        instances: INSTANCES,
        ...(!byShell && { node_args: preloadedBy(flag) }),
        env: {
          ...NAMES[named].env,
          PROMETHEUS_METRICS_PORT: String(port),
          APP_PORT: mode === 'cluster' ? String(appPort) : '0',
        },
      };
      // What is set for the daemon is not for the apps, for which the ecosystem file says otherwise.
      const shell = { PROMETHEUS_METRICS_PORT: String(shellPort), PROMETHEUS_MULTIPROC_DIR: shellDirectory };
      const pm2 = await startPm2(t, [app], { env: { ...shell, ...(byShell && preloadsAll(flag)) } });
      const instances = await pm2.ready('shop', INSTANCES);
      const pids: string[] = [];
      for (const each of instances.values()) pids.push(...(await requests(`http://127.0.0.1:${each}/`, EACH)));
      assert.deepEqual(new Set(pids.map(Number)), new Set(instances.keys()), 'all have answered');

      const endpoint = endpointAt(port);
      const samples = await countsExactly(endpoint, INSTANCES * EACH);
      const workers = await areLiving(endpoint, INSTANCES);
      for (const worker_id of workers) {
        assert.equal(sum(samples, 'gunicorn_worker_requests_total', { worker_id }), EACH, worker_id);
      }
      assert.equal(select(samples, 'gunicorn_worker_requests_total').length, INSTANCES);
      assert.ok(
        instances.has(await leaderAt(port)),
        `an instance listens: ${listenersOn(port)} of ${[...instances.keys()]}`,
      );
      assert.deepEqual(readdirSync(pm2.directory), [NAMES[named].group(port)]);
      assert.deepEqual(listenersOn(shellPort), [], 'nobody listens where only the shell says');
      assert.deepEqual(readdirSync(shellDirectory), [], 'nobody writes where only the shell says');
      assert.equal(pm2.log().match(/metrics of process \d+ .* at http/g)?.length, 1, pm2.log());
    });
  }
});
