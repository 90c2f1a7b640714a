/** Holds src/export/redis.ts and what it is made of against a real Redis that comes, goes, hangs and refuses. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { toMetricData } from '../src/catalogue/families.ts';
import {
  decodeValue,
  encodeValue,
  type GroupValue,
  type ValueFamily,
  valueFamilies,
} from '../src/export/group-value.ts';
import { type ForwardSettings, RedisForwarder } from '../src/export/redis.ts';
import { causeOf, redisTarget, tell, usable } from '../src/export/redis-connection.ts';
import { catchLines } from './lines.ts';
import { atEnd, freePort, until } from './processes.ts';
import { NO_REDIS, type RedisServer, startRedis } from './redis-server.ts';

const INSTANCE = { service: 'shop', id: 'box-7-1700000000000', host: 'box', pid: 7, startMs: 1_700_000_000_000 };
const KEY = 'gunicorn:shop:box-7-1700000000000';
const INDEX = 'gunicorn:index';
const INTERVAL_MS = 50;
const TIMEOUT_MS = 300;
const FAMILIES: ValueFamily[] = [
  { name: 'requests_total', type: 'counter', help: 'Told.', series: [{ labels: { worker_id: 'w' }, value: 3 }] },
  { name: 'depth', type: 'gauge', additive: true, help: '', series: [{ labels: {}, value: Number.NaN }] },
  {
    name: 'seconds',
    type: 'histogram',
    help: 'Of two ages.',
    bounds: [0.5, 1],
    series: [
      { labels: { a: '"\n☃' }, value: [2.25, 1, 0, 2] },
      { labels: {}, value: [Number.POSITIVE_INFINITY, 1, 4], bounds: [7] },
    ],
  },
];
const VALUE: GroupValue = {
  ...INSTANCE,
  writtenAtMs: 1_700_000_100_000,
  intervalMs: 30_000,
  resource: { 'service.name': 'shop', 'process.pid': 7 },
  families: FAMILIES,
};
const USER = ['metrics', 'on', '>hunter2', '~*', '+@all'];
const lines = catchLines();

describe('a value', () => {
  it('is read as it was written', () => {
    assert.deepEqual(decodeValue(encodeValue(VALUE)), VALUE);
  });

  it('is made of collected metrics: each histogram with its own bounds, an amount told from a gauge', () => {
    const histogram = (labels: Record<string, string>, bounds: number[]) => ({
      labels,
      value: { cell: Float64Array.from([2.5, ...bounds.map(() => 1), 4]), bounds },
    });
    const made = [
      { name: 'c_total', type: 'counter', help: 'C.', points: [{ labels: { a: 'b' }, value: 3 }] },
      { name: 'u', type: 'gauge', additive: true, help: 'U.', points: [{ labels: {}, value: -1 }] },
      { name: 'g', type: 'gauge', help: 'G.', points: [] },
      { name: 'h', type: 'histogram', help: 'H.', points: [histogram({}, [1, 2]), histogram({ a: 'b' }, [7])] },
    ] as const;
    assert.deepEqual(valueFamilies(made.map((family) => toMetricData(family, [1, 0], [2, 0]))), [
      { name: 'c_total', type: 'counter', help: 'C.', series: [{ labels: { a: 'b' }, value: 3 }] },
      { name: 'u', type: 'gauge', additive: true, help: 'U.', series: [{ labels: {}, value: -1 }] },
      { name: 'g', type: 'gauge', help: 'G.', series: [] },
      {
        name: 'h',
        type: 'histogram',
        help: 'H.',
        bounds: [1, 2],
        series: [
          { labels: {}, value: [2.5, 1, 1, 4] },
          { labels: { a: 'b' }, value: [2.5, 1, 4], bounds: [7] },
        ],
      },
    ]);
  });

  it('that is none, or none of this version, is not read, whatever it is', () => {
    const bad = (text: string) => decodeValue(gzipSync(text));
    const told = { ...VALUE, v: 1, families: [] };
    assert.ok(bad(JSON.stringify(told)));
    for (const change of [
      { v: 2 },
      { pid: '7' },
      { families: {} },
      { families: [{}] },
      { resource: null },
      { resource: { a: {} } },
    ]) {
      assert.equal(bad(JSON.stringify({ ...told, ...change })), undefined, JSON.stringify(change));
    }
    const series = (type: string, ...each: unknown[]) =>
      bad(JSON.stringify({ ...told, families: [{ name: 'x', type, help: '', bounds: [1], series: [each] }] }));
    assert.ok(series('counter', {}, 1) && series('histogram', {}, [1, 2, 3]));
    assert.equal(series('counter', {}, 'many'), undefined);
    assert.equal(series('counter', { a: 1 }, 1), undefined);
    assert.equal(series('counter', null, 1), undefined);
    assert.equal(series('histogram', {}, [1, 2]), undefined);
    assert.equal(series('summary', {}, 1), undefined);
    assert.ok(series('histogram', {}, [1, 2, 3, 4], [1, 2]));
    assert.equal(series('histogram', {}, [1, 2, 3], ['1"} 1\nup{job="x"} 0\n#']), undefined);
    for (const name of ['1a', 'a.b', 'a__b', '', 'a"} 1\nb{c']) {
      assert.equal(series('counter', { [name]: 'x' }, 1), undefined, name);
    }
    fc.assert(fc.property(fc.uint8Array(), (bytes) => decodeValue(bytes) === undefined));
    fc.assert(fc.property(fc.json(), (text) => bad(text) === undefined));
  });
});

describe('node-redis', () => {
  it('of version 5 is used, that of an app with another is not', async () => {
    const own = await import('redis');
    assert.equal(usable(own), own);
    const { RESP_TYPES: _, ...older } = own;
    assert.throws(() => usable(older), /^Error: version 5 is needed, and another one is installed$/);
  });
});

describe('where Redis is', () => {
  const cases: [ForwardSettings, ReturnType<typeof redisTarget>][] = [
    [{}, { host: 'localhost', port: 6379, database: 0, tls: false }],
    [
      { redisHost: 'r', redisPort: 1, redisDb: 2, redisTls: true, redisUsername: 'u', redisPassword: 'p' },
      { host: 'r', port: 1, database: 2, tls: true, username: 'u', password: 'p' },
    ],
    [
      { redisUrl: 'rediss://u:p%40%2F@[::1]:7/3', redisHost: 'r', redisPort: 1, redisDb: 2, redisPassword: 'q' },
      { host: '::1', port: 7, database: 3, tls: true, username: 'u', password: 'p@/' },
    ],
    [
      { redisUrl: 'redis://r', redisPort: 1, redisDb: 2, redisPassword: '100%' },
      { host: 'r', port: 6379, database: 2, tls: false, password: '100%' },
    ],
    [{ redisUrl: 'http://r' }, undefined],
    [{ redisUrl: 'r:6379' }, undefined],
  ];
  for (const [settings, expected] of cases) {
    it(`by ${JSON.stringify(settings)} is ${JSON.stringify(expected)}`, () => {
      assert.deepEqual(redisTarget(settings), expected);
    });
  }

  it('is said by no line when the URL is none, since it holds a password', () => {
    lines.length = 0;
    const forwarder = new RedisForwarder({ settings: { redisUrl: 'http://u:hunter2@r' }, instance: INSTANCE, collect });
    assert.equal(forwarder.state.up, 0);
    assert.match(lines.join('\n'), /^gunicorn-otel: REDIS_URL is no redis/);
    assert.doesNotMatch(lines.join('\n'), /hunter2/);
  });
});

describe('an error', () => {
  it('is told without the password, whoever wrote it into the message', () => {
    const target = redisTarget({ redisUrl: 'redis://u:hunt%40er2@r' })!;
    assert.equal(tell(new Error('AUTH u hunt@er2 refused'), target), 'AUTH u *** refused');
  });

  it('has one of few words as its cause, whatever it says', () => {
    const coded = (code: string) => Object.assign(new Error('x'), { code });
    assert.deepEqual(
      [new Error('who knows'), coded('ECONNRESET'), coded('a b'), coded('ETIMEDOUT'), new Error('OOM command'), {}].map(
        causeOf,
      ),
      ['closed', 'econnreset', 'closed', 'timeout', 'oom', 'closed'],
    );
  });
});

// A suite that is skipped is not counted as skipped; this is, and .ci/run fails of it.
it('there is a Redis to test with', { skip: NO_REDIS }, () => {});

describe('forwarding', { skip: NO_REDIS }, () => {
  it('puts the value under its key and the key into the index, with a time to live, again and again', async (t) => {
    const redis = await startRedis(t);
    const { state } = forward(t, redis, { redisTtlMs: 20_000 });
    await until(() => state.forwards > 3, 'forwards');
    const value = decodeValue(await redis.get(KEY))!;
    assert.deepEqual({ ...value, writtenAtMs: VALUE.writtenAtMs }, { ...VALUE, intervalMs: INTERVAL_MS });
    const [member, score] = (await redis.cli('zrange', INDEX, '0', '-1', 'withscores')).split('\n');
    assert.equal(member, KEY);
    const ttlMs = Number(await redis.cli('pttl', KEY));
    assert.ok(ttlMs > 10_000 && ttlMs <= 20_000, `${ttlMs}`);
    assert.ok(Math.abs(Number(score) - Date.now() - ttlMs) < 2000, `${score}`);
    assert.equal(state.up, 1);
    assert.ok(state.lastForwardSeconds! > 0 && Math.abs(state.lastSuccessSeconds! - Date.now() / 1000) < 5);
    assert.equal(state.errors.size, 0);
  });

  it('takes three commands per interval and none besides, with ten thousand series as with one', async (t) => {
    const redis = await startRedis(t);
    const series = Array.from({ length: 10_000 }, (_, i) => ({ labels: { i: `${i}` }, value: i }));
    const many = { ...FAMILIES[0]!, series };
    const { state, stop } = forward(t, redis, {}, async () => ({ resource: {}, families: [many] }));
    await until(() => state.forwards > 5, 'forwards');
    await stop();
    assert.deepEqual(await redis.calls(), {
      set: state.forwards,
      zadd: state.forwards,
      zremrangebyscore: state.forwards,
      del: 1,
      zrem: 1,
    });
  });

  it('sweeps out of the index who has long expired, not who is late by a clock that differs', async (t) => {
    const redis = await startRedis(t);
    await redis.cli('zadd', INDEX, String(Date.now() - 3_600_000), 'gone', String(Date.now() - 60_000), 'late');
    const { state } = forward(t, redis, {});
    await until(() => state.up, 'a forward');
    assert.deepEqual((await redis.cli('zrange', INDEX, '0', '-1')).split('\n'), ['late', KEY]);
  });

  it('uses the database, the prefix and the user that it is told, who needs few rights', async (t) => {
    const redis = await startRedis(t);
    const rights = ['+set', '+zadd', '+zremrangebyscore', '+del', '+zrem', '+select'];
    await redis.cli('acl', 'setuser', 'metrics', 'on', '>s3cret', '~fleet:*', ...rights);
    const settings = { redisUsername: 'metrics', redisPassword: 's3cret', redisDb: 5, redisKeyPrefix: 'fleet' };
    const { state, stop } = forward(t, redis, settings);
    await until(() => state.up, 'a forward');
    assert.equal(await redis.cli('-n', '5', 'zrange', 'fleet:index', '0', '-1'), KEY.replace('gunicorn', 'fleet'));
    await stop();
    assert.equal(await redis.cli('-n', '5', 'keys', '*'), '', 'a stop leaves nothing');
    assert.equal(state.errors.size, 0);
  });

  it('with a time to live that is no longer than the interval takes three intervals, and says so', async (t) => {
    const redis = await startRedis(t);
    lines.length = 0;
    const { state } = forward(t, redis, { redisTtlMs: 30, redisForwardIntervalMs: 2000 });
    assert.match(lines[0]!, /REDIS_TTL_SECONDS \(0.03 s\) is not longer than .* \(2 s\): 6 s is used/);
    await until(() => state.up, 'a forward');
    assert.ok(Number(await redis.cli('pttl', KEY)) > 4000);
  });

  it('takes an interval that is no whole number of milliseconds', async (t) => {
    const redis = await startRedis(t);
    // 16.1 s, as it is when it is computed.
    const { state } = forward(t, redis, { redisForwardIntervalMs: 16.1 * 1000 });
    await until(
      () => state.up,
      () => `a forward; ${lines.join('\n')}`,
    );
    assert.ok(Number(await redis.cli('pttl', KEY)) > 3 * 15_000);
  });
});

describe('Redis', { skip: NO_REDIS }, () => {
  const troubles: Record<
    string,
    { cause: string; begin(redis: RedisServer): Promise<unknown>; end(redis: RedisServer): Promise<unknown> }
  > = {
    'that is full': {
      cause: 'oom',
      begin: (redis) => redis.cli('config', 'set', 'maxmemory', '1'),
      end: (redis) => redis.cli('config', 'set', 'maxmemory', '0'),
    },
    'that is a replica now': {
      cause: 'readonly',
      begin: (redis) => redis.cli('replicaof', '127.0.0.1', '1'),
      end: (redis) => redis.cli('replicaof', 'no', 'one'),
    },
    'that crashes and comes back empty': {
      cause: 'econnrefused',
      begin: (redis) => redis.kill(),
      end: (redis) => redis.restart(),
    },
    'that hangs': {
      cause: 'timeout',
      begin: async (redis) => void redis.cli('debug', 'sleep', '1.5').catch(() => {}),
      end: () => delay(1500),
    },
    'that has another password now': {
      cause: 'wrongpass',
      begin: async (redis) => {
        await redis.cli('acl', 'setuser', 'metrics', 'resetpass', '>other');
        await redis.cli('client', 'kill', 'user', 'metrics');
      },
      end: (redis) => redis.cli('acl', 'setuser', 'metrics', '>hunter2'),
    },
    'that takes a right away': {
      cause: 'noperm',
      begin: (redis) => redis.cli('acl', 'setuser', 'metrics', '-zadd'),
      end: (redis) => redis.cli('acl', 'setuser', 'metrics', '+zadd'),
    },
  };
  for (const [name, { cause, begin, end }] of Object.entries(troubles)) {
    it(`${name} is told in one line, and in one more when it takes the metrics again`, async (t) => {
      const redis = await startRedis(t, '--enable-debug-command', 'yes', '--user', ...USER);
      lines.length = 0;
      const { state } = forward(t, redis, { redisUsername: 'metrics', redisPassword: 'hunter2' });
      await until(() => state.up, 'a forward');
      await begin(redis);
      await until(
        () => (state.errors.get(cause) ?? 0) > 1,
        () => `${cause}: ${JSON.stringify([...state.errors])} ${lines}`,
      );
      assert.equal(state.up, 0);
      const successBefore = state.lastSuccessSeconds!;
      await end(redis);
      await until(
        () => state.up && state.lastSuccessSeconds! > successBefore,
        () => `up again: ${lines}`,
      );
      await until(async () => decodeValue(await redis.get(KEY)), 'the value is there again');
      const told = lines.filter((line) => line.includes(`(${cause}: `));
      assert.equal(told.length, 1, lines.join('\n'));
      assert.equal(lines.filter((line) => /takes the metrics again/.test(line)).length, 1);
      assert.ok(lines.length <= 4, lines.join('\n'));
      assert.doesNotMatch(lines.join('\n'), /hunter2/);
    });
  }

  it('that is away is asked less and less often, one connection at a time', async (t) => {
    const port = await freePort();
    const { state } = forward(t, { port }, { redisForwardIntervalMs: 20 });
    await delay(1500);
    // 20 ms, doubled each time: the seventh attempt comes after 20 · 63 ms.
    assert.ok(state.forwards >= 3 && state.forwards <= 9, `${state.forwards}`);
    await until(
      () => state.errors.get('econnrefused') === state.forwards,
      () => `${state.forwards} forwards, errors: ${JSON.stringify([...state.errors])}`,
    );
  });

  it('that hangs holds one forward and no more, and a stop no longer than it answers', async (t) => {
    const redis = await startRedis(t, '--enable-debug-command', 'yes');
    let collections = 0;
    const { state, stop } = forward(t, redis, {}, () => {
      collections += 1;
      return collect();
    });
    await until(() => state.up, 'a forward');
    void redis.cli('debug', 'sleep', '3').catch(() => {});
    await until(() => state.errors.get('timeout'), 'a timeout');
    const [before, startMs] = [collections, performance.now()];
    await stop();
    assert.ok(performance.now() - startMs < 4 * TIMEOUT_MS);
    await delay(4 * INTERVAL_MS);
    assert.ok(collections <= before + 1, 'nothing goes on behind a stop');
  });

  it('whose metrics cannot be collected is not to blame, but the next ones get there', async (t) => {
    const redis = await startRedis(t);
    let broken = true;
    const { state } = forward(t, redis, {}, () => (broken ? Promise.reject(new Error('no group')) : collect()));
    await until(
      () => state.errors.get('collect'),
      () => JSON.stringify([...state.errors]),
    );
    broken = false;
    await until(() => state.up, 'a forward');
  });
});

async function collect() {
  return { resource: VALUE.resource, families: FAMILIES };
}

function forward(t: TestContext, { port }: { port: number }, settings: ForwardSettings, collected = collect) {
  const forwarder = new RedisForwarder({
    settings: { redisHost: '127.0.0.1', redisPort: port, redisForwardIntervalMs: INTERVAL_MS, ...settings },
    instance: INSTANCE,
    collect: collected as typeof collect,
    timeoutMs: TIMEOUT_MS,
  });
  atEnd(t, () => forwarder.stop());
  return { state: forwarder.state, stop: () => forwarder.stop() };
}
