/** `gunicorn-otel serve --redis`: three real groups, a real Redis, one endpoint; and what becomes of it when these go. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { createClient } from 'redis';
import { encodeValue } from '../src/export/group-value.ts';
import { CLI } from './cli.ts';
import { parseExposition, type Sample, select, sum } from './exposition.ts';
import { ANSWERS } from './one-endpoint.ts';
import { atEnd, type Cluster, freshDirectory, type Running, start, startCluster, until } from './processes.ts';
import { NO_REDIS, type RedisServer, startRedis } from './redis-server.ts';
import { COUNT } from './request-count.ts';
import { request, requests } from './requests.ts';

const GROUPS = 3;
const REQUESTS = 10;
// Of those that have gone a thousand are remembered.
const MANY_GROUPS = 1200;

// A suite that is skipped is not counted as skipped; this is, and .ci/run fails of it.
it('there is a Redis to test with', { skip: NO_REDIS }, () => {});

describe('serve --redis', { skip: NO_REDIS }, () => {
  it('shows all groups by instance; one that was killed goes with its TTL, and the others stay', async (t) => {
    const { redis, groups } = await startGroups(t);
    const fleet = await serveFleet(t, redis);
    const samples = await until(async () => {
      const now = await scrape(fleet);
      return sum(now, COUNT) === GROUPS * REQUESTS && sum(now, ANSWERS) === GROUPS * REQUESTS && now;
    }, 'all requests');
    const instances = new Set(select(samples, COUNT).map(({ labels }) => labels['instance']));
    assert.equal(instances.size, GROUPS);
    assert.equal(select(samples, 'gunicorn_worker_state').length, GROUPS * 2);
    assert.equal(select(samples, 'target_info', { service_name: 'shop' }).length, GROUPS);
    assert.equal(sum(samples, 'gunicorn_fleet_instances'), GROUPS);
    kill(groups[0]!);
    await until(async () => sum(await scrape(fleet), 'gunicorn_fleet_instances') === GROUPS - 1, 'one less');
    assert.equal(sum(await scrape(fleet), COUNT), (GROUPS - 1) * REQUESTS);
  });

  it('sums over instances, and what the killed one has counted stays, its gauges do not', async (t) => {
    const { redis, groups } = await startGroups(t);
    const fleet = await serveFleet(t, redis, '--sum');
    const all = async () => sum(await scrape(fleet), COUNT, { service: 'shop' });
    await until(async () => (await all()) === GROUPS * REQUESTS, 'all requests');
    kill(groups[0]!);
    await until(async () => sum(await scrape(fleet), 'gunicorn_fleet_instances') === GROUPS - 1, 'one less');
    const samples = await scrape(fleet);
    assert.equal(sum(samples, COUNT), GROUPS * REQUESTS);
    assert.equal(sum(samples, 'gunicorn_worker_requests_total'), GROUPS * REQUESTS);
    assert.equal(select(samples, 'gunicorn_worker_state').length, (GROUPS - 1) * 2);
    await requests(`http://127.0.0.1:${groups[1]!.port}/`, 5);
    await until(async () => (await all()) === GROUPS * REQUESTS + 5, 'five more');
  });

  it('serves what it has while Redis is away, says so once, and adds nothing twice when it is back, empty', async (t) => {
    const { redis } = await startGroups(t);
    const fleet = await serveFleet(t, redis, '--sum');
    const all = async () => sum(await scrape(fleet), COUNT);
    await until(async () => (await all()) === GROUPS * REQUESTS, 'all requests');
    await redis.kill();
    await until(async () => sum(await scrape(fleet), 'gunicorn_fleet_redis_up') === 0, 'down');
    await fleet.says(/cannot be read \(econnrefused/, 'stderr');
    assert.equal(await all(), GROUPS * REQUESTS);
    assert.equal((await request(`${new URL(await urlOf(fleet)).origin}/healthz`)).body.includes('degraded'), true);
    await redis.restart();
    await until(async () => sum(await scrape(fleet), 'gunicorn_fleet_instances') === GROUPS, 'all are back');
    assert.equal(await all(), GROUPS * REQUESTS);
    assert.equal(fleet.output.stderr.match(/econnrefused/g)?.length, 1);
  });

  it('adds nothing twice when it is larger than what is remembered of those that have gone', async (t) => {
    const redis = await startRedis(t);
    const fleet = await serveFleet(t, redis, '--sum');
    for (const value of [1, 2, 3]) {
      await writeGroups(t, redis, MANY_GROUPS, value);
      const all = await until(async () => {
        const samples = await scrape(fleet);
        return sum(samples, 'jobs_total') >= MANY_GROUPS * value && sum(samples, 'jobs_total');
      }, `round ${value}`);
      assert.equal(all, MANY_GROUPS * value);
    }
  });

  it('passes over what is no value of ours, and counts it', async (t) => {
    const redis = await startRedis(t);
    await redis.cli('set', 'gunicorn:shop:x', 'nonsense');
    await redis.cli('zadd', 'gunicorn:index', '1', 'gunicorn:shop:x');
    const fleet = await serveFleet(t, redis);
    await until(
      async () => sum(await scrape(fleet), 'gunicorn_fleet_read_errors_total', { cause: 'value' }) > 0,
      'told',
    );
    assert.equal(sum(await scrape(fleet), 'gunicorn_fleet_instances'), 0);
  });

  it('with a wrong password says so, is degraded and gives nothing of the password away', async (t) => {
    const redis = await startRedis(t, '--requirepass', 'right');
    const fleet = await serveFleet(t, redis, undefined, { REDIS_PASSWORD: 'wrong-secret' });
    await fleet.says(/cannot be read \(wrongpass/, 'stderr');
    assert.doesNotMatch(fleet.output.stderr, /wrong-secret/);
    assert.equal(sum(await scrape(fleet), 'gunicorn_fleet_redis_up'), 0);
  });

  it('asks for a fleet or for a group, not for both', async (t) => {
    for (const args of [['--redis', '--group', 'x'], ['--sum']]) {
      const wrong = start(t, [CLI, 'serve', ...args], { preload: 'none' });
      assert.deepEqual(await wrong.ended(), { code: 2, signal: null });
    }
  });
});

async function startGroups(t: TestContext): Promise<{ redis: RedisServer; groups: Cluster[] }> {
  const redis = await startRedis(t);
  const env = {
    REDIS_ENABLED: 'true',
    REDIS_PORT: String(redis.port),
    REDIS_FORWARD_INTERVAL: '1',
    OTEL_SERVICE_NAME: 'shop',
  };
  const groups = await Promise.all(
    Array.from({ length: GROUPS }, () =>
      startCluster(t, 'counts-its-answers.mjs', 2, { env, directory: freshDirectory(t) }),
    ),
  );
  for (const { port } of groups) await requests(`http://127.0.0.1:${port}/`, REQUESTS);
  return { redis, groups };
}

// As groups do, but all at once: each has counted to `count`.
async function writeGroups(t: TestContext, redis: RedisServer, groups: number, count: number): Promise<void> {
  const client = createClient({ socket: { port: redis.port } });
  await client.connect();
  atEnd(t, () => client.isOpen && client.destroy());
  for (let i = 0; i < groups; i += 1) {
    const key = `gunicorn:shop:box-${i}`;
    const when = { startMs: 1, writtenAtMs: count, intervalMs: 60_000 };
    const series = [{ labels: {}, value: count }];
    const families = [{ name: 'jobs_total', type: 'counter' as const, help: 'Jobs', series }];
    const value = { service: 'shop', id: `box-${i}`, host: 'box', pid: i, ...when, resource: {}, families };
    await client.set(key, encodeValue(value));
    await client.zAdd('gunicorn:index', { score: count, value: key });
  }
  client.destroy();
}

async function serveFleet(
  t: TestContext,
  redis: RedisServer,
  sum?: '--sum',
  more: Record<string, string> = {},
): Promise<Running> {
  const env = { REDIS_PORT: String(redis.port), REDIS_FORWARD_INTERVAL: '1', ...more };
  return start(t, [CLI, 'serve', '--redis', ...(sum ? [sum] : [])], { preload: 'none', env });
}

async function urlOf(fleet: Running): Promise<string> {
  return (await fleet.says(/metrics of the fleet are at (http\S+)/, 'stderr'))[1]!;
}

async function scrape(fleet: Running): Promise<Sample[]> {
  const answer = await request(await urlOf(fleet));
  assert.equal(answer.status, 200, answer.body);
  return parseExposition(answer.body);
}

// All of it at once, as a machine that is gone.
function kill({ pid }: Cluster): void {
  process.kill(-pid, 'SIGKILL');
}
