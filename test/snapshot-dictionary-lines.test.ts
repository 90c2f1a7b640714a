/** Holds src/snapshot/dictionary-lines.ts: files whose checksums hold and whose lines are not ours, read as a group is. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { merge } from '../src/aggregate/merge.ts';
import { GroupReader } from '../src/aggregate/workers.ts';
import { project } from '../src/catalogue/views.ts';
import { GunicornOtelError } from '../src/errors.ts';
import { setLogLevel } from '../src/report.ts';
import { Dictionary } from '../src/snapshot/dictionary.ts';
import { snapshotFile } from '../src/snapshot/directory.ts';
import { EXIT_FIELDS } from '../src/snapshot/exit-events.ts';
import { decodeSnapshot, encodeSnapshot, type Snapshot } from '../src/snapshot/layout.ts';
import { EXITS_METRIC, OWN_KINDS, OWN_SCOPE, REQUESTS_METRIC } from '../src/snapshot/own-metrics.ts';
import { ownMark } from '../src/snapshot/process-mark.ts';
import { IDENTITY } from './arbitrary-tables.ts';
import { fileOfLines } from './damages.ts';
import { parseExposition, select } from './exposition.ts';
import { freshDirectory } from './processes.ts';
import { EXPORTER, render, sceneOf, serve, VIEW_OPTIONS } from './scenes.ts';

setLogLevel('none');

const FOREIGN = { code: 'GUNICORN_OTEL_ERR_SNAPSHOT_FOREIGN' };
const METRIC = { name: 'n', description: '', unit: '', kind: 'counter', scope: 'app' };
const HISTOGRAM = { ...METRIC, kind: 'histogram', bounds: [[1, 2]] };
const OWN = { description: '', unit: '', scope: OWN_SCOPE };

const IDENTITIES: Record<string, unknown> = {
  'is no object': 7,
  'is null': null,
  'is a list': [IDENTITY],
  'has no fields': {},
  'has another role': { ...IDENTITY, role: 'master' },
  'has the role of a prototype': { ...IDENTITY, role: 'constructor' },
  'has no worker id': { ...IDENTITY, workerId: undefined },
  'has a worker id that is no text': { ...IDENTITY, workerId: { toString: 1 } },
  'has a pid that is a text': { ...IDENTITY, pid: '4711' },
  'has a negative start': { ...IDENTITY, startSeconds: -1 },
  'has a thread that is none': { ...IDENTITY, threadId: null },
  'has a start that is a list': { ...IDENTITY, startedMonotonicMs: [1] },
  'has a state that is a text': { ...IDENTITY, state: 'running' },
  'has a state of another name': { ...IDENTITY, state: { name: 'sleeping', sinceSeconds: 1 } },
  'has a state since never': { ...IDENTITY, state: { name: 'running', sinceSeconds: null } },
  'has ended perhaps': { ...IDENTITY, ended: 'yes' },
  'is lasting somehow': { ...IDENTITY, lasting: 1 },
  'runs in a task without a start': { ...IDENTITY, task: { id: 1 } },
  'has half an exit code': { ...IDENTITY, ended: true, exitCode: 0.5 },
  'has folded a text': { ...IDENTITY, folded: 'x' },
  'has folded a file outside': { ...IDENTITY, folded: ['../1-1-0.snapshot'] },
};
const LINES: Record<string, unknown[]> = {
  'are numbers': [1, 2],
  'are null': [null],
  'are texts': ['"m"'],
  'are no JSON': ['{"m":'],
  'are nothing at all': [{}],
  'define a metric that is a text': [{ m: 'n' }],
  'define a metric that is null': [{ m: null }],
  'define a metric without a name': [{ m: { ...METRIC, name: undefined } }],
  'define a metric without a kind': [{ m: { ...METRIC, kind: undefined } }],
  'define a metric of another kind': [{ m: { ...METRIC, kind: 'summary' } }],
  'define a metric whose kind is of a prototype': [{ m: { ...METRIC, kind: '__proto__' } }],
  'define bounds that are numbers': [{ m: { ...HISTOGRAM, bounds: [1, 2] } }],
  'define bounds that are texts': [{ m: { ...HISTOGRAM, bounds: [['1']] } }],
  'define bounds that are an object': [{ m: { ...HISTOGRAM, bounds: { length: 2 ** 31 } } }],
  'define bounds without an end': [{ m: { ...HISTOGRAM, bounds: [[null]] } }],
  'define fields that are no texts': [{ m: { ...METRIC, kind: 'event', fields: [1] } }],
  'have a series of no metric': [{ s: 0, a: {} }],
  'have a series of a metric to come': [{ m: METRIC }, { s: 1, a: {} }],
  'have a series of metric -1': [{ m: METRIC }, { s: -1, a: {} }],
  'have a series of half a metric': [{ m: METRIC }, { s: 0.5, a: {} }],
  'have a series of the metric __proto__': [{ m: METRIC }, { s: '__proto__', a: {} }],
  'have a series without attributes': [{ m: METRIC }, { s: 0 }],
  'have attributes that are a text': [{ m: METRIC }, { s: 0, a: 'x' }],
  'have attributes that are a list': [{ m: METRIC }, { s: 0, a: ['x'] }],
  'have requests of another kind': [{ m: { ...OWN, name: REQUESTS_METRIC, kind: 'counter' } }],
  'have requests of one histogram': [{ m: { ...OWN, name: REQUESTS_METRIC, kind: 'histogram', bounds: [[1]] } }],
  'have requests without bounds': [{ m: { ...OWN, name: REQUESTS_METRIC, kind: 'histogram' } }],
  'have requests whose bounds fall': [
    { m: { ...OWN, name: REQUESTS_METRIC, kind: 'histogram', bounds: [[2, 1], [1], [1]] } },
  ],
  'have exits with other fields': [{ m: { ...OWN, name: EXITS_METRIC, kind: 'event', fields: ['who'] } }],
};

describe('a file whose checksums hold', () => {
  for (const [what, identity] of Object.entries(IDENTITIES)) {
    it(`is foreign when its identity ${what}`, () => {
      assert.throws(() => decodeSnapshot(fileOfLines([identity])), FOREIGN);
    });
  }
  for (const [what, lines] of Object.entries(LINES)) {
    it(`is foreign when its lines ${what}`, () => {
      assert.throws(() => decodeSnapshot(fileOfLines([IDENTITY, ...lines], [1])), FOREIGN);
    });
  }

  it('is foreign when it has no line at all', () => {
    assert.throws(() => decodeSnapshot(fileOfLines([])), { code: 'GUNICORN_OTEL_ERR_SNAPSHOT_TORN' });
    assert.throws(() => decodeSnapshot(fileOfLines([''], [1])), FOREIGN);
  });

  it('is foreign when a sum in it is no number; what is set may be what it likes', () => {
    const fileOf = (kind: string, value: number) => {
      return fileOfLines([IDENTITY, { m: { ...METRIC, kind } }, { s: 0, a: {} }], [value, 1]);
    };
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      for (const kind of ['counter', 'updowncounter'])
        assert.throws(() => decodeSnapshot(fileOf(kind, value)), FOREIGN);
      assert.ok(Object.is(decodeSnapshot(fileOf('gauge', value)).values[0], value));
    }
  });

  it('is ours with names and attributes of prototypes, and with texts that a program without types has given', () => {
    const attributes = JSON.parse('{"__proto__": {"polluted": 1}, "constructor": "x"}');
    const told = JSON.parse('{"name": "__proto__", "kind": "counter", "description": 42, "__proto__": {"unit": 1}}');
    const snapshot = decodeSnapshot(fileOfLines([IDENTITY, { m: told }, { s: 0, a: attributes }], [1]));
    const [{ descriptor, series }] = snapshot.metrics as [Snapshot['metrics'][0]];
    assert.deepEqual(
      [descriptor.name, descriptor.description, descriptor.unit, descriptor.scope],
      ['__proto__', '', '', ''],
    );
    assert.deepEqual(Object.keys(series[0]!.attributes), ['__proto__', 'constructor']);
    assert.equal(({} as { polluted?: number }).polluted, undefined);
  });

  it('leaves what was read before as it was, whatever comes behind it', () => {
    const known = new Dictionary();
    const lines = [IDENTITY, { m: METRIC }, { s: 0, a: { n: 1 } }];
    decodeSnapshot(fileOfLines(lines, [1]), known);
    const bad = [...lines, { m: HISTOGRAM }, { s: 1, a: {} }, { s: 7, a: {} }];
    for (let n = 0; n < 3; n += 1)
      assert.throws(() => decodeSnapshot(fileOfLines(bad, [1, 1, 1, 1, 1]), known), FOREIGN);
    const good = [...lines, { s: 0, a: { n: 2 } }];
    const { metrics } = decodeSnapshot(fileOfLines(good, [1, 2]), known);
    assert.deepEqual(
      metrics.flatMap(({ series }) => series.map(({ attributes, offset }) => [attributes['n'], offset])),
      [
        [1, 0],
        [2, 1],
      ],
    );
  });
});

describe('a program that writes whatever it likes', () => {
  const json = fc.jsonValue({ maxDepth: 4 });
  // Mostly as ours would be, or nothing but the first check would ever be tried.
  const mostly = <T>(right: fc.Arbitrary<T>) =>
    fc.oneof<[fc.WeightedArbitrary<unknown>, fc.WeightedArbitrary<unknown>]>(
      { weight: 60, arbitrary: right },
      { weight: 1, arbitrary: json },
    );
  const app = fc.record(
    {
      name: mostly(fc.constantFrom('n', '__proto__', '', 'größe', ...Object.keys(OWN_KINDS))),
      description: fc.oneof(fc.constant('x'), json),
      unit: fc.oneof(fc.constantFrom('s', ''), json),
      kind: mostly(fc.constantFrom('counter', 'updowncounter', 'histogram', 'gauge', 'event')),
      scope: fc.oneof(fc.constant('app'), json),
      bounds: mostly(fc.constantFrom([[1, 2], [1], [1]], [[]], [], [[2, 1, 1]], [[-1e308, 1e308]])),
      fields: mostly(fc.constantFrom(EXIT_FIELDS, [], ['a'])),
    },
    { requiredKeys: ['name', 'kind'] },
  );
  const own = fc.constantFrom(...Object.entries(OWN_KINDS)).map(([name, kind]) => {
    return { ...OWN, name, kind, ...(kind === 'event' ? { fields: EXIT_FIELDS } : { bounds: [[1], [2, 3], []] }) };
  });
  const attributes = fc.dictionary(
    fc.constantFrom(
      'http.route',
      'http.request.method',
      'error.type',
      'signal',
      'reason',
      'worker_id',
      'le',
      '__proto__',
    ),
    fc.oneof(fc.constantFrom('GET', 'kill', '/a'), json),
  );
  const line = mostly(
    fc.oneof(
      { weight: 2, arbitrary: app.map((m) => ({ m })) },
      { weight: 2, arbitrary: own.map((m) => ({ m })) },
      { weight: 5, arbitrary: fc.record({ s: fc.constant(0), a: attributes }) },
    ),
  );
  const numbers = mostly(fc.integer({ min: -5, max: 1000 })).map((value) =>
    typeof value === 'object' ? Number.NaN : Number(value),
  );
  const values = fc.array(numbers, { maxLength: 60 });

  it('disturbs no scrape: it is valid, and the others are in it as they are', async (t) => {
    const directory = freshDirectory(t);
    const mark = ownMark();
    const table = serve([{ path: '/healthy' }, { path: '/healthy', status: 500 }]);
    const healthy = encodeSnapshot({ ...IDENTITY, ...mark, threadId: 1, workerId: 'healthy' }, table, 0);
    writeFileSync(join(directory, snapshotFile(mark, 1)), healthy);
    const outcomes = { read: 0, foreign: 0 };
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 12 }), values, async (told, values) => {
        // A series is of one of the metrics before it.
        let metrics = 0;
        const lines = told.map((line) => {
          const { m, s } = Object(line) as { m?: unknown; s?: unknown };
          metrics += m === undefined ? 0 : 1;
          return s === 0 && metrics > 0 ? { ...(line as object), s: metrics - 1 } : line;
        });

        const identity = { ...IDENTITY, ...mark, threadId: 0, workerId: 'healthy' };
        writeFileSync(join(directory, snapshotFile(mark, 0)), fileOfLines([identity, ...lines], values));
        const reader = new GroupReader({ directory, exitedRetentionMs: 1e9 });
        const members = reader.read();
        outcomes[members.length === 2 ? 'read' : 'foreign'] += 1;
        assert.equal(members.length + (reader.errors.get('foreign') ?? 0), 2);
        const scene = { ...sceneOf([]), members, workers: members, merged: merge(members) };
        const samples = parseExposition(await render(project(scene, EXPORTER, VIEW_OPTIONS)));
        const own = { http_route: '/healthy', http_response_status_code: '500' };
        assert.ok(select(samples, 'http_server_request_duration_seconds_count', own).length >= 1);
      }),
      { numRuns: 500, includeErrorInReport: true },
    );
    t.diagnostic(JSON.stringify(outcomes));
  });

  it('is refused with a code and nothing else', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(line, json), { maxLength: 8 }), values, (lines, values) => {
        try {
          decodeSnapshot(fileOfLines(lines, values));
        } catch (error) {
          assert.ok(error instanceof GunicornOtelError, String((error as Error).stack));
        }
      }),
      { numRuns: 500 },
    );
  });
});
