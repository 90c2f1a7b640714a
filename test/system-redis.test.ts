/** A group with a real exporter thread and a real Redis: what arrives is what a scrape shows, and the app feels nothing. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { SETTINGS } from '@x/gunicorn-otel';
import { decodeValue, type GroupValue } from '../src/export/group-value.ts';
import { startExportingProcess, startGroup, still } from './exporting-group.ts';
import { type Sample, select, sum } from './exposition.ts';
import { fixture, freePort, freshDirectory, startCluster, until } from './processes.ts';
import { NO_REDIS, type RedisServer, startRedis } from './redis-server.ts';
import { request, requests } from './requests.ts';
import { measure, serve } from './scenes.ts';

const INTERVAL_MS = 100;
const IDLE = 'setInterval(() => {}, 1000);';

// A suite that is skipped is not counted as skipped; this is, and .ci/run fails of it.
it('there is a Redis to test with', { skip: NO_REDIS }, () => {});

describe('a group with Redis', { skip: NO_REDIS }, () => {
  it('puts there what a scrape shows, and again what it shows later', async (t) => {
    const redis = await startRedis(t);
    const table = serve([{ path: '/a' }, { path: '/b', status: 503, seconds: 2 }]);
    measure(table, { name: 'job.duration', unit: 's', kind: 'histogram', bounds: [[0.5, 1]], cell: [2.25, 1, 0, 2] });
    const group = startGroup(t, table, settingsOf(redis));
    const { families, resource, ...value } = await theValue(redis);
    assert.deepEqual(still(samplesOf(families)), still(await group.scrape()));
    assert.deepEqual([value.pid, value.startMs, value.intervalMs], [process.pid, group.startMs, INTERVAL_MS]);
    assert.equal(resource['service.instance.id'], value.id);
    group.publish(serve([{ path: '/a' }, { path: '/a' }, { path: '/a' }]));
    const count = 'http_server_request_duration_seconds_count';
    await until(async () => sum(samplesOf((await theValue(redis)).families), count) === 3, 'the third request');
  });

  it('tells in its scrape how Redis does, and counts no scrape for what it forwards', async (t) => {
    const redis = await startRedis(t);
    const group = startGroup(t, serve([]), settingsOf(redis));
    await until(async () => (await redis.calls())['set']! > 5, 'forwards');
    const samples = await group.scrape();
    assert.equal(sum(samples, 'gunicorn_exporter_scrapes_total'), 1);
    assert.equal(sum(samples, 'gunicorn_exporter_redis_up'), 1);
    assert.ok(sum(samples, 'gunicorn_exporter_redis_forwards_total') > 5);
    assert.ok(Math.abs(sum(samples, 'gunicorn_exporter_redis_last_success_timestamp_seconds') - Date.now() / 1000) < 2);
    await redis.kill();
    await until(async () => sum(await group.scrape(), 'gunicorn_exporter_redis_up') === 0, 'down');
    await until(
      async () => select(await group.scrape(), 'gunicorn_exporter_redis_errors_total', { cause: 'econnrefused' })[0],
      'an error',
    );
  });

  it('is scraped while Redis hangs as it is while Redis answers', async (t) => {
    const redis = await startRedis(t, '--enable-debug-command', 'yes');
    const group = startGroup(t, serve([{}]), settingsOf(redis));
    await theValue(redis);
    void redis.cli('debug', 'sleep', '2').catch(() => {});
    let slowestMs = 0;
    for (let i = 0; i < 20; i += 1) {
      const startMs = performance.now();
      await group.scrape();
      slowestMs = Math.max(slowestMs, performance.now() - startMs);
      await delay(50);
    }
    assert.ok(slowestMs < 1000, `${slowestMs} ms`);
  });

  it('whose process is killed is gone from Redis when its time to live has passed', async (t) => {
    const redis = await startRedis(t);
    const group = startExportingProcess(t, { ...settingsOf(redis), redisTtlMs: 1000 }, IDLE);
    const { pid } = await theValue(redis);
    assert.equal(pid, group.pid);
    process.kill(group.pid, 'SIGKILL');
    await until(async () => (await keys(redis)).length === 0, 'nothing under a key');
  });

  it('that stops takes its value and its place in the index away', async (t) => {
    const redis = await startRedis(t);
    const group = startGroup(t, serve([]), settingsOf(redis));
    await theValue(redis);
    group.stop();
    await until(async () => (await redis.cli('keys', '*')) === '', 'nothing is left');
  });

  for (const state of ['answers', 'hangs', 'is away']) {
    it(`ends when it has nothing left to do, though Redis ${state}`, async (t) => {
      const redis = await startRedis(t, '--enable-debug-command', 'yes');
      if (state === 'hangs') void redis.cli('debug', 'sleep', '20').catch(() => {});
      if (state === 'is away') await redis.kill();
      const source = `setTimeout(() => console.log('done'), 1000);`;
      const group = startExportingProcess(t, settingsOf(redis), source);
      await group.says(/done/);
      const startMs = performance.now();
      assert.deepEqual(await group.ended(), { code: 0, signal: null });
      assert.ok(performance.now() - startMs < 1000);
      assert.equal(group.output.stdout, 'done\n');
    });
  }

  it('ends too when its exporter had to run in the thread of the app', async (t) => {
    const redis = await startRedis(t);
    const exporter = JSON.stringify(new URL('../src/export/exporter.js', import.meta.url).href);
    const source = `
      exporter.stop();
      const { startExporter } = await import(${exporter});
      startExporter({ directory, settings, version: '1.2.3', lead: { number: 0, startMs: 1 } }).unref();
      setTimeout(() => console.log('done'), 2000);`;
    // Between its first forward and its second.
    const group = startExportingProcess(t, { ...settingsOf(redis), redisForwardIntervalMs: 20_000 }, source);
    await group.says(/done/);
    const startMs = performance.now();
    assert.deepEqual(await group.ended(), { code: 0, signal: null });
    assert.ok(performance.now() - startMs < 1000);
    assert.ok(
      (await keys(redis)).some((key) => key.endsWith('-1')),
      'it has forwarded',
    );
  });

  it('speaks TLS to a Redis whose certificate is of an authority that Node is told of', async (t) => {
    const directory = freshDirectory(t);
    const file = (name: string) => join(directory, name);
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
    const form = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...subject];
    execFileSync('openssl', [...form, '-keyout', file('key'), '-out', file('cert')], { stdio: 'ignore' });
    const port = await freePort();
    const certificates = ['--tls-cert-file', file('cert'), '--tls-key-file', file('key'), '--tls-auth-clients', 'no'];
    const redis = await startRedis(t, '--tls-port', String(port), ...certificates);
    const settings = { ...settingsOf(redis), redisUrl: `rediss://localhost:${port}` };
    const trusting = startExportingProcess(t, settings, IDLE, { env: { NODE_EXTRA_CA_CERTS: file('cert') } });
    assert.equal((await theValue(redis)).pid, trusting.pid);
    const wary = startExportingProcess(t, settings, IDLE);
    await wary.says(/no metrics get to Redis at localhost:\d+ \(depth_zero_self_signed_cert: /, 'stderr');
  });
});

// What only the variables and the whole package can show.
const NO_VARIABLES = !('redisEnabled' in SETTINGS) && 'this build has no REDIS_ENABLED';

describe('an app with REDIS_ENABLED', { skip: NO_REDIS || NO_VARIABLES }, () => {
  it('serves a Redis that hangs as it serves without, and tells it all of its cluster', async (t) => {
    const redis = await startRedis(t, '--enable-debug-command', 'yes');
    const env = {
      REDIS_ENABLED: 'true',
      REDIS_PORT: String(redis.port),
      REDIS_FORWARD_INTERVAL: '1',
      OTEL_SERVICE_NAME: 'shop',
    };
    const cluster = await startCluster(t, 'counts-its-answers.mjs', 2, { env });
    const url = `http://127.0.0.1:${cluster.port}/`;
    await requests(url, 40);
    const count = 'gunicorn_worker_requests_total';
    await until(async () => sum(samplesOf((await theValue(redis)).families), count) === 40, 'all requests in Redis');
    assert.equal((await theValue(redis)).service, 'shop');
    void redis.cli('debug', 'sleep', '3').catch(() => {});
    let slowestMs = 0;
    for (let i = 0; i < 100; i += 1) {
      const startMs = performance.now();
      await request(url);
      slowestMs = Math.max(slowestMs, performance.now() - startMs);
      await delay(10);
    }
    assert.ok(slowestMs < WAITED_MS, `${slowestMs} ms`);
    cluster.child.kill('SIGTERM');
    await cluster.ended();
  });
});

const UP = 'gunicorn_exporter_redis_up';
// Who waited for Redis would wait for seconds: it hangs for three, and a connection has five to be made.
const WAITED_MS = 1000;
// What becomes of Redis, and what the forwards then find.
const STATES: readonly (readonly [state: string, up: number, become: (redis: RedisServer) => Promise<unknown>])[] = [
  ['is full', 0, (redis) => redis.cli('config', 'set', 'maxmemory', '1')],
  ['has room again', 1, (redis) => redis.cli('config', 'set', 'maxmemory', '0')],
  ['hangs', 1, async (redis) => void redis.cli('debug', 'sleep', '3').catch(() => {})],
  ['is away', 0, (redis) => redis.kill()],
  ['is back, empty', 1, (redis) => redis.restart()],
  [
    'has a password',
    0,
    async (redis) => {
      await redis.cli('config', 'set', 'requirepass', 'another');
      // Who is in stays in.
      await redis.cli('-a', 'another', '--no-auth-warning', 'client', 'kill', 'type', 'normal');
    },
  ],
];

describe('an app whose Redis changes', { skip: NO_REDIS || NO_VARIABLES }, () => {
  it('answers as before, whatever Redis does, and its totals get there when they can', async (t) => {
    const redis = await startRedis(t, '--enable-debug-command', 'yes');
    const env = { REDIS_ENABLED: 'true', REDIS_PORT: String(redis.port), REDIS_FORWARD_INTERVAL: '1' };
    const cluster = await startCluster(t, 'counts-its-answers.mjs', 2, { env });
    const finds = async (up: number) => sum(await cluster.scrape(), UP) === up;
    await until(() => finds(1), 'a first forward');
    const told = [inMs('usually', await timesOf(cluster.port))];
    for (const [state, up, become] of STATES) {
      await become(redis);
      const times = await timesOf(cluster.port);
      await until(async () => times.push(...(await timesOf(cluster.port))) > 0 && finds(up), state);
      told.push(inMs(state, times));
      assert.ok(Math.max(...times) < WAITED_MS, told.at(-1));
    }
    t.diagnostic(`median and longest of a request, ${told.join('; ')}`);
  });
});

// A hundred requests, one after another.
async function timesOf(port: number): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < 100; i += 1) {
    const startMs = performance.now();
    await request(`http://127.0.0.1:${port}/`);
    times.push(performance.now() - startMs);
  }
  return times;
}

function inMs(state: string, times: readonly number[]): string {
  const sorted = [...times].sort((a, b) => a - b);
  return `${state}: ${sorted[sorted.length >> 1]!.toFixed(1)} and ${sorted.at(-1)!.toFixed(1)} ms`;
}

describe('a hook that calls redisWhenReady', { skip: NO_REDIS || NO_VARIABLES }, () => {
  it('forwards as REDIS_ENABLED does, from then on', async (t) => {
    const redis = await startRedis(t);
    const env = {
      REDIS_PORT: String(redis.port),
      REDIS_FORWARD_INTERVAL: '1',
      GUNICORN_OTEL_CONFIG: fixture('forwards-when-ready.mjs'),
    };
    const cluster = await startCluster(t, 'counts-its-answers.mjs', 2, { env });
    await requests(`http://127.0.0.1:${cluster.port}/`, 10);
    const count = 'gunicorn_worker_requests_total';
    await until(async () => sum(samplesOf((await theValue(redis)).families), count) === 10, 'all requests in Redis');
    assert.equal(sum(await cluster.scrape(), 'gunicorn_exporter_redis_up'), 1);
  });
});

function settingsOf({ port }: { port: number }) {
  return { redisEnabled: true, redisHost: '127.0.0.1', redisPort: port, redisForwardIntervalMs: INTERVAL_MS };
}

async function keys(redis: RedisServer): Promise<string[]> {
  return (await redis.cli('keys', 'gunicorn:*')).split('\n').filter((key) => key !== '' && key !== 'gunicorn:index');
}

async function theValue(redis: RedisServer): Promise<GroupValue> {
  const key = await until(async () => (await keys(redis))[0], 'a value');
  return decodeValue(await redis.get(key))!;
}

function samplesOf(families: GroupValue['families']): Sample[] {
  return families.flatMap(({ name, bounds: usual, series }) =>
    series.flatMap(({ labels, value, bounds = usual! }): Sample[] => {
      if (typeof value === 'number') return [{ name, labels, value }];
      const counts = value.slice(1);
      const buckets = counts.map((_, i) => ({
        name: `${name}_bucket`,
        labels: { ...labels, le: String(bounds[i] ?? '+Inf') },
        value: counts.slice(0, i + 1).reduce((total, count) => total + count, 0),
      }));
      const count = { name: `${name}_count`, labels, value: counts.reduce((total, each) => total + each, 0) };
      return [count, { name: `${name}_sum`, labels, value: value[0]! }, ...buckets];
    }),
  );
}
