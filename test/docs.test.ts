/** Documents held against the code, both ways. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ERROR_CODES, METRICS, readSettings, SETTINGS, type Setting, type Settings } from '@x/gunicorn-otel';
import { check } from '../src/check.ts';
import { loadConfigModule } from '../src/config-module.ts';
import { textOf } from '../src/setting-row.ts';
import { freshDirectory } from './processes.ts';

const ROOT = new URL('../../', import.meta.url);

test('the README lists every metric with its type and labels, and no other', () => {
  const listed = tableRows('README.md', /^(?:gunicorn|http)_\w+$/).map(([name, type, labels]) => ({
    name,
    type,
    labels,
  }));
  const emitted = METRICS.map(({ name, type, labels }) => ({ name, type, labels: labels.join(', ') }));
  assert.deepEqual(listed, emitted);
});

test('the settings that the README and docs/configuration.md name exist', () => {
  const known = new Set(Object.values(SETTINGS).flatMap(({ variable, otelVariable }) => [variable, otelVariable]));
  for (const path of ['README.md', 'docs/configuration.md']) {
    const named = read(path).match(/\b(?:GUNICORN_OTEL|PROMETHEUS|OTEL|GUNICORN|REDIS)_[A-Z_]*[A-Z]\b/g) ?? [];
    const unknown = named.filter((variable) => !known.has(variable));
    assert.deepEqual(unknown, [], path);
  }
});

test('docs/configuration.md tells every setting as the table has it, and no other', () => {
  const told = tableRows('docs/configuration.md', /^[A-Z_]+$/).map((cells) => cells.slice(0, 6));
  const rows = Object.entries(SETTINGS) as [keyof Settings, Setting][];
  const expected = rows.map(([key, setting]) => {
    const { variable, otelVariable = '', accepts, meaning, fallback } = setting;
    const value = textOf(setting, fallback).replace(tmpdir(), '<tmp>') || 'not set';
    return [variable, key, otelVariable, value, accepts, meaning];
  });
  // In the table they are in the order of code, in the document by what they are about.
  assert.deepEqual(told.sort(), expected.sort());
});

test('the examples of docs/configuration.md are accepted', (t) => {
  for (const [variable, , otelVariable, , , , example] of tableRows('docs/configuration.md', /^[A-Z_]+$/)) {
    for (const name of [variable!, ...(otelVariable ? [otelVariable] : [])]) {
      assert.deepEqual(readSettings({ [name]: example }).problems, [], name);
    }
  }
  const cwd = freshDirectory(t);
  const [, module] = /```js\n(.*?)```/s.exec(read('docs/configuration.md')) ?? [];
  writeFileSync(join(cwd, 'gunicorn.conf.mjs'), module!);
  const { file, settings, views, hooks, problems } = loadConfigModule({}, cwd);
  assert.deepEqual([...problems, ...readSettings({}, {}, { file, settings }).problems], []);
  assert.deepEqual([Object.keys(settings).length, views.length, Object.keys(hooks)], [3, 1, ['whenReady']]);
});

test('docs/configuration.md tells the report of check as it is', async (t) => {
  const report = await check({ OTEL_SDK_DISABLED: 'true' }, freshDirectory(t), () => {});
  const told = tableRows('docs/configuration.md', /^(?:ok|[a-zA-Z]+\[\]|configModule)$/);
  assert.deepEqual(told.map(([name]) => name!.replace('[]', '')).sort(), Object.keys(report).sort());
  const members = (name: string) => told.find(([row]) => row === name)?.[1]?.match(/\w+/g);
  assert.deepEqual(members('settings[]'), Object.keys(report.settings[0]!));
  assert.deepEqual(members('configModule'), Object.keys(report.configModule));
});

test('docs/errors.md tells every code, and no other', () => {
  const told = tableRows('docs/errors.md', /^GUNICORN_OTEL_ERR_/).map(([code]) => code);
  assert.deepEqual(told.sort(), [...ERROR_CODES].sort());
});

test('every decision is in the index, and every entry of the index is there', () => {
  const files = readdirSync(new URL('docs/decisions/', ROOT)).filter((file) => file !== 'README.md');
  const listed = [...read('docs/decisions/README.md').matchAll(/\]\(([^)]+)\)/g)].map(([, file]) => file!);
  assert.deepEqual(listed.sort(), files.sort());
});

// Rows of Markdown tables whose first cell is a name in backquotes that matches.
function tableRows(path: string, name: RegExp): string[][] {
  return read(path)
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim().replace(/^`([^`]*)`$/, '$1')),
    )
    .filter(([first]) => name.test(first!));
}

function read(path: string): string {
  return readFileSync(new URL(path, ROOT), 'utf8');
}
