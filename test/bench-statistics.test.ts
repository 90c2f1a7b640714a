import assert from 'node:assert/strict';
import { test } from 'node:test';
import { leftAlone, type Watch } from './bench/stalls.ts';
import { median, quantile, shuffled, spread, turns } from './bench/statistics.ts';

test('a quantile is a value that was measured, whatever their order', () => {
  const values = [9, 1, 5, 3, 7];
  assert.deepEqual(
    [0, 0.25, 0.5, 0.75, 1].map((part) => quantile(values, part)),
    [1, 3, 5, 7, 9],
  );
  assert.deepEqual(values, [9, 1, 5, 3, 7]);
});

test('values are ordered as numbers', () => {
  assert.equal(median([10, 9, 100]), 10);
});

test('of nothing there is no median', () => {
  assert.ok(Number.isNaN(median([])));
});

test('a spread is the median and the quartiles, with as many digits as asked for', () => {
  assert.equal(spread([1, 2, 3, 4, 5]), '3.00 (2.00 to 4.00)');
  assert.equal(spread([1, 2, 3, 4, 5], 0), '3 (2 to 4)');
});

test('every other round goes the other way, and the variants stay as they are', () => {
  const variants = ['bare', 'ours', 'theirs'];
  assert.deepEqual(turns(variants, 0), ['bare', 'ours', 'theirs']);
  assert.deepEqual(turns(variants, 1), ['theirs', 'ours', 'bare']);
  assert.deepEqual(turns(variants, 2), ['bare', 'ours', 'theirs']);
  assert.deepEqual(variants, ['bare', 'ours', 'theirs']);
});

test('shuffled, each is there once, in any order', () => {
  const variants = ['bare', 'ours', 'theirs'];
  const orders = new Set<string>();
  for (let i = 0; i < 1000; i += 1) orders.add(shuffled(variants).join());
  assert.equal(orders.size, 6);
  assert.deepEqual([...new Set([...orders].map((order) => order.split(',').sort().join()))], ['bare,ours,theirs']);
});

test('stalls are of what the host has left alone, of all where that is less than five', () => {
  const watches = (alone: number, taken: number): Watch[] => [
    ...new Array<Watch>(taken).fill({ stalls: [], hostTook: true }),
    ...new Array<Watch>(alone).fill({ stalls: [], hostTook: false }),
  ];
  const kept = (alone: number, taken: number) => leftAlone(watches(alone, taken)).length;
  assert.deepEqual([kept(5, 30), kept(4, 30), kept(0, 3), kept(3, 0), kept(3, 1)], [5, 34, 3, 3, 4]);
  assert.ok(leftAlone(watches(5, 30)).every(({ hostTook }) => !hostTook));
});
