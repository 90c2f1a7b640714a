/** SIGKILL: totals never fall, and no more is lost than the stated bound of the one worker. */
import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import test from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { sum } from './exposition.ts';
import { atEnd, type Cluster, startCluster, until } from './processes.ts';
import { active, COUNT, settled } from './request-count.ts';
import { request, requests } from './requests.ts';

const APP = 'counts-its-answers.mjs';
// The promises: an answer read this long before the kill is counted, and so is what the app recorded.
const ANSWER_SAFE_MS = 20;
const INSTRUMENT_SAFE_MS = 1000;
// Under load on noisy cores a process may be off its core for a while between an answer and its flush.
const LOAD_TOLERANCE_MS = 30;
const NEVER_ANSWERED_MS = 1000;
const SCRAPE_EVERY_MS = 50;

test('an answer read 20 ms before its worker is killed is never lost', async (t) => {
  const cluster = await startCluster(t, APP, 2);
  await cluster.metricsUrl();
  let answers = 0;
  for (let kill = 1; kill <= 10; kill += 1) {
    const pids = await requests(`http://127.0.0.1:${cluster.port}/`, 5);
    answers += pids.length;
    await delay(ANSWER_SAFE_MS);
    process.kill(Number(pids.at(-1)), 'SIGKILL');
    // The endpoint has not lost it for a moment either, between the death and the folding of what it left.
    assert.equal(sum(await cluster.scrape(), COUNT), answers);
    await until(() => cluster.workers().size === 2 + kill, 'a new worker in place of the killed one');
    assert.equal(sum(await cluster.scrape(), COUNT), answers);
  }
  await settled(cluster, answers);
});

test('what the app recorded one second before its worker is killed is never lost', async (t) => {
  const cluster = await startCluster(t, APP, 2);
  const pids = await requests(`http://127.0.0.1:${cluster.port}/`, 20);
  await delay(INSTRUMENT_SAFE_MS);
  for (const pid of new Set(pids)) process.kill(Number(pid), 'SIGKILL');
  await until(() => cluster.workers().size === 4, 'two new workers');
  assert.equal(sum(await cluster.scrape(), 'shop_answers_total'), 20);
});

test('totals never fall while workers are killed under load, and end within the bound', async (t) => {
  const cluster = await startCluster(t, APP, 3);
  await cluster.metricsUrl();
  const load = startLoad(cluster, 6);
  atEnd(t, load.stop);
  const totals = watchTotals(cluster, [COUNT, 'shop_answers_total', 'http_server_response_body_size_bytes_sum']);
  atEnd(t, totals.stop);

  const killedAt = new Map<number, number>();
  for (let kill = 1; kill <= 5; kill += 1) {
    const before = load.answers.length;
    await until(() => load.answers.length > before + 200, 'two hundred answers under load');
    const pid = load.answers.at(-1)!.pid;
    killedAt.set(pid, performance.now());
    process.kill(pid, 'SIGKILL');
    await until(() => cluster.workers().size === 3 + kill, 'a new worker in place of the killed one');
  }
  await load.stop();
  const counted = await until(async () => {
    const samples = await cluster.scrape();
    return active(samples) === 0 && sum(samples, COUNT);
  }, 'nothing under way');
  const scrapes = await totals.stop();

  const safe = (withinMs: number) =>
    load.answers.filter(({ pid, readAt }) => readAt <= (killedAt.get(pid) ?? Number.POSITIVE_INFINITY) - withinMs);
  const lost = load.answers.length - counted;
  t.diagnostic(`${load.answers.length} answers read, ${load.sent()} sent, ${counted} counted, ${scrapes} scrapes`);
  let lostMs = 0;
  while (counted < safe(lostMs).length) lostMs += 1;
  t.diagnostic(`${lost} answers lost in ${killedAt.size} kills, the last ${lostMs} ms of each (promised: 10 ms)`);
  assert.ok(counted >= safe(ANSWER_SAFE_MS + LOAD_TOLERANCE_MS).length, `lost ${lost}`);
  assert.ok(counted <= load.sent(), 'more counted than sent');
  const appBound = safe(INSTRUMENT_SAFE_MS + 20 * LOAD_TOLERANCE_MS).length;
  await until(
    async () => sum(await cluster.scrape(), 'shop_answers_total') >= appBound,
    `the app's own counter at ${appBound} at least`,
  );
});

interface Load {
  answers: { pid: number; readAt: number }[];
  sent(): number;
  stop(): Promise<void>;
}

// Clients that ask again as soon as they are answered, each on its own kept-alive connection.
function startLoad(cluster: Cluster, clients: number): Load {
  const answers: Load['answers'] = [];
  let sent = 0;
  let stopped = false;
  const client = async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    while (!stopped) {
      sent += 1;
      // A connection that was on its way to the killed worker is never answered nor closed, by Node's own doing.
      const options = { agent, timeout: NEVER_ANSWERED_MS };
      const answer = await request(`http://127.0.0.1:${cluster.port}/`, options).catch(() => delay(1));
      if (answer) answers.push({ pid: Number(answer.body), readAt: performance.now() });
    }
    agent.destroy();
  };
  const all = Promise.all(Array.from({ length: clients }, client));
  const stop = async () => {
    stopped = true;
    await all;
  };
  return { answers, sent: () => sent, stop };
}

// Scrapes all the time; stop() tells how often, or fails when a total has fallen between any two scrapes.
function watchTotals(cluster: Cluster, names: string[]): { stop(): Promise<number> } {
  let scrapes = 0;
  let stopped = false;
  const watch = async () => {
    let last = names.map(() => 0);
    while (!stopped) {
      const samples = await cluster.scrape();
      scrapes += 1;
      const now = names.map((name) => sum(samples, name));
      names.forEach((name, index) => {
        assert.ok(now[index]! >= last[index]!, `${name} fell from ${last[index]} to ${now[index]}`);
      });
      last = now;
      await delay(SCRAPE_EVERY_MS);
    }
    return scrapes;
  };
  const all = watch();
  // It is awaited in stop(); until then its failure is not unhandled.
  all.catch(() => {});
  const stop = () => {
    stopped = true;
    return all;
  };
  return { stop };
}
