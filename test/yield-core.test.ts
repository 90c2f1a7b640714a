/** Holds src/yield-core.ts: long work is slept in, in the exporter's thread and in no other. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { type MetricDescriptor, SeriesTable } from '../src/snapshot/series-table.ts';
import { beginToYield, PIECE, yieldCore } from '../src/yield-core.ts';
import { startGroup } from './exporting-group.ts';
import { request } from './requests.ts';

test('who has worked for a while sleeps a moment, once it is said that the thread is not the app', (t) => {
  const slept = t.mock.method(Atomics, 'wait', () => 'timed-out');
  workFor(5, () => yieldCore(PIECE));
  assert.equal(slept.mock.callCount(), 0);
  beginToYield();
  workFor(5, () => yieldCore(PIECE));
  const slices = slept.mock.callCount();
  assert.ok(slices >= 1 && slices <= 6, `${slices} times in 5 ms`);
  // The clock is read for many units at once.
  for (let i = 1; i < PIECE; i += 1) {
    workFor(2, () => {});
    yieldCore();
  }
  assert.equal(slept.mock.callCount(), slices);
  yieldCore();
  assert.equal(slept.mock.callCount(), slices + 1);
});

test('the thread of an exporter yields in all that it does for each series of a scrape', async (t) => {
  const table = new SeriesTable();
  const of = (kind: MetricDescriptor['kind'], i: number) =>
    table.define({ name: `${kind}.${i}`, description: '', unit: '', kind, scope: 'app' });
  const metrics = Array.from({ length: 10 }, (_, i) => of(i % 2 === 0 ? 'counter' : 'gauge', i));
  // What takes its time to be compressed. Gauges are shown once they were set.
  for (let i = 0; i < 20_000; i += 1) table.add(metrics[i % 10]!, { text: noiseOf(i) });
  table.values.fill(1);
  const program = new URL('./yields-by-module.js', import.meta.url);
  const group = startGroup(t, table, { metricsExporters: ['prometheus'] }, {}, program);
  // The thread keeps nobody.
  const keeper = setInterval(() => {}, 1000);
  t.after(() => clearInterval(keeper));
  await request((await group.url())!, { headers: { 'accept-encoding': 'gzip' } });
  const modules = new Set(readFileSync(`${group.directory}.yields`, 'latin1').trim().split('\n'));
  assert.deepEqual([...modules].sort(), ['app-families', 'exposition', 'gzip', 'merge', 'reader']);
});

function noiseOf(seed: number): string {
  return createHash('sha512').update(String(seed)).digest('hex');
}

function workFor(milliseconds: number, work: () => void): void {
  for (const end = performance.now() + milliseconds; performance.now() < end; ) work();
}
