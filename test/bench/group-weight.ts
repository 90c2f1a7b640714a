/** What a group of ten workers sends, whichever way it is told of: the figures that docs/scaling.md multiplies. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { sum } from '../exposition.ts';
import { atEnd, startCluster, until } from '../processes.ts';
import { NO_REDIS, startRedis } from '../redis-server.ts';
import { COUNT } from '../request-count.ts';
import { request, requests } from '../requests.ts';
import { owned } from './owned.ts';
import type { Report } from './report.ts';

const WORKERS = 10;
const ROUTES = 20;
const REQUESTS_PER_ROUTE = 5;

/** @throws when there is no redis-server on the path */
export async function groupWeight(report: Report): Promise<void> {
  if (NO_REDIS) throw new Error(NO_REDIS);
  await owned(async (owner) => {
    const redis = await startRedis(owner);
    let pushedBytes = 0;
    const receiver = createServer(async (req, res) => {
      let bytes = 0;
      for await (const chunk of req) bytes += (chunk as Buffer).length;
      pushedBytes = bytes;
      res.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
    }).listen(0, '127.0.0.1');
    await once(receiver, 'listening');
    atEnd(owner, () => void receiver.close());
    const env = {
      REDIS_ENABLED: 'true',
      REDIS_PORT: String(redis.port),
      REDIS_FORWARD_INTERVAL: '1',
      OTEL_METRICS_EXPORTER: 'prometheus,otlp',
      OTEL_METRIC_EXPORT_INTERVAL: '1000',
      OTEL_METRIC_EXPORT_TIMEOUT: '1000',
      OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`,
    };
    const cluster = await startCluster(owner, 'counts-its-answers.mjs', WORKERS, { env });
    for (let route = 0; route < ROUTES; route += 1) {
      await requests(
        `http://127.0.0.1:${cluster.port}/things/kind-of-${'abcdefghijklmnopqrstuvwxyz'[route]}`,
        REQUESTS_PER_ROUTE,
      );
    }
    await until(async () => sum(await cluster.scrape(), COUNT) === ROUTES * REQUESTS_PER_ROUTE, 'all requests');
    const url = await cluster.metricsUrl();
    const plain = await request(url);
    const gzip = await request(url, { headers: { 'accept-encoding': 'gzip' } });
    await until(() => pushedBytes > 0, 'a push');
    const key = await until(
      async () => (await redis.cli('zrange', 'gunicorn:index', '0', '-1')) || undefined,
      'a value',
    );
    const samples = plain.body.split('\n').filter((line) => line !== '' && line[0] !== '#').length;
    report.say(`A cluster of ${WORKERS} workers, each with some of ${ROUTES} routes; one metric of the app's.`);
    report.table(
      ['told', 'kB'],
      [
        [`scrape, ${samples.toLocaleString('en')} samples`, (plain.body.length / 1000).toFixed(1)],
        ['scrape with gzip', (Number(gzip.headers['content-length']) / 1000).toFixed(1)],
        ['push by OTLP, protobuf with gzip', (pushedBytes / 1000).toFixed(1)],
        ['value in Redis', (Number(await redis.cli('strlen', key)) / 1000).toFixed(1)],
      ],
    );
  });
}
