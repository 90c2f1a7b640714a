/** Holds src/top/status.ts: a document of anybody's making is read as far as it is one, and nothing in it harms. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { frame } from '../src/top/frame.ts';
import { textOfLine } from '../src/top/line.ts';
import { plainText } from '../src/top/plain.ts';
import { readStatus } from '../src/top/status.ts';
import { widthOf } from '../src/top/text.ts';
import { actionsOf, firstView, nextView, SORTABLE } from '../src/top/view.ts';
import { aStatus } from './status-server.ts';

const URL = 'http://127.0.0.1:9090';

it('a document as it should be is read as it is', () => {
  const status = aStatus();
  assert.deepEqual(readStatus(JSON.parse(JSON.stringify(status))), status);
});

it('what is no document, or of another version, is told in a line', () => {
  for (const other of [null, 1, 'x', [], {}, { version: '1' }]) {
    assert.equal(readStatus(other), 'what it answers is no status document of gunicorn-otel');
  }
  assert.match(String(readStatus({ version: 2 })), /of version 2, and this gunicorn-otel reads version 1/);
});

it('what is missing is not known, and never 0 requests a second', () => {
  const status = readStatus({ version: 1, workers: [{}], routes: [null], events: ['x'] });
  assert.ok(typeof status === 'object');
  assert.equal(status.workers[0]!.requestsPerSecond, null);
  assert.equal(status.total.durationSeconds.p99, null);
  assert.equal(status.health, 'degraded');
});

// Of the document's own shape, each value of any kind at all.
const odd = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc.double(),
  fc.constantFrom(null, undefined, -1, true, [], {}, '\u001b]0;owned\u0007', '\u202e'),
);
const oddLoad = {
  requests: odd,
  requestsPerSecond: odd,
  failedRequestsPerSecond: odd,
  durationSeconds: fc.oneof(odd, fc.record({ p50: odd, p95: odd, p99: odd })),
};
const oddWorker = fc.record(
  { id: odd, pid: odd, role: odd, state: odd, stateSinceSeconds: odd, uptimeSeconds: odd, cpuPercent: odd, ...oddLoad },
  { requiredKeys: [] },
);
const oddRoute = fc.record({ method: odd, route: odd, ...oddLoad }, { requiredKeys: [] });
const oddEvent = fc.record({ atMs: odd, kind: odd, workerId: odd, what: odd }, { requiredKeys: [] });
const oddDocument = fc.record(
  {
    version: fc.constant(1),
    atMs: odd,
    startMs: odd,
    service: odd,
    health: odd,
    expectedWorkers: odd,
    total: fc.oneof(odd, fc.record(oddLoad)),
    workers: fc.oneof(odd, fc.array(fc.oneof(odd, oddWorker), { maxLength: 30 })),
    routes: fc.oneof(odd, fc.array(fc.oneof(odd, oddRoute), { maxLength: 30 })),
    events: fc.oneof(odd, fc.array(fc.oneof(odd, oddEvent), { maxLength: 10 })),
    exporter: fc.oneof(odd, fc.record({ overflow: fc.dictionary(fc.string(), odd), snapshotErrors: odd })),
  },
  { requiredKeys: ['version'] },
);
const sizes = fc.record({ columns: fc.integer({ min: 1, max: 220 }), rows: fc.integer({ min: 1, max: 60 }) });
const keys = fc.array(
  fc.constantFrom('\t', 'w', 'R', 'e', 'r', '?', ' ', '\u001b[B', '\u001b[C', '\u001b[F', '\u001b[5~', 'x'),
);

it('whatever the document, the keys and the size: no line is wider than the terminal, none too many, none acts on it', () => {
  fc.assert(
    fc.property(
      oddDocument,
      sizes,
      keys,
      fc.constantFrom(...SORTABLE.workers),
      fc.boolean(),
      (document, size, typed, sort, away) => {
        const status = readStatus(document);
        assert.ok(typeof status === 'object');
        const view = typed.flatMap(actionsOf).reduce(nextView, firstView(sort));
        const trouble = away ? { sinceMs: 0, why: '\u001b[31m gone' } : undefined;
        const { lines, offset } = frame({ status, url: URL, trouble, nowMs: 1 }, view, size);
        assert.ok(Number.isFinite(offset) && offset >= 0);
        assert.equal(lines.length, size.rows);
        for (const text of lines.map(textOfLine)) {
          assert.ok(widthOf(text) <= size.columns, `${widthOf(text)} > ${size.columns}: ${text}`);
          assert.doesNotMatch(text, /\p{Cc}|NaN|undefined|Infinity/u);
        }
        const plain = plainText(status, URL, view, ['workers', 'routes', 'events'], Number.POSITIVE_INFINITY);
        assert.doesNotMatch(plain.replaceAll('\n', ''), /\p{Cc}/u);
      },
    ),
    { numRuns: 200 },
  );
});
