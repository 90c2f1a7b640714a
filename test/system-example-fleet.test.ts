/** examples/redis and examples/otlp, run as their package.json says, with a real Redis and a receiver of OTLP. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { CLI } from './cli.ts';
import { parseExposition, sum } from './exposition.ts';
import { startReceiver } from './otlp-receiver.ts';
import { ROOT, type Running, start, until } from './processes.ts';
import { NO_REDIS, startRedis } from './redis-server.ts';
import { COUNT } from './request-count.ts';
import { request, requests } from './requests.ts';

const ORDERS = 8;

test('redis: what two shops have put into Redis is one sum', { skip: NO_REDIS }, async (t) => {
  const redis = await startRedis(t);
  const env = { REDIS_ENABLED: 'true', REDIS_PORT: String(redis.port), REDIS_FORWARD_INTERVAL: '1' };
  for (const _ of ['one', 'another']) await order(await startExample(t, 'redis', env));
  const fleet = start(t, [CLI, 'serve', '--redis', '--sum'], { preload: 'none', env });
  const [, url] = await fleet.says(/metrics of the fleet are at (http\S+)/, 'stderr');
  await until(async () => {
    const samples = parseExposition((await request(url!)).body);
    return sum(samples, 'shop_orders_total') === 2 * ORDERS && sum(samples, COUNT) === 2 * ORDERS;
  }, 'the orders of both');
});

test('otlp: both workers are one stream of pushes', async (t) => {
  const receiver = await startReceiver(t);
  const example = await startExample(t, 'otlp', {
    OTEL_METRICS_EXPORTER: 'otlp,prometheus',
    OTEL_METRIC_EXPORT_INTERVAL: '500',
    OTEL_METRIC_EXPORT_TIMEOUT: '500',
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
  });
  await order(example);
  await until(() => {
    const metric = receiver.pushes.at(-1)?.metrics.find(({ name }) => name === 'shop_orders_total');
    return metric?.points.reduce((total, { value }) => total + value!, 0) === ORDERS;
  }, 'the orders of both workers');
  assert.equal(new Set(receiver.pushes.map(({ resource }) => resource['service.instance.id'])).size, 1);
});

async function startExample(t: TestContext, name: string, env: Record<string, string>): Promise<Running> {
  return start(t, [join(ROOT, 'examples', name, 'server.mjs')], { env: { PORT: '0', ...env } });
}

async function order(example: Running): Promise<void> {
  const [, port] = await example.says(/^ready on port (\d+)/m);
  await requests(`http://127.0.0.1:${port}/`, ORDERS);
}
