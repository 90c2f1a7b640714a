/** A check's report as text for a terminal of 80 columns: every setting in a table, then what is wrong, then the sum. */
import type { CheckedSetting, CheckReport } from './check.ts';
import { SETTINGS, type Setting } from './config.ts';
import { textOf } from './setting-row.ts';

const COLUMNS = 80;
const NAME_COLUMNS = Math.max(...Object.values(SETTINGS).map(({ variable }) => variable.length));
const FROM_COLUMNS = 16;
const GAP = '  ';
// In front of each row; those with something wrong have a mark there.
const MARK_COLUMNS = 2;
// Lines are broken between words, so that names and commands in them can be copied.
const PROSE = { breaks: / (?=[^ ]*$)/, indent: '  ' };
const VALUE_COLUMNS = COLUMNS - MARK_COLUMNS - NAME_COLUMNS - FROM_COLUMNS - 2 * GAP.length;

/** @returns lines of at most 80 characters, the last one ended, too; nothing in them that a terminal would act on */
export function checkText({ settings, configModule, endpoint, problems, warnings }: CheckReport): string {
  const { file, hooks, views } = configModule;
  return [
    ...row('', 'setting', 'value', 'from'),
    ...settings.flatMap((setting) => row(setting.wrong ? '!' : '', setting.variable, cellOf(setting), fromOf(setting))),
    '',
    ...wrapped(`config module: ${file ?? 'none'}`, COLUMNS, PROSE),
    ...(file === null ? [] : wrapped(`  hooks: ${hooks.join(', ') || 'none'}; views: ${views}`, COLUMNS, PROSE)),
    ...section('endpoint', '-', endpoint),
    ...section('wrong', '!', problems),
    ...section('warnings', '?', warnings),
    '',
    `${count(problems, 'problem')}, ${count(warnings, 'warning')}`,
    '',
  ].join('\n');
}

function cellOf({ name, value }: CheckedSetting): string {
  const setting = SETTINGS[name as keyof typeof SETTINGS] as Setting;
  return textOf(setting, value) || '-';
}

function fromOf({ variable, from }: CheckedSetting): string {
  if (from === variable) return 'variable';
  return from.includes('/') || from.includes('\\') ? 'config module' : from;
}

function row(mark: string, name: string, value: string, from: string): string[] {
  const values = wrapped(value, VALUE_COLUMNS);
  const froms = wrapped(from, FROM_COLUMNS);
  return Array.from({ length: Math.max(values.length, froms.length) }, (_, i) =>
    [
      (i === 0 ? mark : '').padEnd(MARK_COLUMNS) + (i === 0 ? name : '').padEnd(NAME_COLUMNS),
      (values[i] ?? '').padEnd(VALUE_COLUMNS),
      froms[i] ?? '',
    ]
      .join(GAP)
      .trimEnd(),
  );
}

function section(title: string, mark: string, lines: readonly string[]): string[] {
  if (lines.length === 0) return [];
  return ['', `${title}:`, ...lines.flatMap((line) => wrapped(`${mark} ${line}`, COLUMNS, PROSE))];
}

// Broken behind the last place that may be broken at, else where the column ends; what follows is indented.
function wrapped(text: string, columns: number, { breaks = /[ ,;/_=](?=[^ ,;/_=]*$)/, indent = '' } = {}): string[] {
  const lines: string[] = [];
  let rest = printable(text);
  while (rest.length > columns) {
    const place = rest.slice(0, columns).search(breaks);
    const end = place > indent.length ? place + 1 : columns;
    lines.push(rest.slice(0, end).trimEnd());
    rest = indent + rest.slice(end);
  }
  return [...lines, rest];
}

function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\u2028\u2029]/gu, '\ufffd');
}

function count(lines: readonly string[], what: string): string {
  return `${lines.length} ${what}${lines.length === 1 ? '' : 's'}`;
}
