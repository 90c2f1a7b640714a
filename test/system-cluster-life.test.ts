/**
 * The golden scrape: a cluster lives through everything that can happen to it, step by step, and what is scraped then is
 * held whole. Every metric of the contract must have moved. `UPDATE_GOLDEN=1` writes the golden file anew.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import test, { after, before } from 'node:test';
import { METRICS } from '@x/gunicorn-otel';
import { parseExposition, type Sample, select, sum } from './exposition.ts';
import { normalised } from './normalised-scrape.ts';
import { fixture, type Running, start, until } from './processes.ts';
import { NO_PROMTOOL } from './prometheus-server.ts';
import { connect, request, requests } from './requests.ts';

const GOLDEN = new URL('../../test/golden/cluster-life.txt', import.meta.url);
const COUNT = 'http_server_request_duration_seconds_count';
const RESTARTS = 'gunicorn_master_worker_restarts_total';
// The rows of the contract; those about the exporter are beside it.
const CONTRACT = METRICS.filter(({ name }) => !name.startsWith('gunicorn_exporter_'));
// What promtool has against names that the contract gives.
const OF_THE_CONTRACT = [/^gunicorn_worker_cpu_percent use base unit "ratio" instead of "percent"$/];

let text = '';
let samples: Sample[] = [];
const ends: (() => unknown)[] = [];
after(async () => {
  for (const end of ends.reverse()) await end();
});
before(async () => {
  text = await live({ after: (end) => ends.push(end) });
  samples = parseExposition(text);
});

test('after a life of everything every metric of the contract has a value other than its initial one', () => {
  for (const { name, type } of CONTRACT) {
    const own = select(samples, type === 'histogram' ? `${name}_count` : name);
    assert.ok(
      own.some(({ value }) => value !== 0),
      name,
    );
  }
});

test('the scrape after that life is the golden one', () => {
  const scrape = normalised(text);
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(GOLDEN, scrape);
  // By line: what differs is then what is shown.
  assert.deepEqual(scrape.split('\n'), readFileSync(GOLDEN, 'utf8').split('\n'));
});

test('promtool has nothing against it but the names that the contract gives', { skip: NO_PROMTOOL }, () => {
  const { stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
  const lines = `${stdout}${stderr}`.split('\n').filter((line) => line !== '');
  assert.deepEqual(
    lines.filter((line) => !OF_THE_CONTRACT.some((known) => known.test(line))),
    [],
  );
});

async function live(owner: { after(end: () => unknown): void }): Promise<string> {
  const env = { GUNICORN_OTEL_UNRESPONSIVE_AFTER: '2', GUNICORN_WORKERS: '2' };
  const cluster = start(owner, [fixture('keeps-workers.mjs'), fixture('lives-a-worker-life.mjs'), '2'], { env });
  const primary = (signal: NodeJS.Signals) => cluster.child.kill(signal);
  const { serving, restarted, counted, begun } = watched(cluster);
  await cluster.metricsUrl();

  const one = await serving(1);
  const two = await serving(2);
  await requests(`${one.url}/`, 3);
  await requests(`${one.url}/users/1`, 2);
  await request(`${one.url}/`, { method: 'HEAD' });
  await request(`${one.url}/upload`, { method: 'POST', body: ['x'.repeat(5000)] });
  await request(`${one.url}/missing`);
  await request(`${one.url}/fails`);
  await requests(`${two.url}/users/2`, 1);
  const aborted = await connect(two.port, 'GET /hold HTTP/1.1\r\nhost: x\r\n\r\n');
  await until(() => aborted.received.text !== '', 'the head of the answer');
  aborted.socket.destroy();
  for (const text of ['GARBAGE\r\n\r\n', 'GET / HTTP/1.1\r\nhost:']) {
    const { socket } = await connect(two.port, text);
    await new Promise((resolve) => socket.once('close', resolve));
  }
  await counted(11);

  primary('SIGHUP');
  await restarted({ quit: 2 });
  await serving(4);
  primary('SIGTTIN');
  const five = await serving(5);
  await begun(5);
  process.kill((await serving(3)).pid, 'SIGKILL');
  await restarted({ kill: 1 });
  process.kill((await serving(4)).pid, 'SIGTERM');
  await restarted({ term: 1 });
  await assert.rejects(request(`${five.url}/throw`));
  await restarted({ crash: 1 });
  await begun(8);
  process.kill((await serving(6)).pid, 'SIGABRT');
  await restarted({ abort: 1 });
  await serving(7);
  primary('SIGTTOU');
  await until(() => /^ended 7 /m.test(cluster.output.stdout), 'the end of worker 7');
  primary('SIGWINCH');

  await serving(9);
  for (const [id, signal] of [
    [8, 'SIGTERM'],
    [9, 'SIGABRT'],
  ] as const) {
    const { url, port, pid } = await serving(id);
    await requests(`${url}/listen`, 1);
    const { received } = await connect(port, 'GET /hold HTTP/1.1\r\nhost: x\r\n\r\n');
    await until(() => received.text !== '', 'a request under way');
    process.kill(pid, signal);
  }
  primary('SIGTTIN');
  const ten = await serving(10);
  primary('SIGTTIN');
  await serving(11);
  await connect(ten.port, 'GET /block HTTP/1.1\r\nhost: x\r\n\r\n');
  const states = ['running', 'quitting', 'aborting', 'unresponsive'];
  return until(async () => {
    const { body } = await request(await cluster.metricsUrl());
    const scraped = parseExposition(body);
    const each = states.every((state) => sum(scraped, 'gunicorn_worker_state', { state }) === 1);
    const jobs = sum(scraped, 'jobs_done_total') === 16 && sum(scraped, 'job_size_bytes_count') === 11;
    return each && jobs && sum(scraped, COUNT) === 14 && body;
  }, 'a worker in each state');
}

function watched(cluster: Running) {
  const scrapedUntil = (condition: (samples: Sample[]) => boolean, what: string) =>
    until(async () => condition(await cluster.scrape()), what);
  return {
    /** The worker of that id, when it serves. */
    serving: async (id: number) => {
      const [, pid, port] = await cluster.says(new RegExp(`^serving ${id} (\\d+) (\\d+)$`, 'm'));
      return { pid: Number(pid), port: Number(port), url: `http://127.0.0.1:${port}` };
    },
    restarted: (counts: Record<string, number>) =>
      scrapedUntil(
        (samples) => Object.entries(counts).every(([reason, count]) => sum(samples, RESTARTS, { reason }) === count),
        `restarts ${JSON.stringify(counts)}`,
      ),
    /** So many workers, killed ones included, have published what they record when they begin: a kill loses nothing of it. */
    begun: (count: number) =>
      scrapedUntil((samples) => sum(samples, 'job_size_bytes_count') === count, `${count} that have begun`),
    counted: (count: number) => scrapedUntil((samples) => sum(samples, COUNT) === count, `${count} requests`),
  };
}
