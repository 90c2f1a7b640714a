/** What the README, docs/hooks.md and docs/api.md show is run as it stands there. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readSettings } from '@x/gunicorn-otel';
import { loadConfigModule } from '../src/config-module.ts';
import { select } from './exposition.ts';
import {
  fixture,
  freshDirectory,
  type Owner,
  ROOT,
  type Running,
  start,
  startApp,
  startCluster,
  until,
} from './processes.ts';
import { request } from './requests.ts';

const APP = 'has-a-queue.mjs';

test('the example of docs/hooks.md in a cluster: each hook at its moment, the settings and the view in the scrape', async (t) => {
  const env = { GUNICORN_OTEL_CONFIG: exampleModule(t) };
  const cluster = await startCluster(t, APP, 2, { primary: fixture('keeps-workers.mjs'), env });
  await cluster.says(/metrics at http/, 'stderr');
  const { pid } = cluster;
  const [first, second, third] = lines(cluster);
  assert.match(first!, new RegExp(`^${pid}: primary of ${cluster.directory}/`));
  const started = [second, third, ...lines(cluster)].filter((line) => line?.endsWith('has started'));
  assert.ok(started.length >= 2);

  const url = `http://127.0.0.1:${cluster.port}/slow`;
  await request(url, { method: 'POST', headers: { 'content-length': 5 }, body: ['five!'] });
  const took = /^(\d+): worker_[12]_\d+ took 0\.[3-9] s for POST \/slow, 5 bytes$/m;
  const [, server] = await cluster.says(took, 'stderr');
  assert.ok([...cluster.workers().values()].includes(Number(server)), 'told by the worker that has served it');
  await request(`http://127.0.0.1:${cluster.port}/`);

  const depth = await until(async () => {
    const samples = select(await cluster.scrape(), 'queue_depth');
    return samples[0]?.value === 6 && samples;
  }, 'the sum of both workers');
  assert.deepEqual(
    depth.map(({ labels }) => labels),
    [{ queue: 'mail' }],
  );
  const buckets = select(await cluster.scrape(), 'gunicorn_worker_request_duration_seconds_bucket');
  assert.deepEqual([...new Set(buckets.map(({ labels }) => labels['le']))], ['0.05', '0.25', '1', '5', '+Inf']);

  cluster.child.kill('SIGHUP');
  const ended = /: worker_[12]_\d+ has ended by 0: quit, graceful$/;
  await until(() => lines(cluster).filter((line) => ended.test(line)).length === 2, 'the end of the old workers');
  const after = lines(cluster).slice(lines(cluster).indexOf(`${pid}: reload`) + 1);
  assert.equal(after.filter((line) => ended.test(line)).length, 2, 'the reload is told first');
  cluster.child.kill('SIGTERM');
  assert.deepEqual(await cluster.ended(), { code: 0, signal: null });
  assert.equal(lines(cluster).at(-1), `${pid}: the end`);
  assert.equal(lines(cluster).filter((line) => line.endsWith(': the end')).length, 1);
});

test('the example of docs/hooks.md in a single process', async (t) => {
  const app = await startApp(t, APP, { env: { GUNICORN_OTEL_CONFIG: exampleModule(t) } });
  await app.says(/metrics at http/, 'stderr');
  await request(`http://127.0.0.1:${app.port}/slow`);
  await app.says(/took 0\.[3-9] s for GET \/slow, 0 bytes/, 'stderr');
  await assert.rejects(request(`http://127.0.0.1:${app.port}/end`));
  await app.ended();
  const told = lines(app).map((line) => line.replace(/^\d+: /, ''));
  const order = [/^single of /, /^worker_0_\d+ has started$/, /^worker_0_\d+ took /, /^the end$/];
  assert.deepEqual(
    told
      .filter((line) => order.some((each) => each.test(line)))
      .map((line) => order.findIndex((each) => each.test(line))),
    [0, 1, 2, 3],
  );
});

test('the config module that the README shows has nothing wrong with it', (t) => {
  const cwd = freshDirectory(t);
  const module = examples('README.md').find((code) => code.includes('childExit'));
  writeFileSync(join(cwd, 'gunicorn.conf.mjs'), module!);
  const { file, settings, hooks, problems } = loadConfigModule({}, cwd);
  assert.deepEqual([...problems, ...readSettings({}, {}, { file, settings }).problems], []);
  assert.deepEqual([Object.keys(settings), Object.keys(hooks)], [['durationBuckets'], ['childExit']]);
});

test('the programs of docs/api.md and of the defaults in docs/hooks.md run as they stand there', async (t) => {
  const programs = [...examples('docs/api.md'), ...examples('docs/hooks.md').slice(1)];
  assert.equal(programs.length, 8);
  const directory = freshDirectory(t);
  mkdirSync(join(directory, 'node_modules/@x'), { recursive: true });
  symlinkSync(ROOT, join(directory, 'node_modules/@x/gunicorn-otel'));
  symlinkSync(join(ROOT, 'node_modules/@opentelemetry'), join(directory, 'node_modules/@opentelemetry'));
  for (const [i, program] of programs.entries()) {
    const path = join(directory, `program-${i}.mjs`);
    writeFileSync(path, program);
    // What is told of requests means nothing where nobody measures.
    const preload = program.includes('setRoute') ? '--import' : 'none';
    const app = start(t, [path], { preload });
    const code = await until(
      () =>
        /metrics of process/.test(app.output.stderr)
          ? 'listens'
          : (app.child.exitCode ?? app.child.signalCode)?.toString(),
      () => `it begins to measure, or ends: ${program}`,
    );
    assert.match(code, /^(?:listens|0)$/, app.output.stderr);
    assert.doesNotMatch(app.output.stderr, /Error|warn/i, program);
    app.child.kill('SIGKILL');
    await app.ended();
  }
});

function exampleModule(owner: Owner): string {
  const path = join(freshDirectory(owner), 'gunicorn.conf.mjs');
  const [module] = examples('docs/hooks.md');
  assert.match(module!, /^\/\/ gunicorn\.conf\.mjs/);
  writeFileSync(path, module!);
  return path;
}

function examples(path: string): string[] {
  return [...readFileSync(join(ROOT, path), 'utf8').matchAll(/^```js\n(.*?)^```/gms)].map(([, code]) => code!);
}

// What the module of the example says, without the lines of this package.
function lines({ output }: Running): string[] {
  return output.stderr.split('\n').filter((line) => /^\d+: /.test(line));
}
