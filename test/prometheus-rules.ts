/**
 * The rule files of docs/prometheus as data. Reads only the YAML that they are written in, and nothing it does not know:
 * `key: value` on a line, and `expr: |` with the lines below it.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const DIRECTORY = new URL('../../docs/prometheus/', import.meta.url);
const LINE = /^( *)(- )?(\w+):(?: (.*))?$/;
/** Of the keys below `rules`, from the dash on. */
const RULE_INDENT = 6;

export interface Rule {
  readonly kind: 'alert' | 'record';
  readonly name: string;
  readonly expression: string;
  /** As in the file; '' where it fires at once. */
  readonly for: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export const RULE_FILES = ['recording.yml', 'alerts.yml'].map((file) => fileURLToPath(new URL(file, DIRECTORY)));
export const RECORDINGS = readRules(RULE_FILES[0]!);
export const ALERTS = readRules(RULE_FILES[1]!);

/** What a query may name besides the catalogue: what is recorded, with the labels it has, and Prometheus's `up`. */
export const RECORDED: ReadonlyMap<string, readonly string[]> = new Map([
  ['up', []],
  ...RECORDINGS.map(({ name, labels }) => [name, [...recordedLabels(name), ...Object.keys(labels)]] as const),
]);

function readRules(path: string): Rule[] {
  const rules: (Rule & Record<string, unknown>)[] = [];
  const lines = readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => !/^ *(?:#.*)?$/.test(line));
  let section: Record<string, string> = {};
  while (lines.length > 0) {
    const line = lines.shift()!;
    const [, indent, dash, key, value] = LINE.exec(line) ?? assert.fail(`${path}: ${line}`);
    if (indent!.length < RULE_INDENT) continue;
    if (dash) {
      assert.ok(key === 'alert' || key === 'record', line);
      rules.push({ kind: key, name: textOf(value!), expression: '', for: '', labels: {}, annotations: {} });
    } else if (indent!.length > RULE_INDENT + 2) {
      section[key!] = textOf(value!);
    } else if (key === 'expr') {
      assert.equal(value, '|', line);
      const end = lines.findIndex((next) => !next.startsWith(' '.repeat(RULE_INDENT + 4)));
      const block = lines.splice(0, end === -1 ? lines.length : end);
      Object.assign(rules.at(-1)!, { expression: block.map((part) => part.trim()).join('\n') });
    } else if (key === 'for') {
      Object.assign(rules.at(-1)!, { for: value });
    } else {
      assert.ok(key === 'labels' || key === 'annotations', line);
      section = rules.at(-1)![key] as Record<string, string>;
    }
  }
  return rules;
}

function textOf(value: string): string {
  return value.startsWith('"') ? (JSON.parse(value) as string) : value;
}

// `job_instance_worker_id:…`: the labels that the first part names are those of the series.
function recordedLabels(name: string): string[] {
  return ['job', 'instance', 'worker_id', 'http_route', 'le'].filter((label) =>
    new RegExp(`(?:^|_)${label}(?:_|$)`).test(name.split(':')[0]!),
  );
}
