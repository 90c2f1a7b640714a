/** Holds src/export/lasting-counts.ts: counters of the exporter go on in the next one, whatever is in the file. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { COUNTS_FILE, LastingCounts } from '../src/export/lasting-counts.ts';
import { freshDirectory } from './processes.ts';

const point = (value: number, labels: Record<string, string> = {}) => ({ labels, value });

test('counts go on from where the exporters before have left them, by name and labels, those that it has not had itself too', (t) => {
  const directory = freshDirectory(t);
  const first = new LastingCounts(directory);
  first.goOn('scrapes', [point(3)]);
  first.goOn('errors', [point(1, { cause: 'torn' }), point(2, { cause: 'enoent' })]);
  first.keep();
  const second = new LastingCounts(directory);
  assert.deepEqual(second.goOn('scrapes', [point(1)]), [point(4)]);
  assert.deepEqual(second.goOn('errors', [point(5, { cause: 'torn' })]), [
    point(6, { cause: 'torn' }),
    point(2, { cause: 'enoent' }),
  ]);
  second.keep();
  assert.deepEqual(new LastingCounts(directory).goOn('scrapes', [point(0)]), [point(4)]);
});

test('what is counted is counted once, however often it is shown', (t) => {
  const directory = freshDirectory(t);
  const counts = new LastingCounts(directory);
  for (const value of [1, 2, 3]) {
    assert.deepEqual(counts.goOn('scrapes', [point(value)]), [point(value)]);
    counts.keep();
  }
  assert.deepEqual(JSON.parse(readFileSync(join(directory, COUNTS_FILE), 'utf8')), [['["scrapes",{}]', 3]]);
  assert.deepEqual(readdirSync(directory), [COUNTS_FILE]);
});

test('what was kept is not kept smaller by who shows an earlier moment behind it', (t) => {
  const directory = freshDirectory(t);
  const counts = new LastingCounts(directory);
  for (const value of [5, 4]) assert.deepEqual(counts.goOn('scrapes', [point(value)]), [point(value)]);
  counts.keep();
  assert.deepEqual(new LastingCounts(directory).goOn('scrapes', [point(0)]), [point(5)]);
});

test('a damaged file is a new beginning, and a directory that is gone is none of its trouble', (t) => {
  for (const text of [
    '',
    '{',
    '7',
    '[["x",1]]',
    '[["[1,{}]",1]]',
    '[["[\\"scrapes\\",null]",1]]',
    '[null]',
    '[["[]","1"]]',
  ]) {
    const directory = freshDirectory(t);
    writeFileSync(join(directory, COUNTS_FILE), text);
    const counts = new LastingCounts(directory);
    assert.deepEqual(counts.goOn('scrapes', [point(2)]), [point(2)], text);
    rmSync(directory, { recursive: true });
    counts.keep();
  }
});
