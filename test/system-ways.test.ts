/** Every way to be preloaded, for both module systems, alone and in a cluster: the same exact counts. */
import { describe, it } from 'node:test';
import { countsExactly } from './one-endpoint.ts';
import { fixture, type Preload, startApp, startCluster } from './processes.ts';
import { requests } from './requests.ts';

const WAYS: readonly Preload[] = ['--import', '--require', 'NODE_OPTIONS=--import', 'NODE_OPTIONS=--require'];
const REQUESTS = 12;
const WORKERS = 2;

for (const preload of WAYS) {
  describe(`preloaded by ${preload}`, () => {
    for (const kind of ['mjs', 'cjs']) {
      const app = `counts-its-answers.${kind}`;

      it(`an app in ${kind} is counted, and so are its own metrics`, async (t) => {
        const running = await startApp(t, app, { preload });
        await requests(`http://127.0.0.1:${running.port}/`, REQUESTS);
        await countsExactly(running, REQUESTS);
      });

      it(`a cluster in ${kind} is counted, and so are its own metrics`, async (t) => {
        const primary = fixture(`forks-workers.${kind}`);
        const cluster = await startCluster(t, app, WORKERS, { preload, primary });
        await requests(`http://127.0.0.1:${cluster.port}/`, REQUESTS);
        await countsExactly(cluster, REQUESTS);
      });
    }
  });
}
