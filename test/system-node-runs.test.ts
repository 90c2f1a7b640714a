/** Programs that Node runs in a way of its own: again with each change (`--watch`), or as tests (`--test`). */
import assert from 'node:assert/strict';
import { appendFileSync, copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fixture, freshDirectory, type Preload, start, startApp, startCluster, until } from './processes.ts';
import { settled } from './request-count.ts';
import { requests } from './requests.ts';

const TYPESCRIPT = [
  "import { createServer, type Server } from 'node:http';",
  'const server: Server = createServer((_request, response): void => void response.end());',
  "server.listen(0, () => console.log('ready on port', (server.address() as { port: number }).port));",
].join('\n');

for (const preload of ['--import', 'NODE_OPTIONS=--require'] as const) {
  test(`under node --watch and ${preload} the app is measured anew each time that it is started`, async (t) => {
    const file = join(freshDirectory(t), 'app.mjs');
    copyFileSync(fixture('one-server.mjs'), file);
    const app = start(t, ['--watch', file], { preload });
    const said = (pattern: RegExp) => [...app.output.stdout.matchAll(pattern)].map(([, port]) => port);
    const urls = () =>
      [...app.output.stderr.matchAll(/metrics of process \d+ .* at (http\S+)/g)].map(([, url]) => url!);
    for (const [run, count] of [2, 3].entries()) {
      if (run > 0) appendFileSync(file, '\n');
      await until(() => said(/^app (\d+)$/gm).length > run && urls().length > run, `start ${run}`);
      await requests(`http://127.0.0.1:${said(/^app (\d+)$/gm).at(-1)}/`, count);
      await settled({ scrape: () => app.scrape(urls().at(-1)) }, count);
    }
  });
}

// Node 22.18 and later take the types away by themselves.
if ((process.features as { typescript?: unknown }).typescript) {
  test('a program in TypeScript that Node runs as it is is measured, alone and in a cluster', async (t) => {
    const app = join(freshDirectory(t), 'app.ts');
    writeFileSync(app, TYPESCRIPT);
    const alone = await startApp(t, app);
    await requests(`http://127.0.0.1:${alone.port}/`, 3);
    await settled(alone, 3);
    const cluster = await startCluster(t, app, 2);
    await requests(`http://127.0.0.1:${cluster.port}/`, 4);
    await settled(cluster, 4);
  });
}

test('node --test has the same to say with every preload', async (t) => {
  const files = ['tests-its-server.mjs', 'passes-a-test.mjs', 'fails-a-test.mjs'].map(fixture);
  const run = async (preload: Preload) => {
    const runner = start(t, ['--test', '--test-reporter=tap', ...files], { preload });
    const { code } = await runner.ended();
    return { code, lines: runner.output.stdout.match(/^ *(?:not )?(?:ok|# (?:tests|pass|fail)).*$/gm)?.sort() };
  };
  const plain = await run('none');
  assert.equal(plain.code, 1);
  for (const preload of ['--import', '--require', 'NODE_OPTIONS=--import', 'NODE_OPTIONS=--require'] as const) {
    assert.deepEqual(await run(preload), plain, preload);
  }
});
