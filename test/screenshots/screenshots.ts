/** `npm run screenshots`: the page of the cluster example under load, with what happens to workers, as docs/images has it. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { openPage, startChromium } from '../chromium.ts';
import { freePort, ROOT, start, until } from '../processes.ts';
import { request } from '../requests.ts';

const IMAGES = join(ROOT, 'docs/images');
const WORKERS = 4;
const CLIENTS = 6;
const PAUSE_MS = 15;
const NEVER_ANSWERED_MS = 2000;
const SCRAPE_EVERY_MS = 5000;
const HELD_MS = 350;
const WATCHED_MS = 75_000;
// How often each is asked for, of one round.
const ROUND: readonly (readonly [method: string, path: string, times: number])[] = [
  ['GET', '/', 13],
  ['POST', '/orders', 8],
  ['GET', '/slow', 1],
  ['GET', '/nowhere', 2],
  ['GET', '/fail', 1],
];

const ends: (() => unknown)[] = [];
const owner = { after: (end: () => unknown) => void ends.push(end) };
try {
  await takeThem();
} finally {
  for (const end of ends.reverse()) await end();
}

async function takeThem(): Promise<void> {
  const port = await freePort();
  const app = start(owner, [join(ROOT, 'examples/cluster/primary.mjs')], {
    env: {
      GUNICORN_WORKERS: String(WORKERS),
      // Not any: the workers of a reload are to have the same.
      PORT: String(port),
      OTEL_SERVICE_NAME: 'shop',
      GUNICORN_OTEL_UNRESPONSIVE_AFTER: '5',
    },
  });
  await app.says(/on port/);
  const home = new URL('/', await app.metricsUrl()).href;
  let isOver = false;
  owner.after(() => {
    isOver = true;
  });
  for (let i = 0; i < CLIENTS; i += 1) void ask(`http://127.0.0.1:${port}`, () => isOver);

  // As Prometheus would.
  const scrapes = setInterval(() => void app.scrape(), SCRAPE_EVERY_MS);
  owner.after(() => clearInterval(scrapes));

  const browser = await startChromium(owner);
  const pages = await Promise.all(
    (['light', 'dark'] as const).map(async (colorScheme) => {
      const { page } = await openPage(owner, browser, { colorScheme, viewport: { width: 1280, height: 720 } });
      await page.goto(home);
      return { page, colorScheme };
    }),
  );
  const pids = () => [...app.output.stdout.matchAll(/^worker (\d+) on/gm)].map(([, pid]) => Number(pid));
  await delay(WATCHED_MS / 3);
  process.kill(app.pid, 'SIGHUP');
  await until(() => pids().length === 2 * WORKERS, 'all workers are new');
  await delay(WATCHED_MS / 3);
  process.kill(pids()[WORKERS]!, 'SIGKILL');
  await until(() => pids().length === 2 * WORKERS + 1, 'the killed worker is replaced');
  await delay(WATCHED_MS / 3);
  process.kill(pids()[WORKERS + 1]!, 'SIGSTOP');
  owner.after(holdNowAndThen(pids()[WORKERS + 2]!));

  mkdirSync(IMAGES, { recursive: true });
  for (const { page, colorScheme } of pages) {
    for (const mark of ['stuck', 'slow']) await page.locator('#attention', { hasText: mark }).waitFor();
    await page.screenshot({ path: join(IMAGES, `page-${colorScheme}.png`), fullPage: true });
  }
}

// Keeps a process from running for a part of each second. @returns what ends that
function holdNowAndThen(pid: number): () => void {
  let isHeld = false;
  const timer = setInterval(() => {
    isHeld = !isHeld;
    process.kill(pid, isHeld ? 'SIGSTOP' : 'SIGCONT');
  }, HELD_MS);
  return () => clearInterval(timer);
}

async function ask(url: string, isOver: () => boolean): Promise<void> {
  const round = ROUND.flatMap(([method, path, times]) => Array.from({ length: times }, () => ({ method, path })));
  while (!isOver()) {
    const { method, path } = round[Math.floor(Math.random() * round.length)]!;
    await request(url + path, { method, timeout: NEVER_ANSWERED_MS }).catch(() => {});
    await delay(PAUSE_MS * (0.5 + Math.random()));
  }
}
