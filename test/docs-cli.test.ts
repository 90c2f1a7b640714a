/** Holds docs/cli.md against the code, both ways: commands, options, exit codes, keys, columns, and the capture. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { EXIT_CODES } from '../src/command-help.ts';
import { COMMAND_NAMES, COMMANDS, type Command } from '../src/command-line.ts';
import { ROUTE_COLUMNS, WORKER_COLUMNS } from '../src/top/columns.ts';
import { KEY_HELP } from '../src/top/view.ts';
import { CAPTURE, CAPTURED, withoutGaps } from './top-captures.ts';

const text = readFileSync(new URL('../../docs/cli.md', import.meta.url), 'utf8');

// The rows of the table whose first title is that, in a part of the document.
function rows(title: string, part = text): string[][] {
  const [, table = ''] = new RegExp(`^\\| ${title} \\|.*\\n\\|[-|]+\\n((?:\\|.*\\n)*)`, 'm').exec(part) ?? [];
  return table
    .trimEnd()
    .split('\n')
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim().replace(/^`(.*)`$/, '$1')),
    );
}

test('docs/cli.md tells every command, and no other, each with its summary', () => {
  const parts = text.split(/^## /m).slice(1);
  assert.deepEqual(
    parts.map((part) => /^`gunicorn-otel (\w+)`/.exec(part)?.[1]),
    COMMAND_NAMES,
  );
  for (const [i, name] of COMMAND_NAMES.entries()) {
    const { summary, options } = COMMANDS[name] as Command;
    const prose = parts[i]!.replaceAll(/\s+/g, ' ').toLowerCase();
    assert.ok(prose.includes(summary.toLowerCase()), name);
    assert.deepEqual(
      rows('option', parts[i]!),
      Object.entries(options).map(([option, { value = '', meaning }]) => [`--${option}`, value, meaning]),
    );
  }
});

test('docs/cli.md tells the exit codes as --help does', () => {
  assert.deepEqual(
    rows('exit code'),
    EXIT_CODES.map(([code, meaning]) => [String(code), meaning]),
  );
});

test('docs/cli.md tells the keys of top as its help does', () => {
  assert.deepEqual(rows('key'), KEY_HELP);
});

test('docs/cli.md tells every column of top, and no other', () => {
  const names = WORKER_COLUMNS.map(({ name }) => name);
  const columns = [...WORKER_COLUMNS, ...ROUTE_COLUMNS.filter(({ name }) => !names.includes(name))];
  assert.deepEqual(
    rows('column'),
    columns.map(({ name, meaning }) => [name, meaning]),
  );
});

test('the documents have the capture of 80 columns as it was made', () => {
  const capture = readFileSync(new URL('../../docs/images/top-80.txt', import.meta.url), 'utf8');
  for (const document of CAPTURED) {
    const [, , shown] = CAPTURE.exec(readFileSync(document, 'utf8')) ?? [];
    assert.equal(shown, withoutGaps(capture), document);
  }
});
