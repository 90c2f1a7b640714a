/** Holds src/record/failures.ts: each failure is counted by cause, and said once. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { diag } from '@opentelemetry/api';
import { FAILURE_CAUSES, Failures } from '../src/record/failures.ts';
import { SeriesTable } from '../src/snapshot/series-table.ts';

test('a failure is counted by its cause each time and said once per cause, to the logger that the app has set', (t) => {
  const said: string[] = [];
  const silent = () => {};
  diag.setLogger({ error: silent, warn: (line) => said.push(line), info: silent, debug: silent, verbose: silent });
  t.after(() => diag.disable());
  const table = new SeriesTable();
  const failures = new Failures(table);
  failures.count('collect', new Error('first\n line'));
  failures.count('collect', new Error('second'));
  failures.count('callback', 'no error at all');
  failures.count('callback', undefined);
  assert.deepEqual([...table.values.subarray(0, table.used)], [2, 2]);
  assert.deepEqual(
    table.dictionary.slice(1).map((line) => JSON.parse(line).a.cause),
    ['collect', 'callback'],
  );
  assert.equal(said.length, 2);
  assert.match(said[0]!, /^gunicorn-otel: .*first line/);
  assert.match(said[1]!, /no error at all/);
});

test('a line about a failure is short, whatever the error has to say', (t) => {
  const said: string[] = [];
  const silent = () => {};
  diag.setLogger({ error: silent, warn: (line) => said.push(line), info: silent, debug: silent, verbose: silent });
  t.after(() => diag.disable());
  new Failures(new SeriesTable()).count('attributes', new Error('x'.repeat(1_000_000)));
  assert.ok(said[0]!.length < 1000, `${said[0]!.length} letters`);
});

test('docs/metrics.md tells every cause, and no other', () => {
  const text = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8');
  const [, told] = /^\| `cause` of `…_errors_total` \| ((?:`\w+`(?:, )?)+)/m.exec(text)!;
  assert.deepEqual(told!.match(/\w+/g)!.sort(), [...FAILURE_CAUSES].sort());
});
