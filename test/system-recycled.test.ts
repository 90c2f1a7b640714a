/** A thousand workers come and go: what is kept of them is what is kept of ten. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { type Sample, select, sum } from './exposition.ts';
import { fixture, type Running, start, until } from './processes.ts';

const COUNT = 'http_server_request_duration_seconds_count';
const RESTARTS = 'gunicorn_master_worker_restarts_total';
// As many as the primary keeps at once have nobody to replace.
const AT_ONCE = 6;
const MANY_MS = 600_000;

test('after a thousand recycled workers there are as many series, files and bytes as after ten', async (t) => {
  const app = recycling(t, { GUNICORN_OTEL_EXITED_RETENTION: '0' });
  const ten = await recycle(app, 10, 6);
  const thousand = await recycle(app, 1000, 6);
  assert.deepEqual(namesOf(thousand.samples), namesOf(ten.samples));
  assert.deepEqual(thousand.files, ten.files);
  assert.deepEqual(
    thousand.files.map((file) => file.replace(/^\d+-\d+-\d+-/, '')),
    ['0.snapshot', 'exporter-counts.json', 'exporter.json', 'leader-1', 'totals', 'totals.copy'],
  );
  assert.equal(sum(thousand.samples, COUNT), 1000);
  assert.equal(sum(thousand.samples, RESTARTS, { reason: 'kill' }), 1000 - AT_ONCE);
  const ms = [ten, thousand].map(({ scrapeMs }) => scrapeMs.toFixed(1));
  t.diagnostic(`scrape after ten ${ms[0]} ms, after a thousand ${ms[1]} ms; ${thousand.samples.length} samples`);
});

test('of those that exited of late no more than a hundred are shown', async (t) => {
  const app = recycling(t, {});
  const { samples, files } = await recycle(app, 110, 106);
  const shown = new Set(select(samples, 'gunicorn_worker_requests_total').map(({ labels }) => labels['worker_id']));
  assert.equal(shown.size, 100);
  assert.equal(select(samples, 'gunicorn_worker_restart_total').length, 100);
  assert.equal(select(samples, 'gunicorn_worker_memory_bytes').length, 0);
  assert.equal(sum(samples, COUNT), 110);
  // Theirs, the primary's, the totals of the other ten, where the endpoint is, what it has counted, and who has it.
  assert.equal(files.filter((file) => file.endsWith('.snapshot')).length, 101);
  assert.deepEqual(files.slice(-5), ['exporter-counts.json', 'exporter.json', 'leader-1', 'totals', 'totals.copy']);
});

function recycling(t: TestContext, env: Record<string, string>): Running {
  return start(t, [fixture('recycles-its-workers.mjs')], { env, stdin: 'pipe' });
}

/** @param kept - files that there are when all has been read and folded */
async function recycle(app: Running, wanted: number, kept: number) {
  app.child.stdin!.write(`${wanted}\n`);
  await until(() => app.output.stdout.includes(`ended ${wanted}\n`), `${wanted} workers ended`, MANY_MS);
  const files = () => readdirSync(join(app.directory, readdirSync(app.directory)[0]!)).sort();
  let samples: Sample[] = [];
  await until(
    async () => {
      samples = await app.scrape();
      return sum(samples, COUNT) === wanted && files().length === kept;
    },
    () => `${wanted} requests and ${kept} files; there are ${sum(samples, COUNT)} and ${files()}`,
  );
  const times = [];
  for (let i = 0; i < 11; i += 1) {
    const startMs = performance.now();
    await app.scrape();
    times.push(performance.now() - startMs);
  }
  return { samples, files: files(), scrapeMs: times.sort((a, b) => a - b)[5]! };
}

// Every series without its value.
function namesOf(samples: readonly Sample[]): string[] {
  return samples.map(({ name, labels }) => `${name} ${JSON.stringify(labels)}`).sort();
}
