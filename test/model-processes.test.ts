/**
 * The promises about totals against real processes: a cluster with threads that records as histories tell it, is killed
 * and ends in it. MODEL_RUNS=<n> plays n / 20 histories instead of the usual number.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Sample } from './exposition.ts';
import { idOf, workerStates } from './living-workers.ts';
import { type Bounds, ObedientCluster } from './model-cluster.ts';
import { histories, type Step } from './model-history.ts';
import { samplesOf, seriesOf } from './model-reference.ts';
import { INSTRUMENTS } from './model-shop.ts';
import { neverFalls } from './never-falls.ts';
import { until } from './processes.ts';
import { request } from './requests.ts';

const RUNS = process.env['MODEL_RUNS'] === undefined ? 3 : Math.ceil(Number(process.env['MODEL_RUNS']) / 20);
const ROUNDING = 1e-9;
// 10 ms and 1 s are promised; a process may be off its core for a while on a machine that has others to run.
const BOUNDS: Bounds = { requestsMs: 10 + 100, instrumentsMs: 1000 + 500 };
const REFERENCE = { labels: 'standard', retentionMs: Number.POSITIVE_INFINITY, maxExited: 100 } as const;
const ORDERS = INSTRUMENTS[0]!;
const MODES = ['livemin', 'livemax', 'livesum', 'liveall'];
const CUMULATIVE = /^(?:shop_(?:orders|busy|wait)|gunicorn_worker_requests_total|http_server_\w+_count)/;
// What is set last in whom is known to a second only.
const OF_THE_LIVING = /^(?:shop_(?:queue|livemin|livemax|livesum|liveall)\b|http_server_active_requests)/;

const steps = histories({
  instruments: INSTRUMENTS.filter(({ kind, mode }) => kind !== 'gauge' || MODES.includes(mode!)),
  retentionMs: 0,
  minLength: 50,
  maxLength: 80,
});

test('whatever becomes of processes and threads, no total falls, and none has lost or gained more than is told', async (t) => {
  let played = 0;
  await fc.assert(
    fc.asyncProperty(steps, async (history) => {
      const cluster = new ObedientCluster(t, {
        GUNICORN_OTEL_GAUGE_MODES: MODES.map((mode) => `shop_${mode}=${mode}`).join(),
      });
      const rises = neverFalls();
      const scrape = async () => {
        // What is sure before the scrape begins, and what may be when it is over.
        const sure = samplesOf(cluster.modelled('sure', BOUNDS), REFERENCE);
        const { body } = await request(await cluster.running.metricsUrl());
        const samples = rises(body);
        holdsBetween(samples, sure, samplesOf(cluster.modelled('all', BOUNDS), REFERENCE));
        return samples;
      };
      await cluster.fork();
      for (const step of history) await play(cluster, step, scrape);
      await settles(cluster, scrape);
      played += 1;
      t.diagnostic(`history ${played}: ${told(cluster)}`);
      cluster.running.child.kill('SIGKILL');
      await cluster.running.ended();
    }),
    { numRuns: RUNS, endOnFailure: true, includeErrorInReport: true },
  );
});

async function play(cluster: ObedientCluster, step: Step, scrape: () => Promise<unknown>): Promise<void> {
  const { living } = cluster;
  const processes = living.filter(({ id }) => !id.includes('.'));
  const among = step.what === 'request' || step.what === 'thread' ? processes : living;
  const whom = 'which' in step ? among[step.which % among.length] : undefined;
  if (step.what === 'birth') return processes.length < 3 ? cluster.fork() : undefined;
  if (step.what === 'scrape') return void (await scrape());
  if (step.what === 'time') return cluster.isSure(BOUNDS);
  if (!whom) return cluster.fork();
  if (step.what === 'record') return cluster.record(whom, step.on, step.attributes, step.value);
  if (step.what === 'request') return cluster.request(whom, step.request);
  if (step.what === 'thread') return living.length < 5 ? cluster.thread(whom) : undefined;
  if (step.what === 'publish') return cluster.record(whom, ORDERS, step.which % 3, 1);
  if (step.what === 'exit' || step.what === 'thread ends') {
    // Its last words, a moment before.
    await cluster.record(whom, ORDERS, 0, 1);
    return cluster.exit(whom);
  }
  if (step.what === 'kill' || step.what === 'torn' || step.what === 'thread terminated') return cluster.kill(whom);
}

// The living have published all in the end, and are all that is shown as living.
async function settles(cluster: ObedientCluster, scrape: () => Promise<Sample[]>): Promise<void> {
  const expected = only(samplesOf(cluster.modelled('all', BOUNDS), REFERENCE), OF_THE_LIVING);
  let shown = new Map<string, number>();
  await until(
    async () => {
      const samples = await scrape();
      shown = only(entriesOf(samples), OF_THE_LIVING);
      const same = [...expected].every(([series, value]) => isClose(shown.get(series), value));
      const living = [...workerStates(samples).keys()].sort().join();
      return (
        same &&
        shown.size === expected.size &&
        living ===
          cluster.living
            .map(({ id }) => id)
            .sort()
            .join()
      );
    },
    () => `the living: ${JSON.stringify([...shown])}, not ${JSON.stringify([...expected])}`,
  );
  await until(async () => {
    const { sure, all } = { sure: cluster.modelled('sure', BOUNDS), all: cluster.modelled('all', BOUNDS) };
    await scrape();
    return sure.every(({ alive, facts }, i) => !alive || facts.length === all[i]!.facts.length);
  }, 'all that the living were told, published for sure');
}

function holdsBetween(samples: Sample[], least: Map<string, number>, most: Map<string, number>): void {
  const shown = only(entriesOf(samples), CUMULATIVE);
  for (const [series, value] of only(least, CUMULATIVE)) {
    const has = shown.get(series) ?? 0;
    assert.ok(has >= value - ROUNDING, `${series} has ${has}, and at least ${value} are known to be published`);
  }
  for (const [series, value] of shown) {
    const may = most.get(series) ?? 0;
    assert.ok(value <= may + ROUNDING, `${series} has ${value}, and no more than ${may} were ever recorded`);
  }
}

function entriesOf(samples: Sample[]): Map<string, number> {
  return new Map(
    samples.map(({ name, labels, value }) => {
      const { worker_id: workerId, ...others } = labels;
      return [seriesOf(name, workerId === undefined ? labels : { ...others, worker_id: idOf(workerId) }), value];
    }),
  );
}

function only(samples: Map<string, number>, names: RegExp): Map<string, number> {
  return new Map([...samples].filter(([series]) => names.test(series)));
}

function isClose(actual: number | undefined, expected: number): boolean {
  return actual !== undefined && Math.abs(actual - expected) <= ROUNDING;
}

function told({ all }: ObedientCluster): string {
  const killed = all.filter(({ end }) => end?.killed).length;
  const ended = all.filter(({ end }) => end && !end.killed).length;
  const facts = all.reduce((sum, { told }) => sum + told.length, 0);
  return `${all.length} processes and threads, ${killed} killed, ${ended} ended, ${facts} facts`;
}
