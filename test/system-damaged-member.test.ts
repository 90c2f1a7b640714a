/** The file of one worker is damaged among healthy ones: they are exact, its last good values stand in, and it is mended. */
import assert from 'node:assert/strict';
import { closeSync, openSync, readdirSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { type Sample, select, sum } from './exposition.ts';
import { type Cluster, startCluster, until } from './processes.ts';
import { COUNT, settled } from './request-count.ts';
import { requests } from './requests.ts';

const APP = 'counts-its-answers.mjs';
const ERRORS = 'gunicorn_exporter_snapshot_errors_total';
const DAMAGES: Record<string, [cause: string, damage: (path: string) => void]> = {
  'whose header is damaged': ['torn', (path) => overwrite(path, 12, 'xxxx')],
  'whose names are damaged': ['torn', (path) => overwrite(path, 100, 'xxxx')],
  'that is empty': ['torn', (path) => writeFileSync(path, '')],
  'that is something else': ['foreign', (path) => writeFileSync(path, 'a letter to somebody'.repeat(100))],
};

for (const [what, [cause, damage]] of Object.entries(DAMAGES)) {
  test(`a worker's file ${what} costs nobody a sample, and is whole again with its worker`, async (t) => {
    const cluster = await startCluster(t, APP, 3);
    const url = `http://127.0.0.1:${cluster.port}/`;
    const pids = await requests(url, 30);
    await settled(cluster, 30);
    await until(async () => sum(await cluster.scrape(), 'shop_answers_total') === 30, "the app's own counter");
    const before = totals(await cluster.scrape());
    const pid = Number(pids[0]);
    process.kill(pid, 'SIGSTOP');
    damage(fileOf(cluster, pid));
    const damaged = await until(async () => {
      const samples = await cluster.scrape();
      return sum(samples, ERRORS, { cause }) > 0 && samples;
    }, 'the damage is counted');
    assert.deepEqual(totals(damaged), before);
    assert.equal(select(damaged, ERRORS).length, 1);
    process.kill(pid, 'SIGCONT');
    const more = await requests(url, 30);
    assert.ok(more.includes(String(pid)), 'the worker serves again');
    await settled(cluster, 60);
    const count = async () => sum(await cluster.scrape(), ERRORS);
    await until(async () => {
      const counted = await count();
      return (await count()) === counted;
    }, 'nothing is damaged any more');
    const lines = cluster.output.stderr.split('\n').filter((line) => line.includes('cannot be read'));
    // An empty file that is written to is something else then.
    assert.ok(lines.length === 1 || (lines.length === 2 && what.includes('empty')), cluster.output.stderr);
    assert.match(lines[0]!, /last good values stand in/);
  });
}

// Of the group, and by worker.
function totals(samples: Sample[]): unknown[] {
  const names = [COUNT, 'gunicorn_worker_requests_total', 'shop_answers_total'];
  return samples.filter(({ name }) => names.includes(name)).map(({ name, labels, value }) => [name, labels, value]);
}

function fileOf({ directory }: Cluster, pid: number): string {
  const [group] = readdirSync(directory);
  const file = readdirSync(join(directory, group!)).find((name) => name.startsWith(`${pid}-`));
  return join(directory, group!, file!);
}

function overwrite(path: string, position: number, text: string): void {
  const file = openSync(path, 'r+');
  writeSync(file, text, position);
  closeSync(file);
}
