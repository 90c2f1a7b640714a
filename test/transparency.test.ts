/** Holds test/transparency: it must find what differs, and not take for it what is flaky. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { fixture, freshDirectory, ROOT, start } from './processes.ts';
import { readOutcomes } from './transparency/outcomes.ts';

const SCRIPT = join(ROOT, 'dist/test/transparency/transparency.js');

test('a test that fails with the preload is told, one that is flaky is not taken for it', async (t) => {
  const command = [process.execPath, '--test-reporter=tap', '--test', fixture('looks-at-its-options.mjs')];
  const run = start(t, [SCRIPT, '--runs', '3', '--', ...command], {
    preload: 'none',
    env: { MARK: join(freshDirectory(t), 'mark'), TMPDIR: freshDirectory(t) },
  });
  assert.equal((await run.ended()).code, 1, run.output.stderr);
  assert.match(run.output.stdout, /flaky without us: 2\n {2}is now this and now that\n/);
  assert.match(run.output.stdout, /differences: 1\n {2}is not preloaded\n {4}without: passed \| passed \| passed\n/);
  assert.match(run.output.stdout, /tests without: 3,3,3; with --require: 3,3,3/);
});

test('a command whose tests come out the same ends well', async (t) => {
  const command = [process.execPath, '--test-reporter=tap', '--test', fixture('passes-a-test.mjs')];
  const run = start(t, [SCRIPT, '--runs', '1', '--import', '--', ...command], { preload: 'none' });
  assert.equal((await run.ended()).code, 0, run.output.stdout + run.output.stderr);
  assert.match(run.output.stdout, /flaky without us: 0\ndifferences: 0\ntests without: 1; with --import: 1/);
});

test('outcomes are read from TAP with its subtests, and from the JSON of mocha and jest', () => {
  const tap = [
    'TAP version 13',
    '# Subtest: a',
    '    # Subtest: b',
    '        # Subtest: c 12345',
    '        ok 1 - c 12345',
    '    ok 1 - b',
    '    ok 2 - d # SKIP why',
    'not ok 1 - a',
    'ok 2 - a',
  ].join('\n');
  const expected = [
    ['a > b > c #', 'passed'],
    ['a > b', 'passed'],
    ['a > d', 'skip'],
    ['a', 'failed,passed'],
  ];
  assert.deepEqual([...readOutcomes(tap)], expected);
  const mocha = { passes: [{ fullTitle: 'a b' }], failures: [{ fullTitle: 'c' }], pending: [{ fullTitle: 'd' }] };
  assert.deepEqual(Object.fromEntries(readOutcomes(`noise\n${JSON.stringify(mocha, null, 2)}\n`)), {
    'a b': 'passed',
    c: 'failed',
    d: 'skip',
  });
  const jest = { testResults: [{ assertionResults: [{ fullName: 'a b', status: 'passed' }] }] };
  assert.deepEqual([...readOutcomes(JSON.stringify(jest))], [['a b', 'passed']]);
  assert.throws(() => readOutcomes('nothing'), /no TAP/);
});
