// `npm run demo`: starts the cluster example with the package preloaded, sends it a little traffic, prints where its
// metrics are and a first scrape. Ends with Ctrl-C, or by itself after DEMO_SECONDS.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const REQUESTS = [
  ['GET', '/'],
  ['GET', '/'],
  ['GET', '/slow'],
  ['POST', '/orders', 'two pears'],
  ['GET', '/fail'],
  ['GET', '/nowhere'],
];
const FIRST_SCRAPE_AFTER_MS = 2000;
const START_DEADLINE_MS = 30_000;
const FOR_EVER_MS = 2 ** 31 - 1;

const seconds = Number(process.env.DEMO_SECONDS ?? 0);
const directory = await mkdtemp(join(tmpdir(), 'gunicorn-otel-demo-'));
const primary = spawn(
  process.execPath,
  ['--import', '@x/gunicorn-otel/register', fileURLToPath(new URL('./primary.mjs', import.meta.url))],
  {
    env: {
      PROMETHEUS_METRICS_PORT: '0',
      GUNICORN_WORKERS: '4',
      PORT: '0',
      ...process.env,
      PROMETHEUS_MULTIPROC_DIR: directory,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  },
);
const exited = once(primary, 'exit');
const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stopping.abort());
exited.then(() => stopping.abort());

try {
  const app = await appUrl();
  const metrics = await metricsUrl();
  const traffic = setInterval(send, 50, app);
  await pause(FIRST_SCRAPE_AFTER_MS);
  const text = await (await fetch(metrics)).text();
  console.log(text);
  console.log(`the app:  ${app}`);
  console.log(`metrics:  ${metrics}`);
  console.log(seconds > 0 ? `this ends after ${seconds} s` : 'Ctrl-C ends this');
  await pause(seconds > 0 ? seconds * 1000 : FOR_EVER_MS);
  clearInterval(traffic);
  primary.kill('SIGTERM');
  await exited;
} catch (error) {
  if (!stopping.signal.aborted) {
    console.error(`the demo failed: ${error.message}`);
    process.exitCode = 1;
  }
} finally {
  primary.kill('SIGKILL');
  await rm(directory, { recursive: true, force: true });
}

async function appUrl() {
  const lines = createInterface({ input: primary.stdout });
  const [line] = await once(lines, 'line', {
    signal: AbortSignal.any([stopping.signal, AbortSignal.timeout(START_DEADLINE_MS)]),
  });
  return `http://127.0.0.1:${line.split(' ').at(-1)}`;
}

async function metricsUrl() {
  const deadline = Date.now() + START_DEADLINE_MS;
  while (Date.now() < deadline && !stopping.signal.aborted) {
    for (const group of await readdir(directory)) {
      const text = await readFile(join(directory, group, 'exporter.json'), 'utf8').catch(() => undefined);
      if (text) return JSON.parse(text).url;
    }
    await pause(50);
  }
  throw new Error('the endpoint did not open');
}

function send(app) {
  const [method, path, body] = REQUESTS[Math.floor(Math.random() * REQUESTS.length)];
  fetch(app + path, { method, body })
    .then((res) => res.arrayBuffer())
    .catch(() => {});
}

// Ends early, without an error, when the demo is told to stop.
function pause(ms) {
  return setTimeout(ms, undefined, { signal: stopping.signal }).catch(() => {});
}
