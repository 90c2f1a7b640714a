/** However many attribute sets and instruments an app makes: what its processes hold, their files and the scrapes are bounded. */
import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { parseExposition, type Sample, select, sum } from './exposition.ts';
import { type Cluster, startCluster, until } from './processes.ts';
import { request } from './requests.ts';

const MAX_SERIES = 500;
const MAX_INSTRUMENTS = 1000;
const MEASUREMENTS = 200_000;
const INSTRUMENTS = 20_000;
// Of what is kept of each of 200,000 sets there would be more; an interpreter that warms up keeps less.
const MEMORY_BOUND_BYTES = 2 ** 20;
// Names and labels of 1,500 metrics and series, in a file that is made with room to grow.
const FILE_BOUND_BYTES = 2 ** 20;
const SCRAPE_BOUND_BYTES = 2 ** 20;
const OVERFLOW = 'gunicorn_exporter_overflow_total';

test('a new set of attributes for each of 200,000 calls is capped for life, and nothing grows after that', async (t) => {
  const cluster = await startCluster(t, 'floods-its-instruments.mjs', 1, {
    env: { GUNICORN_OTEL_MAX_SERIES: String(MAX_SERIES) },
  });
  const rounds = [];
  for (let round = 1; round <= 3; round += 1) rounds.push(await flood(cluster, round));
  const [first, , third] = rounds as [Flooded, Flooded, Flooded];
  for (const { samples, fileBytes, scrapeBytes } of rounds) {
    assert.equal(select(samples, 'orders_total').length, MAX_SERIES + 1);
    assert.ok(fileBytes < FILE_BOUND_BYTES, `a file of ${fileBytes} bytes`);
    assert.ok(scrapeBytes < SCRAPE_BOUND_BYTES, `a scrape of ${scrapeBytes} bytes`);
  }
  t.diagnostic(`file ${first.fileBytes}, ${third.fileBytes}; scrape ${first.scrapeBytes}, ${third.scrapeBytes} bytes`);
  t.diagnostic(`held ${rounds.map(({ heldBytes }) => heldBytes)} bytes`);
  assert.equal(third.fileBytes, first.fileBytes);
  assert.ok(third.scrapeBytes < 1.1 * first.scrapeBytes);
  assert.ok(third.heldBytes - first.heldBytes < MEMORY_BOUND_BYTES, `${third.heldBytes} after ${first.heldBytes}`);
  const { samples } = third;
  assert.equal(sum(samples, OVERFLOW, { metric: 'orders' }), 3 * MEASUREMENTS - MAX_SERIES);
  assert.equal(sum(samples, 'orders_total', { otel_metric_overflow: 'true' }), 3 * MEASUREMENTS - MAX_SERIES);
  // Two instruments were there before.
  const made = new Set(samples.map(({ name }) => name).filter((name) => /^orders_\d/.test(name)));
  assert.equal(made.size, MAX_INSTRUMENTS - 2);
  assert.equal(sum(samples, OVERFLOW, { metric: 'instruments' }), 3 * INSTRUMENTS - (MAX_INSTRUMENTS - 2));
  const told = cluster.output.stderr.split('\n').filter((line) => line.includes('an instrument of the app'));
  assert.equal(told.length, 1, cluster.output.stderr);
});

test('the cap holds over the group and its dead, and the sum of all series is what was recorded', async (t) => {
  const perWorker = 30;
  const env = { GUNICORN_OTEL_MAX_SERIES: '40', GUNICORN_OTEL_EXITED_RETENTION: '1s', SETS: String(perWorker) };
  const cluster = await startCluster(t, 'records-sets-of-its-own.mjs', 3, { env });
  let workers = 3;
  const recorded = () =>
    until(async () => {
      const samples = await cluster.scrape();
      for (const name of ['orders_total', 'wait_count']) {
        assert.ok(select(samples, name).length <= 41, `${select(samples, name).length} series`);
      }
      const all = [sum(samples, 'orders_total'), sum(samples, 'wait_count')];
      return all.every((count) => count === workers * perWorker);
    }, `what ${workers} workers have recorded`);
  await recorded();
  for (const id of ['1', '2', '4']) {
    process.kill(cluster.workers().get(id)!, 'SIGKILL');
    workers += 1;
    await until(() => cluster.workers().size === workers, 'a successor');
    await recorded();
  }
  const snapshots = () => groupFiles(cluster).filter((file) => file.endsWith('.snapshot'));
  await until(() => snapshots().length <= 4, 'the dead are folded');
  await recorded();
});

interface Flooded {
  readonly samples: Sample[];
  readonly scrapeBytes: number;
  readonly fileBytes: number;
  readonly heldBytes: number;
}

// Lets the worker do it once more, and looks when all of it is in the scrape.
async function flood(cluster: Cluster, round: number): Promise<Flooded> {
  process.kill(cluster.workers().get('1')!, 'SIGUSR2');
  const held = () => [...cluster.output.stdout.matchAll(/^holds (\d+) bytes$/gm)].map(([, bytes]) => Number(bytes));
  await until(() => held().length === round, 'the end of the flood', 120_000);
  const body = await until(async () => {
    const { body } = await request(await cluster.metricsUrl());
    return sum(parseExposition(body), 'orders_total') === round * MEASUREMENTS && body;
  }, 'all of the flood');
  const sizes = groupFiles(cluster).map((file) => statSync(file).size);
  return {
    samples: parseExposition(body),
    scrapeBytes: body.length,
    fileBytes: Math.max(...sizes),
    heldBytes: held().at(-1)!,
  };
}

function groupFiles({ directory }: Cluster): string[] {
  const [group] = readdirSync(directory);
  return readdirSync(join(directory, group!)).map((file) => join(directory, group!, file));
}
