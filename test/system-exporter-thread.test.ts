/** The exporter's thread ends, crashes, runs out of memory or hangs: another takes its place, and nothing has been lost. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import test, { type TestContext } from 'node:test';
import { sum } from './exposition.ts';
import { ask, watchTotals } from './orchestra.ts';
import { fixture, start, until } from './processes.ts';
import { settled } from './request-count.ts';
import { request, requests } from './requests.ts';

test('an exporter that is terminated twenty times under load is back each time, at its port, with all totals', async (t) => {
  const { app, port, order, opened } = await started(t);
  const clients = [ask(port), ask(port)];
  const watch = watchTotals(t, app, { mayFail: true });
  const { seen } = watch;
  const gapsMs: number[] = [];
  for (let round = 1; round <= 20; round += 1) {
    const before = seen.scrapes;
    await until(() => seen.scrapes > before + 30, 'it has been there for a while');
    const endedMs = performance.now();
    await order('/terminate');
    await until(() => opened() === round + 1, 'the endpoint is open again');
    const then = seen.scrapes;
    await until(() => seen.scrapes > then, 'a scrape');
    gapsMs.push(Math.round(performance.now() - endedMs));
  }
  const counts = await Promise.all(clients.map((client) => client.stop()));
  const answered = counts.reduce((total, count) => total + count.answered, 20);
  const { last } = await watch.stop();
  assert.ok(sum(last, 'gunicorn_exporter_scrapes_total') >= seen.scrapes);
  const samples = await settled(app, answered);
  assert.equal(sum(samples, 'gunicorn_exporter_scrape_errors_total'), 0);
  // At once, but for one that a busy machine has not let beat yet.
  const delays = [...app.output.stderr.matchAll(/it is started again (.*)$/gm)].map(([, when]) => when);
  assert.equal(delays.length, 20);
  assert.deepEqual(
    delays.filter((when) => !/^(now|in [124]00 ms)$/.test(when!)),
    [],
  );
  gapsMs.sort((a, b) => a - b);
  t.diagnostic(`back after ${gapsMs[10]} ms (median), ${gapsMs.at(-1)} ms (most); ${answered} requests`);
});

for (const [end, what] of [
  ['/crash', 'crashes'],
  ['/fill', 'runs out of memory'],
  ['/hang', 'hangs for fifteen seconds'],
] as const) {
  test(`an exporter that ${what} is replaced, and the app does not notice`, async (t) => {
    const { app, port, order, opened } = await started(t, ['--max-old-space-size=64']);
    await requests(`http://127.0.0.1:${port}/`, 10);
    await settled(app, 10);
    const watch = watchTotals(t, app, { mayFail: true });
    await until(() => watch.seen.scrapes > 5, 'scrapes before');
    await order(end);
    await until(() => opened() === 2, 'the endpoint is open again');
    await requests(`http://127.0.0.1:${port}/`, 10);
    await settled(app, 21);
    const then = watch.seen.scrapes;
    await Promise.race([watch.failed, until(() => watch.seen.scrapes > then, 'a scrape behind')]);
    await watch.stop();
    assert.match(app.output.stderr, /the exporter thread has ended; it is started again now/);
    assert.equal(readdirSync(app.directory).length, 1);
  });
}

test('an exporter that ends as soon as it is there is started again at once, and then later and later', async (t) => {
  const { app, port, order } = await started(t);
  await order('/each');
  const delays = () => [...app.output.stderr.matchAll(/it is started again (.*)$/gm)].map(([, when]) => when);
  await until(() => delays().length >= 5, 'five ends');
  assert.deepEqual(delays().slice(-5), ['now', 'in 100 ms', 'in 200 ms', 'in 400 ms', 'in 800 ms']);
  await requests(`http://127.0.0.1:${port}/`, 10);
  app.child.kill('SIGTERM');
  assert.deepEqual(await app.ended(), { code: null, signal: 'SIGTERM' });
});

async function started(t: TestContext, execArgv: string[] = []) {
  const app = start(t, [...execArgv, fixture('ends-its-exporter.mjs')]);
  const port = Number((await app.says(/^ready on port (\d+)/m))[1]);
  await app.metricsUrl();
  const opened = () => app.output.stderr.match(/metrics of process/g)?.length;
  return { app, port, opened, order: (path: string) => request(`http://127.0.0.1:${port}${path}`) };
}
