import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Report, writeSection } from './bench/report.ts';
import { freshDirectory } from './processes.ts';

test('a part writes its own section anew, and no other', (t) => {
  const page = join(freshDirectory(t), 'benchmarks.md');
  writeSection('one', 'The first', 'First text, `## not a heading`.\n', { page });
  const [head] = sections(page);
  assert.match(head!, /^# Benchmarks\n/);
  writeSection('two', 'The second', 'Second text.\n', { page });
  writeSection('three', 'The third', 'Third text.\n', { page });
  const before = sections(page);
  assert.deepEqual(before.slice(1).map(titleOf), ['The first (`one`)', 'The second (`two`)', 'The third (`three`)']);

  writeSection('two', 'The second', 'Other text.\n', { page });
  const after = sections(page);
  assert.deepEqual(after.map(titleOf), before.map(titleOf));
  assert.deepEqual(
    after.map((section, i) => section === before[i]),
    [true, true, false, true],
  );
  assert.match(after[2]!, /\n\nOther text\.\n$/);
  assert.doesNotMatch(after[2]!, /Second text/);
});

test('a section says where and when it was measured, before what was found', (t) => {
  const page = join(freshDirectory(t), 'benchmarks.md');
  writeSection('one', 'The first', 'Found.\n', { page });
  const [, section] = sections(page);
  const [, heading, , machine, , text] = section!.match(/^(.*)\n(\n)(.*)\n(\n)(.*)\n$/)!;
  assert.equal(heading, '## The first (`one`)');
  assert.match(machine!, /^\d{4}-\d\d-\d\d, commit .+, Node v\d+\..+ × .+ GB\.$/);
  assert.equal(text, 'Found.');
  writeSection('one', 'The first', 'Found.\n', { page, stolen: 0.043 });
  assert.match(sections(page)[1]!, / GB; its host took 4 % of the cores' time\.\n\nFound\.\n$/);
});

test('a table is Markdown, figures to the right', () => {
  const report = quiet((it) =>
    it.table(
      ['', 'µs'],
      [
        ['bare', '9.50'],
        ['ours', '10.25'],
      ],
    ),
  );
  assert.equal(
    report.text,
    ['|      |    µs |', '| ---- | ----: |', '| bare |  9.50 |', '| ours | 10.25 |', ''].join('\n'),
  );
});

test('a target that is missed says why, one that is met does not', () => {
  const target = { what: 'added CPU', limit: 1, unit: 'µs', because: 'The clock takes it.' };
  const report = quiet((it) => {
    it.target({ ...target, is: 1 });
    it.target({ ...target, is: 12.34 });
    it.say('And so on.');
  });
  assert.equal(
    report.text,
    [
      '- target: added CPU ≤ 1 µs: **met**, 1.00 µs.',
      '- target: added CPU ≤ 1 µs: **missed**, 12.3 µs. The clock takes it.',
      '',
      'And so on.',
      '',
    ].join('\n'),
  );
});

test('what was not measured has not met its target', () => {
  const report = quiet((it) => it.target({ what: 'added CPU', limit: 1, is: Number.NaN, unit: 'µs' }));
  assert.match(report.text, /\*\*missed\*\*/);
});

function sections(page: string): string[] {
  return readFileSync(page, 'utf8')
    .split(/^(?=## )/m)
    .map((section) => `${section.trimEnd()}\n`);
}

function titleOf(section: string): string {
  return section.slice(0, section.indexOf('\n')).replace(/^#+ /, '');
}

// A report prints as it goes; here it is not to.
function quiet(work: (report: Report) => void): Report {
  const report = new Report();
  const { log } = console;
  console.log = () => {};
  try {
    work(report);
  } finally {
    console.log = log;
  }
  return report;
}
