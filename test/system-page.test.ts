/** The page at `/`, in a real browser: its numbers are those of /status.json, names are text, and everybody can use it. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import axe from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import { formatOf, visible } from '../src/page/format.ts';
import type { Status } from '../src/status-document.ts';
import { cannedStatus, HOSTILE_NAMES, type Made } from './canned-status.ts';
import { NO_CHROMIUM, openPage, startChromium } from './chromium.ts';
import { freePort, type Running, startApp, startCluster, until } from './processes.ts';
import { request } from './requests.ts';
import { startLoad } from './steady-load.ts';

const EVERY_MS = 2000;
const WORKERS = 3;
const format = formatOf('en-US');

it('there is a Chromium to test the page with', { skip: NO_CHROMIUM }, () => {});

describe('the page', { skip: NO_CHROMIUM !== false }, () => {
  let browser: Browser;
  let app: Running;
  let home: string;
  const ends: (() => unknown)[] = [];
  // What is begun in before() would end with it.
  const owner = { after: (end: () => unknown) => void ends.push(end) };
  after(async () => {
    for (const end of ends) await end();
  });
  before(async () => {
    browser = await startChromium(owner);
    app = await startApp(owner, 'believes-its-clients.mjs');
    home = new URL('/', await app.metricsUrl()).href;
  });

  it('shows the numbers of /status.json, follows them, complains of nothing and asks nobody else', async (t) => {
    const cluster = await startCluster(t, 'answers-its-pid-or-blocks.mjs', WORKERS, {
      env: { GUNICORN_WORKERS: String(WORKERS), OTEL_SERVICE_NAME: 'shop', GUNICORN_OTEL_GROUP: 'page' },
    });
    startLoad(t, () => [Number(cluster.output.stdout.match(/port (\d+)/)![1])]);
    const url = new URL('/', await cluster.metricsUrl()).href;
    const { page, complaints, asked } = await openPage(t, browser);
    const held = await holdable(page);
    await page.goto(url);

    const first = await held.after(3);
    await numbersAreThoseOf(page, first);
    assert.equal(first.workers.length, WORKERS);
    assert.ok(first.total.requestsPerSecond! > 0 && first.routes.length > 0, JSON.stringify(first.total));
    held.release();
    const second = await held.after(2);
    await numbersAreThoseOf(page, second);
    assert.ok(second.total.requests > first.total.requests);
    held.release();

    process.kill(first.workers[0]!.pid, 'SIGKILL');
    const gone = first.workers[0]!.id;
    await page.locator('#events li', { hasText: 'restart' }).filter({ hasText: gone }).waitFor();
    await page.locator('#events li', { hasText: 'exit' }).filter({ hasText: 'kill' }).waitFor();
    await until(async () => {
      const ids = await page.locator('#workers tbody th').allTextContents();
      return ids.length === WORKERS && !ids.includes(gone);
    }, 'the new worker instead of the killed one');

    assert.deepEqual(complaints, []);
    const elsewhere = asked.filter((each) => !each.startsWith(url) && !each.startsWith('data:'));
    assert.deepEqual(elsewhere, []);
  });

  it('pauses, and goes on, when told', async (t) => {
    const { page, asked } = await openPage(t, browser);
    const questions = () => asked.filter((url) => url.endsWith('/status.json')).length;
    await page.clock.install();
    await canned(page, {});
    await page.goto(home);
    await page.locator('#connection', { hasText: 'live' }).waitFor();
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.locator('#connection', { hasText: /paused · data as of \d\d:\d\d:\d\d/ }).waitFor();
    const before = questions();
    await page.evaluate(`dispatchEvent(new Event('online'))`);
    await page.clock.runFor(20_000);
    assert.equal(questions(), before);
    await page.getByRole('button', { name: 'Resume' }).click();
    await page.locator('#connection', { hasText: 'live' }).waitFor();
    assert.ok(questions() > before);
  });

  it('asks nothing while nobody sees it, and never twice at a time', async (t) => {
    const { page, asked } = await openPage(t, browser);
    const questions = () => asked.filter((url) => url.endsWith('/status.json')).length;
    await page.clock.install();
    const answers = await canned(page, {});
    await page.goto(home);
    await page.locator('#connection', { hasText: 'live' }).waitFor();

    answers.hold = true;
    const before = questions();
    await page.clock.runFor(EVERY_MS * 2);
    await until(() => questions() > before, 'the next question');
    await page.evaluate(`dispatchEvent(new Event('online'))`);
    // Not for ten seconds: then it is given up.
    await page.clock.runFor(EVERY_MS * 2);
    assert.equal(questions(), before + 1);
    answers.release();
    await until(async () => {
      await page.clock.runFor(EVERY_MS);
      return questions() > before + 1;
    }, 'it goes on');

    await page.evaluate(`Object.defineProperty(document, 'hidden', { configurable: true, get: () => true });
      document.dispatchEvent(new Event('visibilitychange'))`);
    await until(() => answers.open === 0, 'the last answer');
    const hidden = questions();
    await page.evaluate(`dispatchEvent(new Event('online'))`);
    await page.clock.runFor(EVERY_MS * 10);
    assert.equal(questions(), hidden);
    await page.evaluate(`delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))`);
    await until(() => questions() > hidden, 'it asks again when it is seen');
  });

  it('says that the endpoint is away and of when its numbers are, and goes on by itself when it is back', async (t) => {
    const port = String(await freePort());
    const env = { PROMETHEUS_METRICS_PORT: port };
    const first = await startApp(t, 'counts-its-answers.mjs', { env });
    const { page } = await openPage(t, browser);
    const url = new URL('/', await first.metricsUrl()).href;
    await page.goto(url);
    await page.locator('#connection', { hasText: 'live' }).waitFor();
    const was = await page.locator('#workers tbody th').textContent();
    first.child.kill('SIGKILL');
    await first.ended();
    const away = /the endpoint is away \(nobody answers\) · data as of \d\d:\d\d:\d\d · next try at \d\d:\d\d:\d\d/;
    await page.locator('#connection', { hasText: away }).waitFor();
    assert.equal(await page.locator('#workers tbody th').textContent(), was);
    await page.locator('body[data-stale]').waitFor();
    await noViolations(page);
    assert.match((await page.locator('#announcer').textContent())!, /is away/);

    const second = await startApp(t, 'counts-its-answers.mjs', { env });
    await second.metricsUrl();
    await page.locator('#connection', { hasText: 'live' }).waitFor();
    assert.equal(await page.locator('body[data-stale]').count(), 0);
    assert.equal(await page.locator('#announcer').textContent(), 'now live');
  });

  it('says why when it is refused, when the answer is none, and when it is of another version', async (t) => {
    const { page } = await openPage(t, browser);
    const answers = await canned(page, {});
    await page.goto(home);
    const says = (words: string) => page.locator('#connection', { hasText: words }).waitFor();
    const next = async (status: number, body: string, words: string) => {
      answers.instead = { status, body };
      await until(
        async () => (await page.locator('#connection').textContent())!.includes(words) || tryNow(page),
        words,
      );
      await says(words);
    };
    await next(401, '', 'it asks for a name and password');
    await next(500, 'no', 'it answers 500');
    await next(200, '{"version":1,', 'its answer was cut short');
    await next(200, '{"version":2}', 'it is of another version: load the page again');
    await next(200, 'null', 'it is of another version');
    answers.instead = undefined;
    await tryNow(page);
    await says('live');
  });

  it('shows hostile route names of real requests as text', async (t) => {
    const { port } = app as Running & { port: number };
    const short = HOSTILE_NAMES.filter((name) => name.length < 200);
    for (const name of short) await request(`http://127.0.0.1:${port}/route/${encodeURIComponent(name)}`);
    const { page, complaints } = await openPage(t, browser);
    await page.goto(home);
    await until(async () => {
      const shown = await page.locator('#routes tbody th').allTextContents();
      return short.every((name) => shown.includes(visible(name)));
    }, `${short} in the table`);
    await isUnharmed(page, complaints);
  });

  it('shows whatever a status says in its names as text, in its place', async (t) => {
    const { page, complaints } = await openPage(t, browser);
    const [name, script, moved, long] = HOSTILE_NAMES as [string, string, string, string];
    await canned(page, { routes: HOSTILE_NAMES.length }, (status) => ({
      ...status,
      service: name,
      packageVersion: script,
      nodeVersion: moved,
      health: script as 'ok',
      workers: status.workers.map((worker, i) => ({
        ...worker,
        id: HOSTILE_NAMES[i]!,
        state: HOSTILE_NAMES[i]!,
        role: HOSTILE_NAMES[(i + 1) % HOSTILE_NAMES.length]!,
        snapshotAgeSeconds: 60,
      })),
      routes: status.routes.map((route, i) => ({ ...route, method: name, route: HOSTILE_NAMES[i]! })),
      events: HOSTILE_NAMES.map((what) => ({ atMs: 9e15, kind: what as 'exit', workerId: what, what })),
      exporter: { ...status.exporter, overflow: { [name]: 1 }, snapshotErrors: { [script]: 1, [long]: 2 } },
    }));
    await page.goto(home);
    await page.locator('#connection', { hasText: 'live' }).waitFor();
    const texts = async (selector: string) => new Set(await page.locator(selector).allTextContents());
    assert.deepEqual(await texts('#workers tbody th'), new Set(HOSTILE_NAMES.slice(0, 4).map(visible)));
    assert.deepEqual(await texts('#routes tbody th'), new Set(HOSTILE_NAMES.map(visible)));
    assert.deepEqual(await texts('#events .what'), new Set(HOSTILE_NAMES.map(visible)));
    assert.deepEqual(await texts('#service'), new Set([visible(name)]));
    assert.ok((await texts('#attention bdi')).has(visible(moved)));
    const width = await page.evaluate('document.documentElement.scrollWidth');
    assert.ok(Number(width) <= 1280, `${width} pixels wide`);
    await isUnharmed(page, complaints);
  });

  for (const colorScheme of ['light', 'dark'] as const) {
    for (const width of [1280, 360]) {
      it(`has nothing that keeps anybody out, ${colorScheme} and ${width} wide: axe finds nothing`, async (t) => {
        const { page, complaints } = await openPage(t, browser, { colorScheme, viewport: { width, height: 800 } });
        await canned(page, { workers: 40, routes: 60 }, troubled);
        await page.goto(home);
        await page.locator('#attention', { hasText: 'stuck' }).waitFor();
        await noViolations(page);
        const wide = await page.evaluate('document.documentElement.scrollWidth');
        assert.equal(wide, width);
        assert.deepEqual(complaints, []);
      });
    }
  }

  it('shows its tables as cards on a phone: nothing scrolls sideways, values have their titles, and it is sorted', async (t) => {
    const { page } = await openPage(t, browser, { viewport: { width: 360, height: 800 } });
    await canned(page, { workers: 5, routes: 6 }, troubled);
    await page.goto(home);
    await page.locator('#attention', { hasText: 'stuck' }).waitFor();
    for (const [table, rows] of [
      ['workers', 5],
      ['routes', 6],
    ] as const) {
      const { wide, seen, titles, shown } = await page.evaluate<
        Record<'titles' | 'shown', string[]> & Record<'wide' | 'seen', number>
      >(
        `(() => {
          const table = document.getElementById('${table}');
          const titleOf = (cell) => getComputedStyle(cell, '::before').content.match(/^"(.*?)"/)?.[1] ?? '';
          return {
            wide: table.parentElement.scrollWidth,
            seen: table.parentElement.clientWidth,
            titles: [...table.tHead.rows[0].cells].map((cell) => cell.textContent),
            shown: [...table.tBodies[0].rows[0].cells].map(titleOf),
          };
        })()`,
      );
      assert.equal(wide, seen, table);
      assert.deepEqual(
        shown,
        titles.map((title) => (/^(worker|mark|method|route)$/.test(title) ? '' : title)),
      );
      const box = page.locator(`section:has(#${table})`);
      // For those who hear it, it is a table as on any screen.
      assert.equal(await box.getByRole('row').count(), rows + 1);
      assert.equal(await box.getByRole('columnheader').count(), titles.length);
      assert.equal(await box.getByRole('rowheader').count(), rows);
    }
    await page.getByRole('button', { name: 'age' }).click();
    assert.match((await page.locator('#workers tbody th').first().textContent())!, /^worker_2_/);
  });

  it('marks stuck, slow and leaking workers by word and symbol, and announces them once', async (t) => {
    const { page } = await openPage(t, browser);
    await page.clock.install();
    await canned(page, { workers: 5 }, troubled);
    await page.goto(home);
    await until(async () => {
      await page.clock.runFor(EVERY_MS);
      return (await page.locator('#workers tbody td:nth-child(2)', { hasText: 'leaking' }).count()) > 0;
    }, 'the leak is seen');
    const marks = await page.locator('#workers tbody td:nth-child(2)').allTextContents();
    assert.deepEqual(marks, ['', '■\u00a0stuck', '▼\u00a0slow', '▲\u00a0leaking', '']);
    assert.match((await page.locator('#announcer').textContent())!, /^worker_4_\d+ is leaking$/);
    await page.evaluate(`window.told = 0; new MutationObserver(() => { window.told += 1; })
      .observe(document.getElementById('announcer'), { childList: true, characterData: true, subtree: true })`);
    for (let look = 0; look < 5; look += 1) await page.clock.runFor(EVERY_MS);
    assert.equal(await page.evaluate('window.told'), 0);
  });

  it('is sorted, filtered and read with the keyboard alone', async (t) => {
    const { page } = await openPage(t, browser);
    await canned(page, { workers: 40, routes: 30 });
    await page.goto(home);
    await page.locator('#connection', { hasText: 'live' }).waitFor();
    await page.keyboard.press('Tab');
    assert.equal(await focused(page), 'Skip to the content');
    await page.keyboard.press('Enter');
    assert.equal(await page.evaluate('document.activeElement.id'), 'main');
    const tabTo = (what: string, isThere: () => Promise<unknown>) =>
      until(async () => {
        await page.keyboard.press('Tab');
        return isThere();
      }, `focus on ${what}`);

    await tabTo('the workers', () => page.evaluate('document.activeElement.matches("section:has(#workers)")'));
    await page.keyboard.press('End');
    await until(() => page.evaluate('document.activeElement.scrollTop > 0'), 'it is scrolled');
    await tabTo('memory', async () => (await focused(page)) === 'memory');
    const outline = await page.evaluate('getComputedStyle(document.activeElement).outlineStyle');
    assert.equal(outline, 'solid');
    const memory = page.locator('#workers thead th', { hasText: 'memory' });
    for (const [key, order, sign] of [
      ['Enter', 'descending', -1],
      ['Space', 'ascending', 1],
    ] as const) {
      await page.keyboard.press(key);
      assert.equal(await memory.getAttribute('aria-sort'), order);
      const shown = (await page.locator('#workers tbody td:nth-child(8) span').allTextContents()).map(
        Number.parseFloat,
      );
      assert.equal(shown.length, 40);
      assert.deepEqual(
        shown,
        shown.toSorted((a, b) => sign * (a - b)),
      );
    }
    assert.equal(await page.locator('#workers thead th[aria-sort="none"]').count(), 13);

    await tabTo('the filter', () => page.evaluate('document.activeElement.id === "filter"'));
    await page.keyboard.type('post /THINGS/2');
    const matching = (await page.locator('#routes tbody tr').allTextContents()).length;
    assert.equal(matching, 3);
    assert.equal(await page.locator('#announcer').textContent(), '3 of 30 routes');
  });

  it('is as light or dark as was chosen, also where nothing can be stored', async (t) => {
    const { page, complaints } = await openPage(t, browser, { colorScheme: 'light' });
    const ground = () => page.evaluate('getComputedStyle(document.body).backgroundColor');
    await page.goto(home);
    const light = await ground();
    const theme = page.getByRole('button', { name: 'Theme' });
    await theme.click();
    await theme.click();
    assert.equal(await theme.textContent(), 'Theme: dark');
    assert.notEqual(await ground(), light);
    await page.reload();
    assert.equal(await theme.textContent(), 'Theme: dark');
    assert.notEqual(await ground(), light);

    await page.addInitScript(
      `Object.defineProperty(window, 'localStorage', { get() { throw new Error('forbidden'); } })`,
    );
    await page.reload();
    assert.equal(await theme.textContent(), 'Theme: auto');
    await theme.click();
    assert.equal(await theme.textContent(), 'Theme: light');
    assert.deepEqual(complaints, []);
  });

  it('shows 200 workers and 500 routes, and keeps the rows that it has', async (t) => {
    const { page, complaints } = await openPage(t, browser);
    const answers = await canned(page, { workers: 200, routes: 500 });
    await page.goto(home);
    await page.locator('#connection', { hasText: 'live' }).waitFor();
    assert.deepEqual(await page.locator('tbody tr').count(), 700);
    await page.evaluate('window.rows = new Set(document.querySelectorAll("tbody tr"))');
    const tooks: number[] = [];
    while (tooks.length < 5) {
      const given = answers.given;
      await until(() => answers.given > given, 'the next answer');
      tooks.push(Number(await page.evaluate('performance.getEntriesByName("refresh")[0].duration')));
    }
    t.diagnostic(`a refresh took ${tooks.map((ms) => ms.toFixed(1)).join(', ')} ms`);
    const kept = await page.evaluate('[...document.querySelectorAll("tbody tr")].map((row) => rows.has(row))');
    assert.deepEqual(kept, new Array(700).fill(true));
    // Lines are drawn where they are seen.
    const drawn = Number(await page.evaluate('document.querySelectorAll("#workers path[d]").length'));
    t.diagnostic(`${drawn} of 600 lines are drawn`);
    assert.ok(drawn > 0 && drawn < 600, `${drawn}`);
    assert.deepEqual(complaints, []);
  });
});

interface Answers {
  /** Nobody is answered until release(). */
  hold: boolean;
  release(): void;
  instead: { status: number; body: string } | undefined;
  given: number;
  /** Questions that wait. */
  open: number;
}

// Statuses that are made up take the place of the endpoint's; one look further with each of them.
async function canned(page: Page, made: Made, change: (status: Status, look: number) => Status = (status) => status) {
  const waiting: (() => void)[] = [];
  const release = () => {
    answers.hold = false;
    for (const go of waiting.splice(0)) go();
  };
  const answers: Answers = { hold: false, release, instead: undefined, given: 0, open: 0 };
  await page.route('**/status.json', async (route) => {
    answers.open += 1;
    if (answers.hold) await new Promise<void>((resolve) => waiting.push(resolve));
    const look = answers.given;
    const json = JSON.stringify(change(cannedStatus({ ...made, look }), look));
    const answer = answers.instead ?? { status: 200, body: json };
    await route.fulfill({ ...answer, contentType: 'application/json' }).catch(() => {});
    answers.given += 1;
    answers.open -= 1;
  });
  return answers;
}

// Real answers go through; after so many of them the next question is kept waiting, so that what is shown stays.
async function holdable(page: Page) {
  let left = Number.POSITIVE_INFINITY;
  let last: Status | undefined;
  let waiting: (() => void) | undefined;
  await page.route('**/status.json', async (route) => {
    if (left === 0) await new Promise<void>((resolve) => (waiting = resolve));
    left -= 1;
    const response = await route.fetch();
    last = (await response.json()) as Status;
    await route.fulfill({ response });
  });
  return {
    async after(answers: number): Promise<Status> {
      left = answers;
      await until(() => waiting, 'the page has shown what it has got, and asks again');
      return last!;
    },
    release() {
      left = Number.POSITIVE_INFINITY;
      waiting?.();
      waiting = undefined;
    },
  };
}

// The second is stuck, the third slow, the fourth leaks.
function troubled(status: Status, look: number): Status {
  const [, second, third, fourth] = status.workers;
  const changed = [
    { ...second!, state: 'unresponsive', snapshotAgeSeconds: 30 },
    { ...third!, durationSeconds: { p50: 0.2, p95: 0.9, p99: 2 } },
    { ...fourth!, memoryBytes: 100e6 + look * 2e6, failedRequestsPerSecond: 1.5 },
  ];
  return {
    ...status,
    health: 'degraded',
    expectedWorkers: status.workers.length + 1,
    workers: [status.workers[0]!, ...changed, ...status.workers.slice(4)],
    events: (['exit', 'restart', 'signal'] as const).map((kind) => ({
      atMs: status.atMs - 60_000,
      kind,
      workerId: kind === 'signal' ? '' : 'worker_9_1690000000',
      what: kind === 'signal' ? 'HUP' : 'kill',
    })),
    exporter: { ...status.exporter, scrapeErrors: 1, overflow: { orders: 12 }, snapshotErrors: { torn: 1 } },
  };
}

async function numbersAreThoseOf(page: Page, status: Status): Promise<void> {
  const { bytes, count, duration, percent, rate, span } = format;
  const { total, exporter } = status;
  const { p50, p95, p99 } = total.durationSeconds;
  assert.deepEqual(await page.locator('#tiles .value').allTextContents(), [
    rate(total.requestsPerSecond),
    rate(total.failedRequestsPerSecond),
    ...[p50, p95, p99].map(duration),
    count(status.activeRequests),
    `${count(status.workers.length)} / ${count(status.expectedWorkers)}`,
  ]);
  const workers = status.workers.map((worker) => [
    worker.id,
    String(worker.pid),
    worker.state,
    span(worker.uptimeSeconds),
    rate(worker.requestsPerSecond),
    percent(worker.cpuPercent),
    bytes(worker.memoryBytes),
    ...[worker.durationSeconds.p50, worker.durationSeconds.p95, worker.durationSeconds.p99].map(duration),
    rate(worker.failedRequestsPerSecond),
    count(worker.failedRequests),
    `${rate(worker.snapshotAgeSeconds)} s`,
  ]);
  const shown = await cells(page, '#workers');
  // The marks are not in the status.
  assert.deepEqual(
    shown.map((row) => row.toSpliced(1, 1)),
    workers,
  );
  const routes = status.routes.map((route) => [
    route.method,
    route.route,
    rate(route.requestsPerSecond),
    ...[route.durationSeconds.p50, route.durationSeconds.p95, route.durationSeconds.p99].map(duration),
    rate(route.failedRequestsPerSecond),
  ]);
  const byName = (a: string[], b: string[]) => (a.join() < b.join() ? -1 : 1);
  const shownRoutes = (await cells(page, '#routes')).map((row) => row.slice(0, 7));
  assert.deepEqual(shownRoutes.sort(byName), routes.sort(byName));
  const text = (id: string) => page.locator(`#${id}`).textContent();
  assert.equal(await text('service'), status.service);
  assert.equal(await text('version'), status.packageVersion);
  assert.equal(await text('health'), `● ${status.health}`);
  assert.equal(await text('series'), count(exporter.series));
  assert.equal(await text('scrapes'), count(exporter.scrapes));
  assert.equal(await page.locator('#events li').count(), status.events.length);
}

function cells(page: Page, table: string): Promise<string[][]> {
  return page.evaluate(`[...document.querySelectorAll('${table} tbody tr')].map((row) =>
    [...row.cells].map((cell) => cell.firstElementChild.textContent))`) as Promise<string[][]>;
}

async function noViolations(page: Page): Promise<void> {
  await page.evaluate(axe.source);
  const found = (await page.evaluate(`axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) =>
    violations.map(({ id, impact, nodes }) => ({ id, impact, nodes: nodes.slice(0, 3).map(({ html, failureSummary }) => html + failureSummary) })))`)) as {
    impact: string;
  }[];
  assert.deepEqual(found, []);
}

async function isUnharmed(page: Page, complaints: readonly string[]): Promise<void> {
  assert.equal(await page.evaluate('window.harmed'), undefined);
  assert.equal(await page.locator('main img, main script, main a:not([href="status.json"])').count(), 0);
  assert.deepEqual(complaints, []);
}

function focused(page: Page): Promise<unknown> {
  return page.evaluate('document.activeElement.textContent');
}

async function tryNow(page: Page): Promise<false> {
  const button = page.getByRole('button', { name: 'Try now' });
  if (await button.isVisible()) await button.click();
  return false;
}
