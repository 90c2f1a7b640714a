/** Holds src/catalogue/exit-points.ts, through whole scrapes: exits as they were seen, for as long as they are to be shown. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { project } from '../src/catalogue/views.ts';
import { Exits } from '../src/record/exits.ts';
import { LabelledCounter } from '../src/record/labelled-counter.ts';
import { EXIT_CAUSES, type ExitCause } from '../src/snapshot/exit-events.ts';
import { SeriesTable } from '../src/snapshot/series-table.ts';
import { parseExposition, type Sample, select } from './exposition.ts';
import { EXPORTER, type MemberOfScene, measure, NOW_MONOTONIC_MS, render, sceneOf, VIEW_OPTIONS } from './scenes.ts';

const RETENTION_MS = VIEW_OPTIONS.exitedRetentionMs;
const ENDED = 'gunicorn_worker_restart_total';
const ENDED_BY_TYPE = 'gunicorn_worker_restart_count_total';
const REPLACED = ['gunicorn_master_worker_restarts_total', 'gunicorn_master_worker_restart_total'];
const REPLACED_BY_WORKER = 'gunicorn_master_worker_restart_count_total';

describe('an exit', () => {
  it('is told of its worker, with its reason and type, whatever the reason', async () => {
    const { exits, table } = newExits();
    for (const [i, cause] of EXIT_CAUSES.entries()) exits.ended(worker(i + 1), cause, NOW_MONOTONIC_MS);
    const samples = await scrape([primary(table)]);
    const expected = EXIT_CAUSES.map(({ reason, restartType }, i) => ({
      worker_id: `worker_${i + 1}_50`,
      reason,
      restart_type: restartType,
    }));
    assert.deepEqual(
      shown(samples, ENDED_BY_TYPE),
      expected.map((labels) => [labels, 1]),
    );
    assert.deepEqual(
      shown(samples, ENDED),
      expected.map(({ restart_type: _, ...labels }) => [labels, 1]),
    );
    assert.deepEqual(shown(samples, REPLACED_BY_WORKER), []);
  });

  it('that had a successor is told to have been replaced, of its worker too', async () => {
    const { exits, table } = newExits();
    exits.ended(worker(1), cause('kill'), NOW_MONOTONIC_MS);
    exits.succeeded(exits.ended({ ...worker(2), threadId: 3 }, cause('term'), NOW_MONOTONIC_MS));
    const labels = { worker_id: 'worker_2.3_50', reason: 'term' };
    const samples = await scrape([primary(table)], 'detailed');
    assert.deepEqual(shown(samples, REPLACED_BY_WORKER), [[{ ...labels, restart_type: 'graceful' }, 1]]);
    for (const name of REPLACED) assert.deepEqual(shown(samples, name), [[labels, 1]], name);
    assert.equal(shown(samples, ENDED).length, 2);
    for (const name of REPLACED) {
      assert.deepEqual(shown(await scrape([primary(table)]), name), [[{ reason: 'term' }, 1]], name);
    }
  });

  it('is told as long as its retention lasts, in the sum for ever', async () => {
    const { exits, table } = newExits();
    for (const [id, agoMs] of [
      [1, RETENTION_MS],
      [2, RETENTION_MS - 1],
      [3, -1000],
    ] as const) {
      exits.succeeded(exits.ended(worker(id), cause('crash'), NOW_MONOTONIC_MS - agoMs));
    }
    for (const labels of ['standard', 'detailed'] as const) {
      const samples = await scrape([primary(table)], labels);
      for (const name of [ENDED, ENDED_BY_TYPE, REPLACED_BY_WORKER, ...(labels === 'detailed' ? REPLACED : [])]) {
        assert.deepEqual(
          select(samples, name).map((sample) => sample.labels['worker_id']),
          ['worker_2_50', 'worker_3_50'],
          name,
        );
      }
      if (labels === 'standard') assert.deepEqual(shown(samples, REPLACED[0]!), [[{ reason: 'crash' }, 3]]);
    }
  });

  it('is told of every process that has seen one, the dead included', async () => {
    const [first, second] = [newExits(), newExits()];
    first.exits.ended(worker(1), cause('quit'), NOW_MONOTONIC_MS);
    second.exits.ended({ ...worker(2), threadId: 1 }, cause('crash'), NOW_MONOTONIC_MS);
    const samples = await scrape([primary(first.table), { table: second.table, alive: false }]);
    assert.deepEqual(
      select(samples, ENDED).map(({ labels }) => labels['worker_id']),
      ['worker_1_50', 'worker_2.1_50'],
    );
  });

  it('of one name that two processes have seen counts twice in one series', async () => {
    const tables = [1, 2].map(() => {
      const { exits, table } = newExits();
      exits.ended(worker(1), cause('quit'), NOW_MONOTONIC_MS);
      return { table };
    });
    assert.deepEqual(shown(await scrape(tables), ENDED), [[{ worker_id: 'worker_1_50', reason: 'quit' }, 2]]);
  });

  it('whose place in the ring was just made, and holds nothing yet, is not told', async () => {
    const { exits, table } = newExits();
    exits.ended(worker(1), cause('quit'), NOW_MONOTONIC_MS);
    table.values.fill(0);
    assert.deepEqual(shown(await scrape([primary(table)]), ENDED), []);
  });
});

describe('exits of workers whose ids come back', () => {
  it('add up under the id, with what the totals hold, and never go', async () => {
    const { exits, table } = newExits();
    for (const atMs of [0, NOW_MONOTONIC_MS]) exits.succeeded(exits.ended(slot(1), cause('term'), atMs));
    exits.ended(slot(1), cause('kill'), 0);
    exits.ended(slot(2), cause('kill'), 0);
    const before = newExits();
    before.exits.ended(slot(2), cause('kill'), 0);
    const samples = await scrape([primary(table), { table: before.table, alive: false }], 'detailed');
    assert.deepEqual(shown(samples, ENDED), [
      [{ worker_id: 'worker_1', reason: 'term' }, 2],
      [{ worker_id: 'worker_1', reason: 'kill' }, 1],
      [{ worker_id: 'worker_2', reason: 'kill' }, 2],
    ]);
    assert.deepEqual(shown(samples, REPLACED_BY_WORKER), [
      [{ worker_id: 'worker_1', reason: 'term', restart_type: 'graceful' }, 2],
    ]);
    for (const name of REPLACED)
      assert.deepEqual(shown(samples, name), [[{ worker_id: 'worker_1', reason: 'term' }, 2]]);
  });

  it('and of others stand side by side', async () => {
    const { exits, table } = newExits();
    exits.ended(slot(1), cause('quit'), 0);
    exits.ended(worker(1), cause('quit'), NOW_MONOTONIC_MS);
    assert.deepEqual(
      select(await scrape([primary(table)]), ENDED).map(({ labels }) => labels['worker_id']),
      ['worker_1', 'worker_1_50'],
    );
  });

  it('are not those of an app that has a metric of the same name', async () => {
    const table = new SeriesTable();
    for (const name of ['exits', 'exits_by_worker']) {
      measure(table, { name, attributes: { worker_id: 'w', reason: 'kill' }, cell: [5] });
    }
    const samples = await scrape([{ table }]);
    assert.deepEqual(shown(samples, ENDED), []);
    assert.equal(select(samples, 'exits_total').length + select(samples, 'exits_by_worker_total').length, 2);
  });

  it('for a reason that nobody knows are left out', async () => {
    const table = new SeriesTable();
    new LabelledCounter(table, 'exits_by_worker', 9).add({ worker_id: 'w', reason: 'boredom' });
    assert.deepEqual(shown(await scrape([{ table }]), ENDED), []);
  });
});

function newExits() {
  const table = new SeriesTable();
  return { table, exits: new Exits(table) };
}

function worker(clusterId: number) {
  return { clusterId, threadId: 0, startSeconds: 50 };
}

function slot(number: number) {
  return { ...worker(number), lastingId: `worker_${number}` };
}

function cause(reason: ExitCause['reason']): ExitCause {
  return EXIT_CAUSES.find((cause) => cause.reason === reason)!;
}

function primary(table: SeriesTable): MemberOfScene {
  return { table, role: 'primary', workerId: 'worker_0_1' };
}

async function scrape(
  members: readonly MemberOfScene[],
  labels: 'standard' | 'detailed' = 'standard',
): Promise<Sample[]> {
  return parseExposition(await render(project(sceneOf(members), EXPORTER, { ...VIEW_OPTIONS, labels })));
}

function shown(samples: Sample[], name: string): [Record<string, string>, number][] {
  return select(samples, name).map(({ labels, value }) => [labels, value]);
}
