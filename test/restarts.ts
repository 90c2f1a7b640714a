/** What a scrape says of the workers that have ended, and of those that another took the place of. */
import assert from 'node:assert/strict';
import { type Sample, select, sum } from './exposition.ts';
import { idOf } from './living-workers.ts';
import { type Running, until } from './processes.ts';

export const REASONS = ['quit', 'term', 'abort', 'kill', 'crash'] as const;
export const REPLACED = ['gunicorn_master_worker_restarts_total', 'gunicorn_master_worker_restart_total'];
export const REPLACED_BY_WORKER = 'gunicorn_master_worker_restart_count_total';
export const ENDED = 'gunicorn_worker_restart_total';
export const ENDED_BY_TYPE = 'gunicorn_worker_restart_count_total';

export interface Ending {
  reason: (typeof REASONS)[number];
  restart_type: 'graceful' | 'forced';
}

/** The samples of one worker, without its worker_id. */
export function ofWorker(samples: Sample[], name: string, id: string): Omit<Sample, 'name'>[] {
  const own = select(samples, name).filter(({ labels }) => idOf(labels['worker_id']!) === id);
  return own.map(({ labels: { worker_id: _, ...labels }, value }) => ({ labels, value }));
}

/** Waits until a worker is told to have ended, and holds all that is said of it. @returns the scrape that said so */
export async function endedBy(running: Running, id: string, ending: Ending): Promise<Sample[]> {
  const samples = await until(async () => {
    const scraped = await running.scrape();
    return ofWorker(scraped, ENDED, id).length > 0 && scraped;
  }, `the end of worker ${id} in ${ENDED}`);
  const { reason } = ending;
  assert.deepEqual(ofWorker(samples, ENDED, id), [{ labels: { reason }, value: 1 }], ENDED);
  assert.deepEqual(ofWorker(samples, ENDED_BY_TYPE, id), [{ labels: { ...ending }, value: 1 }], ENDED_BY_TYPE);
  return samples;
}

/** Waits until so many workers are told to have been replaced for each reason, and no more, in either spelling. */
export async function areReplaced(running: Running, counts: Partial<Record<Ending['reason'], number>>): Promise<void> {
  const all = Object.fromEntries(REASONS.map((reason) => [reason, counts[reason] ?? 0]));
  const total = Object.values(all).reduce((a, b) => a + b, 0);
  let samples: Sample[] = [];
  await until(
    async () => {
      samples = await running.scrape();
      return sum(samples, REPLACED[0]!) >= total;
    },
    () => `${JSON.stringify(counts)} replaced; there is ${JSON.stringify(replaced(samples))}`,
  );
  assert.deepEqual(replaced(samples), { [REPLACED[0]!]: all, [REPLACED[1]!]: all });
}

/** How many were replaced, by spelling and reason; a reason that has no series is undefined. */
export function replaced(samples: Sample[]): Record<string, Record<string, number | undefined>> {
  const of = (name: string, reason: string) =>
    select(samples, name, { reason }).length ? sum(samples, name, { reason }) : undefined;
  return Object.fromEntries(
    REPLACED.map((name) => [name, Object.fromEntries(REASONS.map((reason) => [reason, of(name, reason)]))]),
  );
}
