/** GUNICORN_OTEL_GAUGE_MODES: how the values of three workers become one, and what becomes of them when one is killed. */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { type Sample, select } from './exposition.ts';
import { areShown, idOf } from './living-workers.ts';
import { type Cluster, startCluster, until } from './processes.ts';

const APP = 'records-gauges-on-demand.mjs';
const MODES = ['all', 'liveall', 'min', 'livemin', 'max', 'livemax', 'sum', 'livesum', 'mostrecent', 'livemostrecent'];
// Long enough to be seen in it, short enough to be waited for.
const RETENTION_SECONDS = 6;

// Workers 1, 2 and 3 have recorded 20, 30 and then 40 (10 where the least is asked for), in this order.
const THREE = {
  all: { 1: 20, 2: 30, 3: 40 },
  liveall: { 1: 20, 2: 30, 3: 40 },
  min: 10,
  livemin: 10,
  max: 40,
  livemax: 40,
  sum: 90,
  livesum: 90,
  mostrecent: 40,
  livemostrecent: 40,
};
const WITHOUT_THE_THIRD = {
  liveall: { 1: 20, 2: 30 },
  livemin: 20,
  livemax: 30,
  livesum: 50,
  livemostrecent: 30,
};
const FORGOTTEN = { all: { 1: 20, 2: 30 }, min: 20, max: 30, sum: 50, mostrecent: 30 };

test('each mode makes one of three workers, and forgets a killed one at once or when its retention is over', async (t) => {
  const modes = MODES.map((mode) => `level_${mode}=${mode}`).join();
  const cluster = await started(t, { GUNICORN_OTEL_GAUGE_MODES: modes });
  await recordInOrder(cluster);
  assert.deepEqual(levels(await cluster.scrape()), THREE);

  process.kill(cluster.workers().get('3')!, 'SIGKILL');
  await areShown(cluster, ['1', '2']);
  assert.deepEqual(levels(await cluster.scrape()), { ...THREE, ...WITHOUT_THE_THIRD }, 'the killed one is retained');

  const forgotten = { ...THREE, ...WITHOUT_THE_THIRD, ...FORGOTTEN };
  await until(async () => {
    const { all } = levels(await cluster.scrape());
    return Object.keys(all as object).length === 2;
  }, 'the end of its retention');
  assert.deepEqual(levels(await cluster.scrape()), forgotten, 'the killed one is forgotten');
});

test('a gauge that is not named has the mode of the star, and liveall where there is none', async (t) => {
  const named = await started(t, { GUNICORN_OTEL_GAUGE_MODES: '*=livemax,level_livesum=livesum' });
  await recordInOrder(named, 'livemax');
  const { liveall, livemax, livesum, livemin } = levels(await named.scrape());
  assert.deepEqual({ liveall, livemax, livesum, livemin }, { liveall: 40, livemax: 40, livesum: 90, livemin: 30 });

  const plain = await started(t, {});
  await recordInOrder(plain, 'liveall');
  const all = levels(await plain.scrape());
  assert.deepEqual(all['sum'], THREE.all);
  assert.deepEqual(all['livemin'], { 1: 20, 2: 30, 3: 10 });
});

test('a mode that is none is told in one line, and every gauge has its default', async (t) => {
  const cluster = await started(t, { GUNICORN_OTEL_GAUGE_MODES: 'level_sum=total' });
  const lines = cluster.output.stderr.split('\n').filter((line) => line.includes('GUNICORN_OTEL_GAUGE_MODES'));
  assert.equal(lines.length, 1, cluster.output.stderr);
  assert.match(lines[0]!, /level_sum=total/);
  await recordInOrder(cluster, 'liveall');
  assert.deepEqual(levels(await cluster.scrape())['sum'], THREE.all);
});

async function started(t: TestContext, env: Record<string, string>): Promise<Cluster> {
  const cluster = await startCluster(t, APP, 3, {
    env: { REPLACE: 'no', MODES: MODES.join(), GUNICORN_OTEL_EXITED_RETENTION: `${RETENTION_SECONDS}s`, ...env },
  });
  await areShown(cluster, ['1', '2', '3']);
  return cluster;
}

// One after another, each when what the one before has recorded is there: who was last is then known.
async function recordInOrder(cluster: Cluster, mode = 'all'): Promise<void> {
  for (const [id, expected] of [
    ['1', 20],
    ['2', 30],
    ['3', 40],
  ] as const) {
    process.kill(cluster.workers().get(id)!, 'SIGUSR2');
    await until(async () => {
      const level = levels(await cluster.scrape())[mode];
      return (typeof level === 'object' ? level[id] : level) === expected;
    }, `what worker ${id} has recorded`);
  }
}

// By mode: the one value, or the values by worker where the series have a worker_id; there is nothing else to tell them by.
function levels(samples: Sample[]): Record<string, number | Record<string, number>> {
  return Object.fromEntries(
    MODES.map((mode) => {
      const series = select(samples, `level_${mode}`, { tank: 'a' });
      const values = series.map(({ labels, value }) => {
        const { tank: _, worker_id: workerId, ...others } = labels;
        assert.deepEqual(others, {});
        return [workerId === undefined ? '' : idOf(workerId), value] as const;
      });
      const only = values.length === 1 && values[0]![0] === '' ? values[0]![1] : undefined;
      return [mode, only ?? Object.fromEntries(values)];
    }),
  );
}
