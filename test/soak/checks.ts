/** What must be true of every scrape whatever is done to a fleet: what only grows never falls, what is now is of the living. */
import type { Sample } from '../exposition.ts';
import { processOf } from './actions.ts';
import type { Fleet } from './fleet.ts';
import type { Check, Scraped } from './watch.ts';

/** A scrape may share the collection of one that began this long before. */
const SHARED_MS = 1000;
/** The exporter looks for what is to be forgotten once a second, and learns late of what a blocked primary has seen. */
const FORGETS_LATE_MS = 8000;
/** What an exporter counts itself begins anew with it. */
const OF_EXPORTER = /^gunicorn_exporter_(scrapes|scrape_errors|snapshot_errors)_total/;
/** Nothing that is done here may be counted there. */
const FAULTS: ReadonlySet<string> = new Set([
  'gunicorn_exporter_scrape_errors_total',
  'gunicorn_exporter_snapshot_errors_total',
  'gunicorn_exporter_errors_total',
  'gunicorn_exporter_overflow_total',
  'gunicorn_exporter_conflicts',
]);

/** The key of the member that a worker_id stands for; undefined for none. */
export function keyOf(workerId: string | undefined): string | undefined {
  return workerId === undefined ? undefined : /^worker_([\d.]+)_\d+$/.exec(workerId)?.[1];
}

/**
 * No series of a counter or histogram ever falls. Sums over the group never vanish; those of a worker only when it is
 * dead, and then for good.
 */
export function neverFalls(fleet: Fleet): Check {
  const values = new Map<string, { value: number; workerId: string | undefined }>();
  const forgotten = new Set<string>();
  const lives = (workerId: string) => {
    const key = keyOf(workerId)!;
    return [key, processOf(key)].every((each) => {
      const member = fleet.get(each);
      return member !== undefined && member.deadAtMs === undefined && !member.doomed;
    });
  };
  return ({ samples, types }, violation) => {
    const given = new Set<string>();
    for (const sample of samples) {
      const type = typeOf(sample, types);
      if (type === undefined) violation(`${sample.name} has no type`);
      if (type !== 'counter' && type !== 'histogram') continue;
      const series = seriesOf(sample);
      given.add(series);
      const last = values.get(series)?.value;
      if (last !== undefined && sample.value < last && !OF_EXPORTER.test(series)) {
        violation(`${series} fell from ${last} to ${sample.value}`);
      }
      if (last === undefined && forgotten.has(series)) violation(`${series} was forgotten, and is back`);
      values.set(series, { value: sample.value, workerId: sample.labels['worker_id'] });
    }
    for (const [series, { workerId }] of values) {
      if (given.has(series)) continue;
      values.delete(series);
      if (workerId === undefined) {
        if (!OF_EXPORTER.test(series)) violation(`${series} has vanished`);
        continue;
      }
      forgotten.add(series);
      if (lives(workerId)) violation(`${series} has vanished, and its worker lives`);
    }
  };
}

/** Gauges are of the living: of all that lived all through the scrape, and of none that was dead before. */
export function isOfTheLiving(fleet: Fleet): Check {
  return ({ samples, types, startMs, lived }, violation) => {
    const dead = new Map(fleet.dead().map((member) => [member.key, startMs - member.deadAtMs!]));
    const shown = new Set<string>();
    for (const sample of samples) {
      const key = keyOf(sample.labels['worker_id']);
      if (key === undefined || typeOf(sample, types) !== 'gauge') continue;
      if (sample.name === 'gunicorn_worker_state') shown.add(key);
      const deadMs = dead.get(key) ?? 0;
      if (deadMs > SHARED_MS) violation(`${seriesOf(sample)} is shown ${Math.round(deadMs)} ms after its end`);
    }
    for (const { key, doomed } of lived) {
      // One that ends says so itself, a while before it is gone.
      if (!shown.has(key) && !doomed) violation(`${key} lives and is not shown`);
    }
  };
}

/** What is shown under a worker_id goes when the time for that is over, which an exporter that is new begins anew. */
export function forgets(fleet: Fleet, retentionMs: number): Check {
  const latestMs = retentionMs + FORGETS_LATE_MS;
  return ({ samples, startMs, exporterBackMs }, violation) => {
    const overdue = fleet.dead().filter(({ deadAtMs }) => startMs - Math.max(deadAtMs!, exporterBackMs) > latestMs);
    const keys = new Set(overdue.map(({ key }) => key));
    const late = samples.find(({ labels }) => keys.has(keyOf(labels['worker_id']) ?? ''));
    if (late) violation(`${seriesOf(late)} is shown though its time is over`);
  };
}

/** The exporter counts nothing that went wrong. */
export function isFaultless(): Check {
  const known = new Set<string>();
  return ({ samples }, violation) => {
    for (const sample of samples) {
      const series = seriesOf(sample);
      if (sample.value === 0 || !FAULTS.has(sample.name) || known.has(series)) continue;
      known.add(series);
      violation(`${series} is ${sample.value}`);
    }
  };
}

/** Nobody ends who was not ended. */
export function endsByOrder(fleet: Fleet): Check {
  const known = new Set<string>();
  return (_scraped, violation) => {
    for (const { key, isThread, doomed } of fleet.dead()) {
      const isOrdered = doomed || (isThread && fleet.get(processOf(key))?.doomed);
      if (isOrdered || known.has(key)) continue;
      known.add(key);
      violation(`${key} has ended, and nobody has ended it`);
    }
  };
}

function typeOf({ name }: Sample, types: Scraped['types']): string | undefined {
  return types.get(name) ?? types.get(name.replace(/_(bucket|count|sum)$/, ''));
}

function seriesOf({ name, labels }: Sample): string {
  return `${name}${JSON.stringify(labels)}`;
}
