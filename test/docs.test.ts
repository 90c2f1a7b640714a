/** Documents held against the code, both ways. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ERROR_CODES, METRICS, SETTINGS } from '@x/gunicorn-otel';

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

test('the settings that the README names exist', () => {
  const known = new Set(Object.values(SETTINGS).flatMap(({ variable, otelVariable }) => [variable, otelVariable]));
  // Read by OpenTelemetry's own resource detector.
  for (const variable of ['OTEL_SERVICE_NAME', 'OTEL_RESOURCE_ATTRIBUTES']) known.add(variable);
  const named = read('README.md').match(/\b(?:GUNICORN_OTEL|PROMETHEUS|OTEL|GUNICORN)_[A-Z_]+\b/g) ?? [];
  assert.deepEqual(
    named.filter((variable) => !known.has(variable)),
    [],
  );
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
        .map((cell) => cell.trim().replace(/^`|`$/g, '')),
    )
    .filter(([first]) => name.test(first!));
}

function read(path: string): string {
  return readFileSync(new URL(path, ROOT), 'utf8');
}
