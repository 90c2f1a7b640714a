/** The exporter's thread ends, crashes, runs out of memory or hangs: another takes its place, and nothing has been lost. */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'node:test';
import { type Sample, sum } from './exposition.ts';
import { ask, rising } from './orchestra.ts';
import { fixture, type Running, start, startApp, until } from './processes.ts';
import { COUNT } from './request-count.ts';
import { request } from './requests.ts';

const APP = 'ends-its-exporter.mjs';

test('an exporter that is terminated twenty times under load is back each time, at its port, with all totals', async (t) => {
  const app = await startApp(t, APP);
  const order = (path: string) => request(`http://127.0.0.1:${app.port}${path}`);
  const clients = [ask(app.port), ask(app.port)];
  const seen = watch(app);
  await until(() => seen.scrapes > 0, 'a scrape');
  const gapsMs: number[] = [];
  for (let round = 0; round < 20; round += 1) {
    const before = seen.scrapes;
    await until(() => seen.scrapes > before + 30, 'it has been there for a while');
    await order('/terminate');
    const endedMs = performance.now();
    await until(() => seen.failures > 0, 'a scrape that failed');
    await until(() => seen.failures === 0, 'a scrape that did not');
    gapsMs.push(Math.round(performance.now() - endedMs));
  }
  const counts = await Promise.all(clients.map((client) => client.stop()));
  const answered = counts.reduce((total, count) => total + count.answered, 20);
  await until(
    async () => sum(await app.scrape(), COUNT) === answered,
    async () => `${answered} counted`,
  );
  await seen.stop();
  gapsMs.sort((a, b) => a - b);
  t.diagnostic(`back after ${gapsMs[10]} ms (median), ${gapsMs.at(-1)} ms (most); ${answered} requests`);
});
