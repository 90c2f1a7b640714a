/** Holds src/give-way.ts: long work is slept in, in the exporter's thread and in no other. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { beginToGiveWay, giveWay, PIECE } from '../src/give-way.ts';
import { SeriesTable } from '../src/snapshot/series-table.ts';
import { startGroup } from './exporting-group.ts';

test('who has worked for a while sleeps a moment, once it is said that the thread is not the app', (t) => {
  const slept = t.mock.method(Atomics, 'wait', () => 'timed-out');
  workFor(5, () => giveWay(PIECE));
  assert.equal(slept.mock.callCount(), 0);
  beginToGiveWay();
  workFor(5, () => giveWay(PIECE));
  const slices = slept.mock.callCount();
  assert.ok(slices >= 1 && slices <= 6, `${slices} times in 5 ms`);
  // The clock is read for many units at once.
  for (let i = 1; i < PIECE; i += 1) {
    workFor(2, () => {});
    giveWay();
  }
  assert.equal(slept.mock.callCount(), slices);
  giveWay();
  assert.equal(slept.mock.callCount(), slices + 1);
});

test('the thread of an exporter gives way while it reads, adds up and writes a text', async (t) => {
  const table = new SeriesTable();
  const counters = Array.from({ length: 10 }, (_, i) => {
    return table.define({ name: `steps.${i}`, description: '', unit: '', kind: 'counter', scope: 'app' });
  });
  for (let i = 0; i < 20_000; i += 1) table.add(counters[i % 10]!, { i });
  const program = new URL('./tells-its-sleep.js', import.meta.url);
  const { directory, scrape } = startGroup(t, table, { metricsExporters: ['prometheus'] }, {}, program);
  // The thread keeps nobody.
  const keeper = setInterval(() => {}, 1000);
  t.after(() => clearInterval(keeper));
  await scrape();
  // A first one is compiled meanwhile, and takes dozens of milliseconds.
  assert.ok(Number(readFileSync(`${directory}.slept`, 'latin1')) > 5);
});

function workFor(milliseconds: number, work: () => void): void {
  for (const end = performance.now() + milliseconds; performance.now() < end; ) work();
}
