/** Documents held against the code, both ways. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { ERROR_CODES, METRICS, readSettings, SETTINGS, type Setting, type Settings } from '@x/gunicorn-otel';
import { check } from '../src/check.ts';
import { loadConfigModule } from '../src/config-module.ts';
import { FLEET_METRICS } from '../src/export/fleet-metrics.ts';
import { HOOK_NAMES } from '../src/lifecycle.ts';
import { textOf } from '../src/setting-row.ts';
import { freshDirectory } from './processes.ts';

const ROOT = new URL('../../', import.meta.url);
const DOCUMENTS = [
  'README.md',
  ...readdirSync(new URL('docs/', ROOT)).flatMap((file) => (/\.md$/.test(file) ? [`docs/${file}`] : [])),
];
/** Named in documents, and neither a setting nor a metric of ours. */
const NOT_OURS = new Set<string>([
  ...ERROR_CODES,
  'GUNICORN_OTEL_GROUP_DIRECTORY',
  'GUNICORN_OTEL_FAMILY',
  // Read by the command alone, told in docs/cli.md.
  'GUNICORN_OTEL_PASSWORD',
  // Read by OpenTelemetry's exporters, or named by them.
  'OTEL_EXPORTER_OTLP_METRICS_PROTOCOL',
  'OTEL_EXPORTER_OTLP_PROTOCOL',
  'OTEL_EXPORTER_OTLP_HEADERS',
  'http_server_request_duration',
  // A section of the web configuration, by its toolkit.
  'http_server_config',
]);

test('the README lists every metric with its type and labels, and no other', () => {
  const listed = tableRows('README.md', /^(?:gunicorn|http)_\w+$/).map(([name, type, labels]) => ({
    name,
    type,
    labels,
  }));
  const emitted = METRICS.map(({ name, type, labels }) => ({ name, type, labels: labels.join(', ') }));
  assert.deepEqual(listed, emitted);
});

test('docs/metrics.md tells every metric as the catalogue has it, and no other', () => {
  const told = tableRows('docs/metrics.md', /^(?:gunicorn|http)_\w+$/).map((cells) => cells.slice(0, 6));
  const emitted = METRICS.map(({ name, type, labels, detailedLabels = [], unit, help }) => {
    return [name, type, labels.join(', '), detailedLabels.join(', '), unit, help];
  });
  assert.deepEqual(told, emitted);
});

test('the metrics that documents name exist', () => {
  const known = new Set(METRICS.flatMap(({ name }) => [name, `${name}_bucket`, `${name}_count`, `${name}_sum`]));
  for (const path of DOCUMENTS) {
    // `gunicorn_worker_*` is the beginning of several; with colons it is a recorded series (test/rules.test.ts).
    const named =
      read(path).match(/(?<!:)\b(?:gunicorn_(?:worker|master|exporter)|http_server)_\w*[a-z]\b(?![_*])/g) ?? [];
    const unknown = named.filter((name) => !known.has(name) && !NOT_OURS.has(name));
    assert.deepEqual(unknown, [], path);
  }
});

test('docs/redis.md tells every metric of a fleet, and no other', () => {
  const told = tableRows('docs/redis.md', /^gunicorn_fleet_\w+$/).map(([name, type]) => [name, type]);
  assert.deepEqual(
    told,
    Object.values(FLEET_METRICS).map(({ name, type }) => [name, type]),
  );
});

test('docs/api.md tells every export, and no other', () => {
  const told = tableRows('docs/api.md', /^\w+$/).flatMap(([name, kind]) =>
    /^(?:function|class|constant|type)$/.test(kind!) ? [name] : [],
  );
  assert.deepEqual(told.sort(), exportsOf('src/index.ts').sort());
});

test('docs/hooks.md tells every hook, and every default; their types are told in docs/api.md', () => {
  const hooks = tableRows('docs/hooks.md', /^[a-z]\w*\(/).map(([call]) => call!.replace(/\(.*/, ''));
  const exported = exportsOf('src/hooks.ts');
  const defaults = exported.filter((name) => /^[a-z]/.test(name));
  assert.deepEqual(hooks.sort(), [...HOOK_NAMES, ...defaults].sort());
  const types = exported.filter((name) => !defaults.includes(name));
  const api = exportsOf('src/index.ts');
  assert.deepEqual(
    types.filter((name) => !api.includes(name)),
    [],
  );
});

test('docs/architecture.md tells every file of the top and of record/', () => {
  const told = [...read('docs/architecture.md').matchAll(/^\| [^|]+ \| (`.*`[^|]*) \|$/gm)].flatMap(([, files]) =>
    [...files!.matchAll(/`([\w-]+)`/g)].map(([, file]) => file!),
  );
  const there = ['src/', 'src/record/'].flatMap((room) =>
    readdirSync(new URL(room, ROOT)).flatMap((file) => /^([\w-]+)\.ts$/.exec(file)?.[1] ?? []),
  );
  assert.deepEqual(told.sort(), there.sort());
});

test('links of documents that are packed lead to what is packed, but those of pictures', () => {
  const [{ files }] = JSON.parse(
    execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: ROOT, encoding: 'utf8' }),
  ) as [{ files: { path: string }[] }];
  const packed = new Set(files.flatMap(({ path }) => [path, ...parentsOf(path)]));
  const anchorsOf = (path: string) =>
    [...read(path).matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
      title!
        .toLowerCase()
        .replaceAll(/[^\w\- ]/g, '')
        .replaceAll(' ', '-'),
    );
  const documents = [...packed].filter((path) => path.endsWith('.md'));
  for (const document of DOCUMENTS) assert.ok(documents.includes(document), document);
  for (const path of documents) {
    for (const [, picture, target] of read(path).matchAll(/(!?)\[[^\]]*\]\(([^)]+)\)/g)) {
      if (/^https?:/.test(target!)) continue;
      const [file, anchor] = target!.split('#') as [string, string?];
      const found = file === '' ? path : join(dirname(path), file);
      // In a tarball there is its text.
      assert.ok(picture ? existsSync(new URL(found, ROOT)) : packed.has(found), `${path}: ${target}`);
      if (anchor) assert.ok(anchorsOf(found).includes(anchor), `${path}: ${target}`);
    }
  }
});

test('the tests that docs/aggregation.md names exist', () => {
  const named = read('docs/aggregation.md').match(
    /(?<=`)(?:aggregate|catalogue|group|model|snapshot|system)-[a-z-]+(?=`)/g,
  );
  assert.ok(named!.length > 30);
  for (const name of named!) assert.ok(existsSync(new URL(`test/${name}.test.ts`, ROOT)), name);
});

test('the settings that documents name exist', () => {
  const known = new Set(Object.values(SETTINGS).flatMap(({ variable, otelVariable }) => [variable, otelVariable]));
  for (const path of DOCUMENTS) {
    const named = read(path).match(/\b(?:GUNICORN_OTEL|PROMETHEUS|OTEL|GUNICORN|REDIS)_[A-Z_]*[A-Z]\b/g) ?? [];
    const unknown = named.filter((variable) => !known.has(variable) && !NOT_OURS.has(variable));
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

// The directories that a path is in.
function parentsOf(path: string): string[] {
  const parent = dirname(path);
  return parent === '.' ? [] : [parent, ...parentsOf(parent)];
}

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

// Names that a module exports, types included: values alone are there when it is loaded.
function exportsOf(path: string): string[] {
  const text = read(path);
  const lists = [...text.matchAll(/^export (?:type )?\{([^}]*)\}/gm)].flatMap(([, list]) => list!.split(','));
  const declared = [...text.matchAll(/^export (?:function|class|const|type|interface) (\w+)/gm)].map(
    ([, name]) => name!,
  );
  return [...lists.map((name) => name.trim().replace(/^type /, '')).filter(Boolean), ...declared];
}

function read(path: string): string {
  return readFileSync(new URL(path, ROOT), 'utf8');
}
