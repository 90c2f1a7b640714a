/** `gunicorn-otel top` of a real cluster, in a real terminal (tmux) and through a pipe. UPDATE_CAPTURES=1 writes docs/images. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { Status } from '../src/status-document.ts';
import { CLI, runCli } from './cli.ts';
import { endless } from './endless.ts';
import { atEnd, type Cluster, freePort, freshDirectory, type Owner, ROOT, startCluster, until } from './processes.ts';
import { request, requests } from './requests.ts';
import { aRoute, aStatus, aWorker, startStatusServer } from './status-server.ts';
import { NO_TMUX, startTerminal, type Terminal } from './tmux.ts';
import { CAPTURE, CAPTURED, withoutGaps } from './top-captures.ts';

const WORKERS = 3;
const TOP = `${process.execPath} ${CLI} top`;

async function shop(t: TestContext): Promise<{ cluster: Cluster; url: string; status: () => Promise<Status> }> {
  const env = { OTEL_SERVICE_NAME: 'shop', GUNICORN_WORKERS: String(WORKERS) };
  const cluster = await startCluster(t, 'names-its-routes.mjs', WORKERS, { env });
  const url = new URL(await cluster.metricsUrl()).origin;
  const status = async () => JSON.parse((await request(`${url}/status.json`)).body) as Status;
  return { cluster, url, status };
}

// A few requests, the same each time, which end before it returns.
async function buy(cluster: Cluster): Promise<void> {
  const base = `http://127.0.0.1:${cluster.port}`;
  await requests(`${base}/`, 9);
  for (const id of [17, 4, 99]) await requests(`${base}/orders/${id}`, 2);
  for (let i = 0; i < 2; i += 1) await request(`${base}/fails`);
}

const BOUGHT = 17;

// Of a table, by the first cell of a row: what is in each column.
function table(lines: readonly string[], first: string): Map<string, Record<string, string>> {
  const from = lines.findIndex((line) => line.trim().split(/[▲▼ ]/)[0] === first);
  assert.ok(from >= 0, lines.join('\n'));
  const titles = lines[from]!.replaceAll(/[▲▼]/g, '').trim().split(/ +/);
  const rows = lines.slice(from + 1).map((line) => line.slice(1).trim().split(/ +/));
  const until = rows.findIndex((cells) => cells.length !== titles.length);
  return new Map(
    rows.slice(0, until < 0 ? undefined : until).map((cells) => {
      const row = Object.fromEntries(titles.map((title, i) => [title, cells[i]!]));
      return [first === 'method' ? `${row['method']} ${row['route']}` : row[first]!, row];
    }),
  );
}

function assertEqual(lines: readonly string[], status: Status): void {
  const workers = table(lines, 'worker');
  assert.deepEqual([...workers.keys()].sort(), status.workers.map(({ id }) => id).sort());
  for (const { id, pid, role, state, requests: count, failedRequests } of status.workers) {
    const row = workers.get(id)!;
    const shown = [row['pid'], row['role'], row['state'], row['requests'], row['failed']];
    assert.deepEqual(shown, [pid, role, state, count, failedRequests].map(String), id);
  }
  const routes = table(lines, 'method');
  assert.equal(routes.size, status.routes.length);
  for (const { method, route, requests: count, failedRequests } of status.routes) {
    const row = routes.get(`${method} ${route}`)!;
    assert.deepEqual([row['requests'], row['failed']], [String(count), String(failedRequests)], route);
  }
}

function assertRestored(terminal: Terminal): void {
  assert.deepEqual(
    ['alternate_on', 'cursor_flag', 'wrap_flag', 'mouse_any_flag'].map((flag) => terminal.flag(flag)),
    ['0', '1', '1', '0'],
  );
}

// What it is in is seen by what it does: keys are shown again, and a line is a command.
async function assertShellGoesOn(terminal: Terminal): Promise<void> {
  assertRestored(terminal);
  await terminal.run('echo goes-$((40 + 2))');
  const lines = await terminal.shows(/^goes-42/);
  assert.ok(
    lines.some((line) => /^[$#] echo goes-\$\(\(40 \+ 2\)\)$/.test(line)),
    lines.join('\n'),
  );
}

// The command that runs in the shell of the terminal.
function pidBelow(terminal: Terminal): number {
  const shell = terminal.flag('pane_pid');
  return Number(readFileSync(`/proc/${shell}/task/${shell}/children`, 'utf8').trim());
}

// tmux has a wide letter in two cells, and captures it as one.
function widthUpTo(line: string, last: string): number {
  const text = line.slice(0, line.lastIndexOf(last) + last.length);
  return [...text].reduce(
    (width, letter) => width + (/\p{M}/u.test(letter) ? 0 : /[注文🚀ｗ]/u.test(letter) ? 2 : 1),
    0,
  );
}

it('there is a tmux to test with', { skip: NO_TMUX }, () => {});

describe('top, through a pipe', () => {
  it('writes all once: numbers are those of /status.json, and so is --json', async (t) => {
    const { cluster, url, status } = await shop(t);
    await buy(cluster);
    await until(async () => (await status()).total.requests === BOUGHT, 'all are counted');
    const { code, stdout, stderr } = await runCli(t, ['top', `${url}/metrics`]);
    assert.deepEqual([code, stderr], [0, '']);
    assert.doesNotMatch(stdout.replaceAll('\n', ''), /\p{Cc}/u);
    const now = await status();
    assert.equal(now.total.requests, BOUGHT);
    assertEqual(stdout.split('\n'), now);
    assert.match(stdout, new RegExp(`^shop {2}ok {2}${WORKERS}/${WORKERS} workers .*\n${BOUGHT} requests, 2 failed`));
    const json = await runCli(t, ['top', '--json'], { PROMETHEUS_MULTIPROC_DIR: cluster.directory });
    assert.equal(json.code, 0, json.stderr);
    const { service, total, workers, routes } = JSON.parse(json.stdout) as Status;
    assert.deepEqual([service, total.requests, workers.length], ['shop', BOUGHT, WORKERS]);
    assert.deepEqual(
      routes.map(({ route, requests: count }) => [route, count]).sort(),
      now.routes.map(({ route, requests: count }) => [route, count]).sort(),
    );
  });

  it('looks twice, so that there are rates', async (t) => {
    const { cluster, url } = await shop(t);
    shopping(t, cluster);
    const { stdout } = await runCli(t, ['top', url, '--routes', '--sort', 'requests']);
    assert.match(stdout, /^shop .* \d[\d.k]* req\/s .* p95 \d/);
    const rows = table(stdout.split('\n'), 'method');
    assert.equal([...rows.keys()][0], 'GET /');
    assert.match(rows.get('GET /orders/:id')!['req/s']!, /^\d+(\.\d+)?$/);
    assert.doesNotMatch(stdout, /^ worker/m);
  });

  it('says in a line that nobody is there, and ends with 1', async (t) => {
    const { code, stdout, stderr } = await runCli(t, ['top', `http://127.0.0.1:${await freePort()}`]);
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, /^gunicorn-otel: http:\S+: nobody listens there \(ECONNREFUSED\)\n$/);
    const found = await runCli(t, ['top'], {
      PROMETHEUS_MULTIPROC_DIR: join(freshDirectory(t), 'mistyped'),
      PROMETHEUS_METRICS_PORT: String(await freePort()),
    });
    assert.match(found.stderr, /nobody listens there .*; no group with an endpoint .*mistyped, which is not there\n$/);
  });

  it('does not mind that nobody reads on', async (t) => {
    const routes = Array.from({ length: 20_000 }, (_, n) => aRoute(`/a/rather/long/name/of/a/route/${n}`));
    const server = await startStatusServer(t, { answer: () => aStatus({ routes }) });
    // Not spawnSync: it is this process that answers.
    const { stdout, stderr } = await new Promise<{ stdout: string; stderr: string }>((resolve) => {
      const child = spawn('sh', ['-c', `${TOP} ${server.url} | head -1`], { stdio: ['ignore', 'pipe', 'pipe'] });
      atEnd(t, () => child.kill('SIGKILL'));
      const text = { stdout: '', stderr: '' };
      for (const name of ['stdout', 'stderr'] as const) {
        child[name].on('data', (chunk) => {
          text[name] += chunk;
        });
      }
      child.once('close', () => resolve(text));
    });
    assert.match(stdout, /^shop {2}ok .*\n$/);
    assert.equal(stderr, '');
  });
});

describe('top, in a terminal', { skip: NO_TMUX }, () => {
  it('shows at 80 and at 200 columns what /status.json says, as it changes; q gives the shell back as it was', async (t) => {
    const { cluster, url, status } = await shop(t);
    await buy(cluster);
    const terminal = startTerminal(t, { columns: 80, rows: 24 });
    await terminal.run('echo was-here');
    await terminal.shows(/^was-here/);
    await terminal.run(`${TOP} ${url} --interval 0.5`);
    const narrow = await terminal.shows(/^17 requests, 2 failed/);
    assert.match(narrow[0]!, new RegExp(`^shop {2}ok {2}${WORKERS}/${WORKERS} workers`));
    assert.equal(terminal.flag('alternate_on'), '1');
    const shown = table(narrow, 'worker');
    assert.deepEqual([...shown.keys()].sort(), (await status()).workers.map(({ id }) => id).sort());
    for (const row of shown.values()) assert.equal(row['state'], 'running');
    await buy(cluster);
    await terminal.shows(/^34 requests, 4 failed/);
    terminal.resize(200, 50);
    const wide = await terminal.shows(/ requests +failed +age$/);
    assertEqual(wide, await status());
    terminal.resize(40, 12);
    const small = await terminal.hides(/requests, .* failed in .*http/);
    assert.ok(small.length <= 12 && small.every((line) => [...line].length <= 40), small.join('\n'));
    terminal.resize(80, 24);
    await terminal.shows(/^q quit/);
    terminal.keys('q');
    const after = await terminal.hides(/^q quit/);
    assert.ok(after.includes('was-here'), after.join('\n'));
    await assertShellGoesOn(terminal);
  });

  it('sorts, turns around, changes tables, pauses and helps by keys', async (t) => {
    const workers = [aWorker(1, { requests: 5 }), aWorker(2, { requests: 50 }), aWorker(3, { requests: 20 })];
    const routes = [aRoute('/a', { failedRequests: 1 }), aRoute('/b', { failedRequests: 2 })];
    const server = await startStatusServer(t, { answer: () => aStatus({ workers, routes }) });
    const terminal = startTerminal(t, { columns: 160, rows: 24 });
    await terminal.run(`${TOP} ${server.url} --sort requests --interval 0.5`);
    const ids = (lines: string[]) => lines.flatMap((line) => /^ {2}worker_(\d)_/.exec(line)?.[1] ?? []).join('');
    assert.equal(ids(await terminal.shows(/ requests▼/)), '231');
    terminal.keys('r');
    assert.equal(ids(await terminal.shows(/ requests▲/)), '132');
    terminal.keys('Right');
    await terminal.shows(/ failed▼/);
    terminal.keys('Left', 'Left');
    await terminal.shows(/ p99▼/);
    terminal.keys('Tab');
    const second = await terminal.hides(/worker_1_/);
    assert.match(second[2]!, /^ {2}method +route /);
    terminal.keys('e');
    await terminal.shows(/ 2026-01-31 11:59:57 restart +kill +worker_5_/);
    terminal.keys('w', '?');
    await terminal.shows(/left, right +sort by/);
    terminal.keys('x');
    await terminal.hides(/left, right +sort by/);
    terminal.keys('Space');
    await terminal.shows(/^PAUSED/);
    const asked = server.asked.length;
    terminal.keys('Space');
    await terminal.hides(/^PAUSED/);
    await until(() => server.asked.length > asked, 'it looks again');
    terminal.keys('C-c');
    await terminal.hides(/^q quit/);
    await assertShellGoesOn(terminal);
  });

  it('shows that a worker was killed, and who took its place', async (t) => {
    const { url } = await shop(t);
    const terminal = startTerminal(t, { columns: 200, rows: 30 });
    await terminal.run(`${TOP} ${url} --interval 0.5`);
    const before = table(await terminal.shows(/ requests +failed +age$/), 'worker');
    const [id, row] = [...before].find(([, { role }]) => role === 'worker')!;
    process.kill(Number(row['pid']), 'SIGKILL');
    const lines = await terminal.shows(new RegExp(`^events: .*(exit|restart) kill ${id} \\d+s ago`));
    assert.ok(!lines.some((line) => line.slice(2).startsWith(id)), lines.join('\n'));
    await until(() => {
      const workers = table(terminal.screen(), 'worker');
      return !workers.has(id) && workers.size === before.size;
    }, 'its successor');
  });

  it('is stopped and goes on as other programs do', async (t) => {
    const server = await startStatusServer(t);
    const terminal = startTerminal(t, { columns: 80, rows: 24 });
    // As below npx: it is stopped, too, or the shell would wait for it.
    await terminal.run(`sh -c '${TOP} ${server.url}; true'`);
    await terminal.shows(/^q quit/);
    terminal.keys('C-z');
    await terminal.hides(/^q quit/);
    await terminal.shows(/Stopped|Suspended/);
    await assertShellGoesOn(terminal);
    await terminal.run('fg');
    await terminal.shows(/^q quit/);
    // Keys are still its own.
    terminal.keys('e');
    await terminal.shows(/11:59:57 restart/);
    terminal.keys('q');
    await terminal.hides(/^q quit/);
    await assertShellGoesOn(terminal);
  });

  it('stopped by force, takes the terminal again when it goes on, in whatever way that was left', async (t) => {
    const server = await startStatusServer(t);
    const terminal = startTerminal(t, { columns: 80, rows: 24 });
    await terminal.run(`exec ${TOP} ${server.url}`);
    await terminal.shows(/^q quit/);
    const pid = Number(terminal.flag('pane_pid'));
    process.kill(pid, 'SIGSTOP');
    execFileSync('stty', ['-F', terminal.flag('pane_tty'), 'sane']);
    process.kill(pid, 'SIGCONT');
    await until(
      () => /-icanon/.test(execFileSync('stty', ['-F', terminal.flag('pane_tty'), '-a']).toString()),
      'raw keys',
    );
    terminal.keys('e');
    await terminal.shows(/11:59:57 restart/);
  });

  it('fits itself to another size at once, however far apart its looks are', async (t) => {
    const server = await startStatusServer(t);
    const terminal = startTerminal(t, { columns: 80, rows: 24 });
    await terminal.run(`${TOP} ${server.url} --interval 3600`);
    await until(() => server.asked.length === 2, 'its last look for an hour');
    await terminal.shows(/^q quit/);
    terminal.resize(200, 30);
    await terminal.shows(/ requests +failed +age$/);
    assert.equal(server.asked.length, 2);
  });

  for (const [signal, said] of [
    ['SIGTERM', /^status 143/],
    ['SIGHUP', /^status 129/],
    ['SIGINT', /^status 130/],
  ] as const) {
    it(`gives the terminal back on ${signal}, which it ends by`, async (t) => {
      const server = await startStatusServer(t);
      const terminal = startTerminal(t, { columns: 80, rows: 24 });
      await terminal.run(`${TOP} ${server.url}`);
      await terminal.shows(/^q quit/);
      process.kill(pidBelow(terminal), signal);
      await terminal.hides(/^q quit/);
      await terminal.run('echo status $?');
      await terminal.shows(said);
      await assertShellGoesOn(terminal);
    });
  }

  it('gives the terminal back before it says that it has crashed', async (t) => {
    const server = await startStatusServer(t);
    const terminal = startTerminal(t, {
      columns: 80,
      rows: 40,
      env: { NODE_OPTIONS: "--import=data:text/javascript,process.on('SIGUSR2',()=>{throw/**/new/**/Error('boom')})" },
    });
    await terminal.run(`${TOP} ${server.url}; echo status $?`);
    await terminal.shows(/^q quit/);
    process.kill(pidBelow(terminal), 'SIGUSR2');
    const lines = await terminal.shows(/^status 1$/);
    assert.ok(
      lines.some((line) => /Error: boom/.test(line)),
      lines.join('\n'),
    );
    await assertShellGoesOn(terminal);
  });

  it('keeps the last numbers while the endpoint is away, says since when, and goes on when it is back', async (t) => {
    const port = await freePort();
    const server = await startStatusServer(t, { port });
    const terminal = startTerminal(t, { columns: 120, rows: 24 });
    await terminal.run(`${TOP} ${server.url} --interval 0.5`);
    await terminal.shows(/^4800 requests/);
    server.close();
    const away = await terminal.shows(/^! away for [1-9]\d*s, trying again: nobody listens there/);
    assert.equal(table(away, 'worker').size, 4);
    await startStatusServer(t, { port, answer: () => aStatus({ total: { ...aStatus().total, requests: 4900 } }) });
    await terminal.shows(/^4900 requests/);
    await terminal.hides(/away/);
  });

  it('shows hostile and wide names as text: nothing on the screen moves, and the title stays', async (t) => {
    const hostile = [
      '/\u001b]2;owned\u0007',
      '/\u001b[2J\u001b[1;1H',
      '/\u202eoops',
      '/a\rb\nc',
      `/${'注文🚀'.repeat(60)}`,
      `/e${'\u0301'.repeat(90)}`,
    ];
    const workers = [aWorker(1, { state: '\u001b[31mred' }), aWorker(2, { id: `worker_${'ｗ'.repeat(40)}` })];
    const answer = () => aStatus({ service: '\u001bcshop', workers, routes: hostile.map((route) => aRoute(route)) });
    const server = await startStatusServer(t, { answer });
    for (const columns of [80, 200]) {
      const terminal = startTerminal(t, { columns, rows: 24 });
      const title = terminal.flag('pane_title');
      await terminal.run(`${TOP} ${server.url}`);
      const lines = await terminal.shows(/^q quit/);
      assert.match(lines[0]!, /^\ufffdcshop {2}ok/);
      assert.match(lines[3]!, /^! worker_1_\d+ +\S* *\S* *\ufffd\[31mred/);
      assert.equal(lines.length, 24);
      const from = lines.findIndex((line) => line.startsWith('  method'));
      // What is behind the names is in its column, however wide they are.
      const column = lines[from]!.indexOf('requests') + 'requests'.length;
      for (const line of lines.slice(from + 1, from + 1 + hostile.length)) {
        assert.equal(widthUpTo(line, '1200'), column, line);
      }
      assert.match(lines[from + 1]!, /^ {2}GET +\/\ufffd\]2;owned\ufffd /);
      assert.equal(terminal.flag('pane_title'), title);
    }
  });

  it('has colours, and none with NO_COLOR; with TERM=dumb it writes once, as text', async (t) => {
    const server = await startStatusServer(t);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one.
    const colour = /\u001b\[[\d;]*3[0-7]m/;
    for (const [variable, value, coloured] of [
      ['NO_COLOR', '', true],
      ['NO_COLOR', '1', false],
    ] as const) {
      const terminal = startTerminal(t, { columns: 80, rows: 24 });
      await terminal.run(`${variable}=${value} ${TOP} ${server.url}`);
      await terminal.shows(/^q quit/);
      assert.equal(colour.test(terminal.screen(true).join('\n')), coloured, `${variable}=${value}`);
    }
    const terminal = startTerminal(t, { columns: 80, rows: 40 });
    await terminal.run(`TERM=dumb ${TOP} ${server.url}; echo status $?`);
    const lines = await terminal.shows(/^status 0/);
    assert.equal(terminal.flag('alternate_on'), '0');
    assert.ok(lines.some((line) => /^ {2}worker_1_/.test(line)));
    await terminal.run(`clear; ${TOP} ${server.url} --once --workers; echo status $?`);
    const once = await terminal.shows(/^status 0/);
    assert.ok(
      once.some((line) => /^ {2}worker▲ +state .* age$/.test(line)),
      once.join('\n'),
    );
  });

  it('is captured for the documents', async (t) => {
    const images = join(ROOT, 'docs/images');
    const captures = [
      [80, 24, 'top-80.txt'],
      [200, 24, 'top-200.txt'],
    ] as const;
    if (process.env['UPDATE_CAPTURES'] === '1') {
      const { cluster, url } = await shop(t);
      shopping(t, cluster);
      const [id, pid] = [...cluster.workers()][0]!;
      process.kill(pid, 'SIGKILL');
      mkdirSync(images, { recursive: true });
      for (const [columns, rows, file] of captures) {
        const terminal = startTerminal(t, { columns, rows });
        await terminal.run(`${TOP} ${url} --interval 0.5`);
        await terminal.shows(new RegExp(`^events: .*kill worker_${id}_\\d+ [5-9]s ago`)).catch(() => {});
        writeFileSync(
          join(images, file),
          `${terminal
            .screen()
            .map((line) => line.trimEnd())
            .join('\n')}\n`,
        );
      }
      const capture = withoutGaps(readFileSync(join(images, 'top-80.txt'), 'utf8'));
      for (const document of CAPTURED) {
        const text = readFileSync(document, 'utf8');
        writeFileSync(
          document,
          text.replace(CAPTURE, (_, head) => `${head}${capture}\`\`\``),
        );
      }
    }
    for (const [columns, rows, file] of captures) {
      const lines = readFileSync(join(images, file), 'utf8').trimEnd().split('\n');
      assert.equal(lines.length, rows);
      assert.ok(lines.every((line) => [...line].length <= columns));
      assert.equal(table(lines, 'worker').size, (/ (\d+)\/3 workers/.exec(lines[0]!) ?? [])[1] === '3' ? 3 : 0);
      assert.match(lines.at(-1)!, /^q quit/);
    }
  });
});

// Until the test is over.
function shopping(owner: Owner, cluster: Cluster): void {
  endless(owner, async (isStopped) => {
    while (!isStopped()) await buy(cluster);
  });
}
