/** docs/status.md held against src/status-document.ts, both ways, and against what is answered. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { StatusTeller } from '../src/export/status.ts';
import { Exits } from '../src/record/exits.ts';
import { EXIT_CAUSES } from '../src/snapshot/exit-events.ts';
import { ROOT } from './processes.ts';
import { EXPORTER, NOW_MONOTONIC_MS, sceneOf, serve, VIEW_OPTIONS } from './scenes.ts';

const INTERFACES = {
  Status: 'The document',
  Load: 'A load',
  WorkerStatus: 'A worker',
  RouteStatus: 'A route',
  StatusEvent: 'An event',
};
const NAMED = /readonly (\w+)\??: /y;
const source = readFileSync(join(ROOT, 'src/status-document.ts'), 'utf8').replaceAll(/\/\*\*.*?\*\//gs, '');
const text = readFileSync(join(ROOT, 'docs/status.md'), 'utf8');

describe('docs/status.md', () => {
  for (const [name, title] of Object.entries(INTERFACES)) {
    it(`tells every field of ${name}, and no other, in their order`, () => {
      assert.deepEqual(told(title), fieldsOf(name));
    });
  }

  it('knows every interface of the document', () => {
    assert.deepEqual(
      [...source.matchAll(/^export interface (\w+)/gm)].map(([, name]) => name).sort(),
      Object.keys(INTERFACES).sort(),
    );
  });

  it('tells what is answered, and no more', async () => {
    const table = serve([{}]);
    new Exits(table).ended({ clusterId: 1, threadId: 0, startSeconds: 1 }, EXIT_CAUSES[0]!, NOW_MONOTONIC_MS);
    const scene = async () => sceneOf([{ table }]);
    const status = await new StatusTeller({
      scene,
      exporter: () => EXPORTER,
      keep() {},
      views: VIEW_OPTIONS,
      service: '',
    }).look();
    const load = told('A load');
    assert.deepEqual(keysOf(status.total).sort(), load.sort());
    assert.deepEqual(keysOf(status.workers[0]!).sort(), [...told('A worker'), ...load].sort());
    assert.deepEqual(keysOf(status.routes[0]!).sort(), [...told('A route'), ...load].sort());
    assert.deepEqual(keysOf(status.events[0]!).sort(), told('An event').sort());
    const nested = (key: string, value: unknown) =>
      ['omitted', 'exporter'].includes(key) ? Object.keys(value as object).map((inner) => `${key}.${inner}`) : [key];
    const own = Object.entries(status).flatMap(([key, value]) => nested(key, value));
    assert.deepEqual(own.sort(), told('The document').sort());
  });
});

// First column of the table under a heading.
function told(title: string): string[] {
  const [, section = ''] = text.split(`\n## ${title}\n`);
  return [...section.split('\n## ')[0]!.matchAll(/^\| `([\w.]+)` \|/gm)].map(([, field]) => field!);
}

// With a dot where the type of a field stands in place; fields of what it extends are told where that is told.
function fieldsOf(name: string): string[] {
  const start = source.indexOf('{', source.indexOf(`interface ${name} `)) + 1;
  const fields: string[] = [];
  const path: string[] = [];
  let last = '';
  for (let i = start, depth = 0; depth >= 0; i += 1) {
    NAMED.lastIndex = i;
    const [, field] = NAMED.exec(source) ?? [];
    if (field) {
      last = field;
      fields.push([...path, field].join('.'));
    }
    if (source[i] === '{') {
      fields.pop();
      path.push(last);
      depth += 1;
    } else if (source[i] === '}') {
      path.pop();
      depth -= 1;
    }
  }
  return fields;
}

function keysOf(value: object, path = ''): string[] {
  return Object.entries(value).flatMap(([key, inner]) => {
    const isObject = typeof inner === 'object' && inner !== null && !Array.isArray(inner);
    return isObject && Object.keys(inner).length > 0 ? keysOf(inner, `${path}${key}.`) : [`${path}${key}`];
  });
}
