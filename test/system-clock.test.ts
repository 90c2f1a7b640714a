/** Wall clocks that are wrong by hours, or are set while everything runs: ages, states and totals do not follow them. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { select, sum } from './exposition.ts';
import { enters, workerStates } from './living-workers.ts';
import { fixture, type Running, start, startCluster, until } from './processes.ts';
import { COUNT, settled } from './request-count.ts';
import { requests } from './requests.ts';

const APP = 'counts-its-answers.mjs';
const SHIFTED = fixture('shifts-its-clock.cjs');
const HOURS_MS = 3 * 3_600_000;
// Far below what the clocks are wrong by, far above what a busy machine takes.
const YOUNG_SECONDS = 600;
const PERMISSION = process.allowedNodeEnvironmentFlags.has('--permission')
  ? '--permission'
  : '--experimental-permission';

test('workers whose clocks are wrong by hours are running, as old as they are, and unresponsive when they are', async (t) => {
  const env = shiftedBy({ 1: HOURS_MS, 2: -HOURS_MS });
  const cluster = await startCluster(t, APP, 3, { env: { ...env, GUNICORN_OTEL_UNRESPONSIVE_AFTER: '2' } });
  await requests(`http://127.0.0.1:${cluster.port}/`, 30);
  await settled(cluster, 30);
  await assertAges(cluster, 3);
  const states = workerStates(await cluster.scrape());
  assert.deepEqual(
    [...states.values()].map(({ state }) => state),
    ['running', 'running', 'running'],
  );
  for (const id of ['1', '2']) process.kill(cluster.workers().get(id)!, 'SIGSTOP');
  for (const id of ['1', '2']) {
    const stopped = await enters(cluster, id, 'unresponsive');
    assert.deepEqual(workerStates(await cluster.scrape()).get(id), stopped, 'the same series');
  }
  for (const id of ['1', '2']) process.kill(cluster.workers().get(id)!, 'SIGCONT');
  // Since when is by their own clocks now: the label is for people, who may see that they are wrong.
  const running = async () => select(await cluster.scrape(), 'gunicorn_worker_state', { state: 'running' });
  await until(async () => (await running()).length === 3, 'all of them are running again');
});

test('exits that a primary has seen whose clock is wrong by hours are shown, and its restarts', async (t) => {
  const cluster = await startCluster(t, APP, 2, { env: shiftedBy({ 0: -HOURS_MS }) });
  await requests(`http://127.0.0.1:${cluster.port}/`, 6);
  process.kill(cluster.workers().get('1')!, 'SIGKILL');
  await until(() => cluster.workers().size === 3, 'its successor');
  await until(async () => {
    const samples = await cluster.scrape();
    const kill = { reason: 'kill' };
    return (
      sum(samples, 'gunicorn_worker_restart_total', kill) === 1 &&
      sum(samples, 'gunicorn_master_worker_restart_count_total', kill) === 1 &&
      sum(samples, 'gunicorn_master_worker_restarts_total', kill) === 1
    );
  }, 'the exit and the restart');
  await assertAges(cluster, 2);
});

test('a clock that is set while an exporter runs is told and counted, and nothing else of it is seen', async (t) => {
  const rights = [PERMISSION, '--no-warnings', '--allow-fs-read=*', '--allow-fs-write=*', '--allow-child-process'];
  // The exporter runs in the program itself here: only there a program can shift its clock.
  const app = start(t, [...rights, fixture(APP)], { env: shiftedBy({}) });
  const [, port] = await app.says(/^ready on port (\d+)/m);
  await requests(`http://127.0.0.1:${port}/`, 3);
  await settled(app, 3);
  const jumps = async () => sum(await app.scrape(), 'gunicorn_exporter_clock_jumps_total');
  const before = workerStates(await app.scrape());
  assert.equal(await jumps(), 0);
  app.child.kill('SIGUSR2');
  await until(jumps, 'the jump is counted');
  const samples = await app.scrape();
  assert.deepEqual(workerStates(samples), before);
  assert.equal(sum(samples, COUNT), 3);
  await assertAges(app, 1);
  assert.deepEqual(
    [await jumps(), app.output.stderr.match(/clock has jumped by \+(3600|3599)\.\d s/g)?.length],
    [1, 1],
  );
});

function shiftedBy(shiftsMs: Record<number, number>): Record<string, string> {
  return { SHIFTS_MS: JSON.stringify(shiftsMs), NODE_OPTIONS: `--require=${SHIFTED}` };
}

async function assertAges(running: Running, workers: number): Promise<void> {
  const samples = await running.scrape();
  for (const name of ['gunicorn_exporter_snapshot_age_seconds', 'gunicorn_worker_uptime_seconds']) {
    const ages = select(samples, name).map(({ value }) => value);
    assert.equal(ages.length, workers, name);
    assert.ok(
      ages.every((age) => age >= 0 && age < YOUNG_SECONDS),
      `${name} ${ages}`,
    );
  }
}
