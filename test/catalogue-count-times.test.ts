/** Holds src/catalogue/count-times.ts and src/record/count-times.ts: what was counted when, by the name that it was counted by. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { countEvents } from '../src/catalogue/count-times.ts';
import { CountTimes } from '../src/record/count-times.ts';
import { LabelledCounter } from '../src/record/labelled-counter.ts';
import { MAX_COUNT_EVENTS } from '../src/snapshot/count-events.ts';
import { SIGNAL_TIMES_METRIC, SIGNALS_METRIC } from '../src/snapshot/own-metrics.ts';
import { SeriesTable } from '../src/snapshot/series-table.ts';
import { type MemberOfScene, sceneOf } from './scenes.ts';

describe('the times of a counter', () => {
  it('are told with the labels of the series that was counted up', () => {
    const { table, count } = newCounter();
    count('HUP', 1000);
    count('TERM', 2000);
    count('HUP', 3000);
    assert.deepEqual(told([{ table }]), ['HUP 1000', 'TERM 2000', 'HUP 3000']);
  });

  it('of two processes are those of each, whatever lies where in their tables, and of the dead as well', () => {
    const [a, b] = [newCounter(), newCounter(7)];
    a.count('HUP', 1000);
    b.count('INT', 2000);
    assert.deepEqual(told([{ table: a.table }, { table: b.table, alive: false }]), ['HUP 1000', 'INT 2000']);
  });

  it(`are the last ${MAX_COUNT_EVENTS}, and take no more room after that`, () => {
    const { table, count } = newCounter();
    for (let n = 1; n <= MAX_COUNT_EVENTS; n += 1) count('HUP', n);
    const before = [table.used, table.dictionary.length];
    for (let n = 1; n <= 3 * MAX_COUNT_EVENTS + 1; n += 1) count('HUP', 1000 + n);
    assert.deepEqual([table.used, table.dictionary.length], before);
    const times = told([{ table }]).map((line) => Number(line.split(' ')[1]));
    assert.equal(times.length, MAX_COUNT_EVENTS);
    assert.equal(Math.min(...times), 1000 + 2 * MAX_COUNT_EVENTS + 2);
  });

  it('that name no series of the counter are left out: a file may say what it likes', () => {
    const { table, times } = newCounter();
    for (const offset of [-1, 0.5, 1e9, Number.NaN, 3]) times.add(offset, 1000);
    assert.deepEqual(told([{ table }]), []);
  });
});

function newCounter(before = 0) {
  const table = new SeriesTable();
  const other = table.define({ name: 'n', description: '', unit: '', kind: 'counter', scope: 'app' });
  for (let n = 0; n < before; n += 1) table.add(other, { n });
  const counter = new LabelledCounter(table, SIGNALS_METRIC, 10);
  const times = new CountTimes(table, SIGNAL_TIMES_METRIC);
  return { table, times, count: (signal: string, atMs: number) => times.add(counter.add({ signal }), atMs) };
}

function told(members: readonly MemberOfScene[]): string[] {
  const events = countEvents(SIGNALS_METRIC, SIGNAL_TIMES_METRIC, sceneOf(members));
  return [...events].map(({ attributes, atMonotonicMs }) => `${attributes['signal']} ${atMonotonicMs}`);
}
