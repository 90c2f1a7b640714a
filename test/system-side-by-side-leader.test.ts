/** The leader of processes side by side dies, ends or hangs: another takes over the port and the totals. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { select, sum } from './exposition.ts';
import {
  ANSWERS,
  areLiving,
  countsExactly,
  endpointAt,
  inWords,
  leaderAt,
  lockHolder,
  PROMISED_GAP_MS,
  watchEndpoint,
} from './one-endpoint.ts';
import { freePort, freshDirectory, type Running, startApp, until } from './processes.ts';
import { active, COUNT } from './request-count.ts';
import { request, requests } from './requests.ts';
import { startLoad } from './steady-load.ts';

const APP = 'ends-as-pm2-asks.mjs';
const BY_WORKER = 'gunicorn_worker_requests_total';
const KILLS = 5;
// Longer than it takes until a leader that was stopped is followed.
const RETENTION_MS = 7000;
// What an answer read so long before the kill has counted is safe; on noisy cores (20 ms are promised).
const ANSWER_SAFE_MS = 50;

test('the leader is killed again and again under load: no sum falls, the endpoint is back at once', async (t) => {
  // One follower: of many, one always happens to look at once.
  const team = await startTeam(t, 2);
  const watch = await watchEndpoint(t, team.port);
  const load = startLoad(t, () => team.living().map(({ port }) => port));
  const killedAt = new Map<number, number>();
  for (let kill = 0; kill < KILLS; kill += 1) {
    const before = load.answers.length;
    await until(() => load.answers.length > before + 100, 'a hundred answers under load');
    const leader = await leaderAt(team.port);
    killedAt.set(leader, performance.now());
    await team.end(leader, 'SIGKILL');
    // A new one would take the lead at its start.
    assert.notEqual(await leaderAt(team.port), leader);
    await team.startOne();
  }
  await load.stop();
  const endpoint = endpointAt(team.port);
  const counted = await until(async () => {
    const samples = await endpoint.scrape();
    return active(samples) === 0 && sum(samples, COUNT);
  }, 'nothing under way');
  await areLiving(endpoint, 2);
  const watched = await watch.stop();
  const safe = load.answers.filter(({ pid, readAt }) => readAt < (killedAt.get(pid) ?? Infinity) - ANSWER_SAFE_MS);
  t.diagnostic(`${load.answers.length} answers read, ${load.sent()} sent, ${counted} counted; ${inWords(watched)}`);
  assert.ok(counted >= safe.length, `${counted} counted, ${safe.length} were safe`);
  assert.ok(counted <= load.sent(), `${counted} counted, ${load.sent()} sent`);
  // The middle one of them: a machine that is busy elsewhere may stretch one, and none is longer by design.
  assert.ok(watched.gapsMs[Math.floor(KILLS / 2)]! <= PROMISED_GAP_MS, inWords(watched));
});

for (const [how, signal] of [
  ['ends by process.exit', 'SIGINT'],
  ['ends by a signal', 'SIGTERM'],
] as const) {
  test(`a leader that ${how} gives the port and the totals to the next, down to the last`, async (t) => {
    const team = await startTeam(t, 3);
    const endpoint = endpointAt(team.port);
    const watch = await watchEndpoint(t, team.port);
    let count = 0;
    for (let left = 3; left > 0; left -= 1) {
      for (const { port } of team.living()) count += (await requests(`http://127.0.0.1:${port}/`, 2)).length;
      await countsExactly(endpoint, count);
      await areLiving(endpoint, left);
      if (left > 1) await team.end(await leaderAt(team.port), signal);
    }
    t.diagnostic(inWords(await watch.stop()));
  });
}

for (const end of ['goes on', 'is killed'] as const) {
  test(`a leader that hangs is followed by another, which has the port when the first ${end}`, async (t) => {
    const team = await startTeam(t, 3);
    const endpoint = endpointAt(team.port);
    for (const { port } of team.living()) await requests(`http://127.0.0.1:${port}/`, 2);
    await countsExactly(endpoint, 6);
    const watch = await watchEndpoint(t, team.port);
    const hung = await leaderAt(team.port);
    process.kill(hung, 'SIGSTOP');
    const next = await until(() => {
      const holder = lockHolder(team.directory);
      return holder !== hung && holder;
    }, 'another holder of the lock');
    for (const { port, pid } of team.living()) if (pid !== hung) await requests(`http://127.0.0.1:${port}/`, 1);
    if (end === 'goes on') process.kill(hung, 'SIGCONT');
    else await team.end(hung, 'SIGKILL');
    await until(async () => (await leaderAt(team.port)) === next, `${next} at port ${team.port}`);
    await countsExactly(endpoint, 8);
    for (const { port } of team.living()) await requests(`http://127.0.0.1:${port}/`, 1);
    const living = end === 'goes on' ? 3 : 2;
    await countsExactly(endpoint, 8 + living);
    await areLiving(endpoint, living);
    t.diagnostic(inWords(await watch.stop()));
    assert.equal(lockHolder(team.directory), next, 'the lead has not come back');
    assert.equal(sum(await endpoint.scrape(), ANSWERS), 8 + living);
  });
}

test('a leader whose lock is deleted while it hangs leaves the lead to the next, of whatever number', async (t) => {
  const team = await startTeam(t, 3);
  const endpoint = endpointAt(team.port);
  for (const { port } of team.living()) await requests(`http://127.0.0.1:${port}/`, 2);
  await countsExactly(endpoint, 6);
  const hung = await leaderAt(team.port);
  process.kill(hung, 'SIGSTOP');
  const [group] = readdirSync(team.directory);
  for (const file of readdirSync(join(team.directory, group!))) {
    if (file.startsWith('leader-')) rmSync(join(team.directory, group!, file));
  }
  const next = await until(() => lockHolder(team.directory), 'another holder of the lock');
  assert.notEqual(next, hung);
  process.kill(hung, 'SIGCONT');
  await until(async () => (await leaderAt(team.port)) === next, `${next} at port ${team.port}`);
  for (const { port } of team.living()) await requests(`http://127.0.0.1:${port}/`, 1);
  await countsExactly(endpoint, 9);
  await areLiving(endpoint, 3);
  assert.equal(lockHolder(team.directory), next);
});

test('a worker that a leader folds when it goes on, behind its time, is counted once by the next one', async (t) => {
  const env = { GUNICORN_OTEL_EXITED_RETENTION: `${RETENTION_MS}ms`, GUNICORN_OTEL_MAX_SERIES: '8' };
  const team = await startTeam(t, 3, { app: 'counts-by-path.mjs', env });
  const endpoint = endpointAt(team.port);
  const stopped = await leaderAt(team.port);
  const [worker, next] = team.living().filter(({ pid }) => pid !== stopped);
  await requests(`http://127.0.0.1:${worker!.port}/`, 20);
  const { labels } = select(await countsExactly(endpoint, 20), BY_WORKER).find(({ value }) => value === 20)!;
  await team.end(worker!.pid, 'SIGKILL');
  await areLiving(endpoint, 2);
  const exitedAt = performance.now();
  process.kill(stopped, 'SIGSTOP');
  await next!.says(/takes over the metrics/, 'stderr');
  // By them who was stopped folds what is due, answered or not, before it has let go of the port.
  const scrapes = Array.from({ length: 4 }, () => request(`http://127.0.0.1:${team.port}/metrics`));
  const ended = Promise.allSettled(scrapes);
  await until(() => performance.now() - exitedAt > RETENTION_MS, 'the end of the retention for who is stopped');
  process.kill(stopped, 'SIGCONT');
  await ended;
  await until(async () => (await leaderAt(team.port)) === next!.pid, 'the next one at the port');
  const counted = async () => {
    const samples = await endpoint.scrape();
    return { samples, counts: [sum(samples, COUNT), sum(samples, ANSWERS)] };
  };
  // From half of the places on, each new series is written into the totals by who leads now.
  for (let count = 21; count <= 30; count += 1) {
    await requests(`http://127.0.0.1:${next!.port}/${count}`, 1);
    const told = await until(async () => {
      const { counts } = await counted();
      return counts.every((each) => each >= count) && counts;
    }, `${count} are counted`);
    assert.deepEqual(told, [count, count]);
  }
  await until(async () => select((await counted()).samples, BY_WORKER, labels).length === 0, 'it is folded');
  assert.deepEqual((await counted()).counts, [30, 30]);
});

test('what a worker has counted outlives it, the directory and the leader that has read it', async (t) => {
  const team = await startTeam(t, 3);
  const endpoint = endpointAt(team.port);
  const leader = await leaderAt(team.port);
  const worker = team.living().find(({ pid }) => pid !== leader)!;
  await requests(`http://127.0.0.1:${worker.port}/`, 9);
  await countsExactly(endpoint, 9);
  await team.end(worker.pid, 'SIGKILL');
  await areLiving(endpoint, 2);
  const group = join(team.directory, readdirSync(team.directory)[0]!);
  rmSync(group, { recursive: true });
  await until(() => existsSync(join(group, 'totals.copy')), 'the totals are written');
  await until(() => team.living().every(({ pid }) => readdirSync(group).some(isOf(pid))), 'the living are back');
  await team.end(leader, 'SIGKILL');
  await areLiving(endpoint, 1);
  const samples = await endpoint.scrape();
  assert.deepEqual([sum(samples, COUNT), sum(samples, ANSWERS)], [9, 9]);
});

type App = Running & { port: number };

interface Team {
  /** Of the endpoint. */
  port: number;
  directory: string;
  living(): App[];
  startOne(): Promise<App>;
  /** Resolves when it has ended. */
  end(pid: number, signal: NodeJS.Signals): Promise<void>;
}

function isOf(pid: number): (file: string) => boolean {
  return (file) => file.startsWith(`${pid}-`) && file.endsWith('.snapshot');
}

async function startTeam(t: TestContext, count: number, told: { app?: string; env?: object } = {}): Promise<Team> {
  const port = await freePort();
  const directory = freshDirectory(t);
  const env = { OTEL_SERVICE_NAME: 'till', PROMETHEUS_METRICS_PORT: String(port), ...told.env };
  const living: App[] = [];
  const startOne = async () => {
    const app = { ...(await startApp(t, told.app ?? APP, { env, directory })) };
    living.push(app);
    return app;
  };
  const end = async (pid: number, signal: NodeJS.Signals) => {
    const index = living.findIndex((app) => app.pid === pid);
    const [app] = living.splice(index, 1);
    app!.child.kill(signal);
    await app!.ended();
  };
  await Promise.all(Array.from({ length: count }, startOne));
  return { port, directory, living: () => living, startOne, end };
}
