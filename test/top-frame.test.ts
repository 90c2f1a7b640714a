/** Holds src/top/frame.ts, top-table.ts, top-columns.ts, top-headline.ts and top-plain.ts: what is shown, in which order, and what goes. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Status } from '../src/status-document.ts';
import { EVENT_COLUMNS, ROUTE_COLUMNS, WORKER_COLUMNS } from '../src/top/columns.ts';
import { frame } from '../src/top/frame.ts';
import { textOfLine } from '../src/top/line.ts';
import { plainText } from '../src/top/plain.ts';
import { readStatus } from '../src/top/status.ts';
import { actionsOf, firstView, nextView } from '../src/top/view.ts';
import { aLoad, aRoute, aStatus, aWorker } from './status-server.ts';

const URL = 'http://127.0.0.1:9090';

function screen(status: Status, { typed = '', columns = 80, rows = 24, sort = undefined as string | undefined } = {}) {
  const view = actionsOf(typed).reduce(nextView, firstView(sort));
  const { lines } = frame({ status, url: URL, nowMs: 0 }, view, { columns, rows });
  return lines.map((line) => textOfLine(line).trimEnd());
}

function plain(status: Status, sort?: string): string[] {
  return plainText(status, URL, firstView(sort), ['workers', 'routes', 'events'], Number.POSITIVE_INFINITY).split('\n');
}

const titles = (line: string) => line.trim().split(/ +/);

it('text has no table of events where there are none', () => {
  assert.ok(plain(aStatus()).some((line) => /ago +at \(UTC\) +event/.test(line)));
  const lines = plain({ ...aStatus(), events: [] });
  assert.ok(!lines.some((line) => /event/.test(line)));
  assert.deepEqual(lines.slice(-1), [''], 'and no line in its place');
  assert.notEqual(lines.at(-2), '');
});

describe('a screen of 80 columns', () => {
  it('has the group in its first line, where it is in the second, both tables, the events and the keys', () => {
    const lines = screen(aStatus());
    assert.equal(lines[0], 'shop  ok  4/4 workers  98.0 req/s  0.5 err/s  p50 4.2ms  p95 80ms  p99 1.25s');
    assert.equal(lines[1], `4800 requests, 3 failed in 1h00m  ${URL}`);
    assert.deepEqual(titles(lines[2]!), ['worker▲', 'state', 'up', 'cpu', 'mem', 'req/s', 'err/s', 'p95', 'age']);
    assert.equal(lines[3], '  worker_1_1769857200   running       1h00m   12% 57.2M   24.5   0.5   80ms   0s');
    assert.match(lines[8]!, /^ {2}method {2}route +req\/s▼/);
    assert.equal(lines.at(-2), 'events: restart kill worker_5_1769857000 3s ago · signal HUP 1m30s ago');
    assert.match(lines.at(-1)!, /^q quit {2}\? help/);
  });

  it('tells of a worker that was replaced once, and of one that was not', () => {
    const [restart] = aStatus().events;
    const exit = { ...restart!, kind: 'exit' as const };
    const alone = { ...exit, workerId: 'worker_9_1' };
    const lines = screen(aStatus({ events: [restart!, exit, alone] }), { columns: 120 });
    assert.equal(lines.at(-2), 'events: restart kill worker_5_1769857000 3s ago · exit kill worker_9_1 3s ago');
  });

  it('of 200 has every column', () => {
    const lines = screen(aStatus(), { columns: 200 });
    assert.deepEqual(
      titles(lines[2]!).map((title) => title.replace('▲', '')),
      WORKER_COLUMNS.map(({ name }) => name),
    );
  });

  it('keeps the column that it is sorted by, however little room there is', () => {
    for (const { name } of WORKER_COLUMNS) {
      assert.match(screen(aStatus(), { sort: name, columns: 30 })[2]!, new RegExp(`${name}[▼▲]`));
    }
  });

  it('cuts a long route, and has what it is about beside it', () => {
    const [row] = screen(aStatus({ routes: [aRoute(`/${'long'.repeat(40)}`)] })).filter((line) => /\/long/.test(line));
    assert.match(row!, /longlo?n?g?… +24\.5 +0\.5/);
    assert.ok(row!.length <= 80);
  });
});

describe('no two columns of a table', () => {
  it('go at the same time', () => {
    for (const columns of [WORKER_COLUMNS, ROUTE_COLUMNS, EVENT_COLUMNS]) {
      const priorities = columns.map(({ priority }) => priority).sort((a, b) => a - b);
      assert.deepEqual(
        priorities,
        columns.map((_, i) => i + 1),
      );
    }
  });
});

describe('what is wrong', () => {
  it('has a word or a sign, and not only a colour', () => {
    const workers = [
      aWorker(1),
      aWorker(2, { state: 'unresponsive', snapshotAgeSeconds: 42 }),
      aWorker(3, { state: 'quitting' }),
      aWorker(4, { state: 'dreaming' }),
    ];
    const lines = screen(aStatus({ workers, health: 'degraded' }));
    assert.match(lines[0]!, /! degraded/);
    assert.match(lines[3]!, /^ {2}worker_1.* running/);
    assert.match(lines[4]!, /^! worker_2.* unresponsive .* 42s$/);
    assert.match(lines[5]!, /^< worker_3.* quitting/);
    assert.match(lines[6]!, /^! worker_4.* dreaming/);
  });

  it('with the exporter is told in the second line', () => {
    const exporter = { ...aStatus().exporter, snapshotErrors: { torn: 2, foreign: 1 }, overflow: { orders_total: 7 } };
    const [, second] = screen(aStatus({ exporter, omitted: { workers: 56, routes: 0 } }), { columns: 200 });
    assert.match(second!, /! 3 unreadable snapshots {2}! 7 measurements in overflow {2}! 56 workers not listed/);
    assert.match(screen(aStatus({ omitted: { workers: 56, routes: 0 } }))[0]!, /60\/4 workers/);
  });

  it('with the connection is told with since when, and the last known stays', () => {
    const shown = {
      status: aStatus(),
      url: URL,
      trouble: { sinceMs: 1000, why: 'nobody listens there' },
      nowMs: 66_000,
    };
    const { lines } = frame(shown, firstView(undefined), { columns: 100, rows: 24 });
    assert.match(textOfLine(lines[1]!), /^! away for 1m05s, trying again: nobody listens there/);
    assert.match(textOfLine(lines[3]!), /worker_1_/);
  });
});

describe('rows', () => {
  const workers = [aWorker(2, { cpuPercent: 5 }), aWorker(10, { cpuPercent: null }), aWorker(1, { cpuPercent: 50 })];
  const order = (sort: string, typed = '') =>
    screen(aStatus({ workers, routes: [] }), { sort, typed }).flatMap(
      (line) => /worker_(\d+)_176985720/.exec(line)?.[1] ?? [],
    );

  it('are in the order of their ids as numbers, and the other way round', () => {
    assert.deepEqual(order('worker'), ['1', '2', '10']);
    assert.deepEqual(order('worker', 'r'), ['10', '2', '1']);
  });

  it('of numbers begin with the most, and what is not known is last in both orders', () => {
    assert.deepEqual(order('cpu'), ['1', '2', '10']);
    assert.deepEqual(order('cpu', 'r'), ['2', '1', '10']);
  });

  it('of 200 workers and 500 routes are scrolled, and which are seen is said', () => {
    const many = aStatus({
      workers: Array.from({ length: 200 }, (_, n) => aWorker(n + 1)),
      routes: Array.from({ length: 500 }, (_, n) => aRoute(`/r${n}`)),
    });
    const first = screen(many);
    assert.match(first[3]!, /worker_1_/);
    assert.ok(
      first.some((line) => /^ {2}1 to \d+ of 200$/.test(line)),
      first.join('\n'),
    );
    assert.ok(
      first.some((line) => /^ {2}1 to \d+ of 500$/.test(line)),
      first.join('\n'),
    );
    assert.match(screen(many, { typed: 'jj' })[3]!, /worker_3_/);
    assert.ok(screen(many, { typed: '\u001b[F' }).some((line) => /worker_200_/.test(line)));
    assert.ok(screen(many, { typed: 'R\u001b[F' }).some((line) => /^ {2}GET +\/r499 /.test(line)));
  });

  it('of events are newest first, with the moment', () => {
    const lines = screen(aStatus(), { typed: 'e' });
    assert.match(lines[3]!, /^ +3s 2026-01-31 11:59:57 restart {2}kill {3}worker_5_/);
  });
});

describe('help', () => {
  it('tells the keys and what each column is', () => {
    const lines = screen(aStatus(), { typed: '?' });
    for (const { name, meaning } of WORKER_COLUMNS) {
      assert.ok(
        lines.some((line) => line.startsWith(`  ${name}`) && line.endsWith(meaning)),
        name,
      );
    }
    assert.equal(lines.at(-1), 'any key goes back');
  });
});

describe('the text that is written once', () => {
  it('has everything, and no name cut', () => {
    const route = `/${'long'.repeat(60)}`;
    const lines = plain(aStatus({ routes: [aRoute(route)] }));
    assert.ok(lines.some((line) => line.includes(route)));
    assert.ok(lines.some((line) => /restart {2}kill {3}worker_5_/.test(line)));
    assert.ok(lines.every((line) => line === line.trimEnd()));
  });

  it('says - for what is not known', () => {
    const total = aLoad({
      requestsPerSecond: null,
      failedRequestsPerSecond: null,
      durationSeconds: { p50: null, p95: null, p99: null },
    });
    assert.match(plain(aStatus({ total }))[0]!, /- req\/s {2}- err\/s {2}p50 - {2}p95 - {2}p99 -/);
  });

  it('has a name as wide letters have it, and harmless', () => {
    const status = readStatus(aStatus({ routes: [aRoute('/注文/\u001b[2J')] }));
    assert.ok(typeof status === 'object');
    assert.ok(plain(status).some((line) => line.includes('GET     /注文/\ufffd[2J ')));
  });
});
