/** What a user installs is the packed tarball: it counts exactly, for both module systems, alone and in a cluster. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { select, sum } from './exposition.ts';
import { fixture, freshDirectory, type Preload, ROOT, type Running, startApp, startCluster } from './processes.ts';
import { request, requests } from './requests.ts';

const INSTALL_DEADLINE_MS = 180_000;
// The promise: this long after the last answer, a scrape is exact.
const PROMISE_MS = 20;
const REQUESTS = 40;
const WORKERS = 4;

const home = freshDirectory({ after });

before(async () => {
  const npm = (...args: string[]) => promisify(execFile)('npm', args, { cwd: home, timeout: INSTALL_DEADLINE_MS });
  // The tests run from a finished build; a second one at the same time would pull it from under them.
  await npm('pack', ROOT, '--ignore-scripts');
  const tarball = readdirSync(home).find((name) => name.endsWith('.tgz'));
  writeFileSync(join(home, 'package.json'), '{ "private": true }');
  await npm('install', '--no-audit', '--no-fund', `./${tarball}`);
  for (const name of ['counts-its-answers', 'forks-workers']) {
    for (const kind of ['mjs', 'cjs']) copyFileSync(fixture(`${name}.${kind}`), join(home, `${name}.${kind}`));
  }
});

for (const preload of ['--import', '--require'] as const satisfies Preload[]) {
  for (const kind of ['mjs', 'cjs']) {
    test(`installed, with ${preload}, a process of one ${kind} app has counted every request 20 ms after its answer`, async (t) => {
      const app = await startApp(t, join(home, `counts-its-answers.${kind}`), { preload, cwd: home });
      await requestsAreCounted(app, app.port);
    });

    test(`installed, with ${preload}, a cluster of four ${kind} workers shares and has counted every request`, async (t) => {
      const primary = join(home, `forks-workers.${kind}`);
      const app = join(home, `counts-its-answers.${kind}`);
      const cluster = await startCluster(t, app, WORKERS, { preload, primary, cwd: home });
      const samples = await requestsAreCounted(cluster, cluster.port);
      const perWorker = select(samples, 'gunicorn_worker_requests_total');
      assert.equal(perWorker.length, WORKERS);
      assert.ok(
        perWorker.every(({ value }) => value > 0),
        JSON.stringify(perWorker),
      );
    });
  }
}

async function requestsAreCounted(running: Running, port: number) {
  // The endpoint may still be on its way up when the app listens; the promise is about requests, not about starting.
  await running.metricsUrl();
  await requests(`http://127.0.0.1:${port}/`, REQUESTS);
  await delay(PROMISE_MS);
  const samples = await running.scrape();
  assert.equal(sum(samples, 'gunicorn_worker_requests_total'), REQUESTS);
  const page = await request(new URL('/', await running.metricsUrl()).href);
  assert.match(page.body, /^<!doctype html>/);
  assert.equal(sum(samples, 'gunicorn_worker_request_duration_seconds_count'), REQUESTS);
  assert.equal(sum(samples, 'http_server_request_duration_seconds_count'), REQUESTS);
  assert.equal(
    sum(samples, 'http_server_request_duration_seconds_count', { http_response_status_code: '200' }),
    REQUESTS,
  );
  return samples;
}
