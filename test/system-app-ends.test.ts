/** What becomes of an app's amounts, totals and gauges when processes and threads end, whichever way. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { type Sample, select, sum } from './exposition.ts';
import { startApp, startCluster, until } from './processes.ts';
import { request } from './requests.ts';

const ENDS = ['SIGKILL', 'SIGUSR2', 'SIGTERM', 'SIGHUP'] as const;
const MODES = ['all', 'liveall', 'min', 'livemin', 'max', 'livemax', 'sum', 'livesum', 'mostrecent', 'livemostrecent'];
// Long enough to be seen in it, short enough to be waited for.
const RETENTION_SECONDS = 10;

test('the amount of a worker leaves the sum however it ends, and its successor brings its own; totals keep both', async (t) => {
  const env = { GUNICORN_OTEL_OBSERVABLE_INTERVAL: '1s', GUNICORN_OTEL_EXITED_RETENTION: '1s' };
  const cluster = await startCluster(t, 'holds-a-share.mjs', 4, { env });
  const living = new Set(['1', '2', '3', '4']);
  let last = 0;
  const holds = async (what: string) => {
    const shareOf = (ids: Iterable<string>) => [...ids].reduce((total, id) => total + 2 ** (Number(id) - 1), 0);
    const [held, taken] = [shareOf(living), shareOf(cluster.workers().keys())];
    let samples: Sample[] = [];
    await until(
      async () => {
        samples = await cluster.scrape();
        const total = sum(samples, 'taken_total');
        assert.ok(total >= last, `${total} taken after ${last}`);
        last = total;
        return (
          sum(samples, 'held') === held &&
          sum(samples, 'held_observed') === held &&
          total === taken &&
          sum(samples, 'taken_observed_total') === taken
        );
      },
      () =>
        `${what}: ${held} held and ${taken} taken; there is ${JSON.stringify(samples.filter(({ name }) => /^(held|taken)/.test(name)))}`,
    );
  };
  await holds('four workers');
  for (const [i, signal] of ENDS.entries()) {
    const [id, successor] = [String(i + 1), String(i + 5)];
    process.kill(cluster.workers().get(id)!, signal);
    await until(() => cluster.workers().has(successor), 'a successor');
    living.delete(id);
    living.add(successor);
    await holds(`worker ${id} ended by ${signal}`);
  }
});

test('what a terminated thread held leaves sums and gauges as that of a process, or is retained by its mode', async (t) => {
  const app = await startApp(t, 'holds-shares-in-threads.mjs', {
    env: {
      MODES: MODES.join(),
      GUNICORN_OTEL_GAUGE_MODES: MODES.map((mode) => `level_${mode}=${mode}`).join(),
      GUNICORN_OTEL_EXITED_RETENTION: `${RETENTION_SECONDS}s`,
    },
  });
  const shown = async () => {
    const samples = await app.scrape();
    const values = (name: string) =>
      select(samples, name)
        .map(({ value }) => value)
        .sort((a, b) => a - b);
    return {
      taken: values('taken_total'),
      held: values('held'),
      ...Object.fromEntries(MODES.map((mode) => [mode, values(`level_${mode}`)])),
    } as Record<string, number[]>;
  };
  const equal = (actual: Record<string, number[]>, expected: Record<string, number[]>) => {
    // Which of three threads was the last to record is their race.
    for (const [name, values] of Object.entries(expected)) assert.deepEqual(actual[name], values, name);
  };
  await until(async () => (await shown())['held']?.[0] === 7, 'three threads');
  const three = { taken: [7], held: [7], all: [1, 2, 4], min: [1], max: [4], sum: [7] };
  equal(await shown(), { ...three, liveall: [1, 2, 4], livemin: [1], livemax: [4], livesum: [7] });

  assert.equal((await request(`http://127.0.0.1:${app.port}/2`)).body, 'ended');
  await until(async () => (await shown())['held']?.[0] === 3, 'two threads');
  equal(await shown(), { ...three, held: [3], liveall: [1, 2], livemin: [1], livemax: [2], livesum: [3] });

  assert.equal((await request(`http://127.0.0.1:${app.port}/0`)).body, 'ended');
  await until(async () => (await shown())['held']?.[0] === 2, 'one thread');
  equal(await shown(), {
    ...three,
    held: [2],
    liveall: [2],
    livemin: [2],
    livemax: [2],
    livesum: [2],
    livemostrecent: [2],
  });

  await until(async () => (await shown())['all']?.length === 1, 'the end of their retention');
  equal(await shown(), {
    taken: [7],
    held: [2],
    all: [2],
    min: [2],
    max: [2],
    sum: [2],
    mostrecent: [2],
    livesum: [2],
  });
});
