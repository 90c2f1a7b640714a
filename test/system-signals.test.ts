/** Signals of the primary are counted where that changes nothing: what a signal does is what it did without us. */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { type Sample, select, sum } from './exposition.ts';
import { areShown, endings, enters } from './living-workers.ts';
import { fixture, type Preload, start, startApp, startCluster, until } from './processes.ts';
import { request } from './requests.ts';

const APP = 'listens-to-signals.mjs';
const NAME = 'gunicorn_master_signals_total';
const ACTIONS = {
  HUP: 'reload',
  INT: 'quit',
  TERM: 'shutdown',
  QUIT: 'quit',
  USR1: 'reopen_logs',
  USR2: 'upgrade',
  TTIN: 'add_worker',
  TTOU: 'remove_worker',
  CHLD: 'reap',
  WINCH: 'resize',
} as const;
const SIGNALS = Object.keys(ACTIONS) as (keyof typeof ACTIONS)[];
const ALWAYS_SEEN = ['CHLD', 'WINCH'];
const LISTENED_TO = SIGNALS.filter((signal) => !ALWAYS_SEEN.includes(signal));
const LISTENS_TO = LISTENED_TO.map((signal) => `SIG${signal}`).join();

const WAYS = [
  'leaves it alone',
  'listens once, and sends it again',
  'listens as signal-exit does',
  'takes all listeners off',
  'takes its listener off',
  'takes its listener off when it comes',
  'listens ten times',
  'listens first and last',
];
// While the app has a listener outside of a signal ours is beside it, as the issue has it; not while listeners run.
const PRELOADS: Preload[] = ['none', '--import', 'NODE_OPTIONS=--require'];

test('all ten signals are there from the start, and none has been seen', async (t) => {
  const app = await startApp(t, APP, { env: { LISTENS_TO } });
  const samples = select(await app.scrape(), NAME);
  assert.deepEqual(samples.map(({ labels }) => labels['signal']).sort(), [...SIGNALS].sort());
  for (const { labels, value } of samples) {
    assert.deepEqual(Object.keys(labels), ['signal']);
    // Asking the system for its clock and page size takes two programs.
    if (labels['signal'] !== 'CHLD') assert.equal(value, 0, labels['signal']);
  }
});

test('each signal that the app listens to is counted every time it comes', async (t) => {
  const app = await startApp(t, APP, { env: { LISTENS_TO } });
  await app.metricsUrl();
  for (const [index, signal] of LISTENED_TO.entries()) {
    const saw = () => [...app.output.stdout.matchAll(new RegExp(`^saw SIG${signal}$`, 'gm'))].length;
    for (let sent = 1; sent <= index + 1; sent += 1) {
      app.child.kill(`SIG${signal}`);
      await until(() => saw() === sent, `SIG${signal} seen ${sent} times by the app`);
    }
  }
  const samples = await reach(app, Object.fromEntries(LISTENED_TO.map((signal, index) => [signal, index + 1])));
  assert.equal(sum(samples, NAME, { signal: 'WINCH' }), 0);
  assert.doesNotMatch(app.output.stderr, /Debugger/);
});

test('CHLD and WINCH are counted in an app that listens to no signal', async (t) => {
  const app = await startApp(t, APP);
  const before = sum(await app.scrape(), NAME, { signal: 'CHLD' });
  for (let run = 1; run <= 3; run += 1) {
    await request(`http://127.0.0.1:${app.port}/run`);
    await until(async () => sum(await app.scrape(), NAME, { signal: 'CHLD' }) >= before + run, `${run} children`);
  }
  for (let sent = 1; sent <= 2; sent += 1) {
    app.child.kill('SIGWINCH');
    await reach(app, { WINCH: sent });
  }
});

test('detailed labels tell what the primary of Gunicorn does at a signal', async (t) => {
  const app = await startApp(t, APP, { env: { LISTENS_TO, GUNICORN_OTEL_LABELS: 'detailed' } });
  const actions = select(await app.scrape(), NAME).map(({ labels }) => [labels['signal'], labels['action']]);
  assert.deepEqual(Object.fromEntries(actions), ACTIONS);
  assert.equal(actions.length, SIGNALS.length);
  app.child.kill('SIGHUP');
  const samples = await reach(app, { HUP: 1 });
  assert.equal(sum(samples, NAME, { signal: 'HUP', action: 'reload' }), 1);
});

test('in a cluster the signals of the primary are counted, and not those of its workers', async (t) => {
  const primary = fixture('keeps-workers.mjs');
  const cluster = await startCluster(t, APP, 2, { primary, env: { LISTENS_TO: 'SIGTERM,SIGHUP' } });
  await areShown(cluster, ['1', '2']);
  process.kill(cluster.workers().get('1')!, 'SIGTERM');
  await enters(cluster, '1', 'quitting');
  process.kill(cluster.workers().get('1')!, 'SIGKILL');
  await areShown(cluster, ['2', '3']);
  cluster.child.kill('SIGTTIN');
  await areShown(cluster, ['2', '3', '4']);
  cluster.child.kill('SIGTTOU');
  await until(() => endings(cluster).size === 2, 'the end of a worker');
  cluster.child.kill('SIGHUP');
  const samples = await reach(cluster, { TTIN: 1, TTOU: 1, HUP: 1, TERM: 0 });
  assert.ok(sum(samples, NAME, { signal: 'CHLD' }) >= 2, 'the ends of workers');
});

for (const [SIGNAL, EARLY] of [
  ['SIGTERM', '1'],
  ['SIGTERM', ''],
  ['SIGINT', ''],
  ['SIGHUP', '1'],
  ['SIGUSR2', ''],
] as const) {
  test(`${SIGNAL} does what it did, for listeners set ${EARLY ? 'before' : 'after'} it serves`, async (t) => {
    for (const WAY of WAYS) await isTheSame(t, { SIGNAL, WAY, EARLY });
  });
}

for (const WAY of WAYS) {
  test(`a worker that ${WAY} ends by SIGTERM as it did`, async (t) => {
    const end = async (preload: Preload) => {
      const args = [fixture('keeps-workers.mjs'), fixture('treats-a-signal.mjs'), '1'];
      const primary = start(t, args, { preload, env: { SIGNAL: 'SIGTERM', WAY, REPLACE_AFTER_MS: '60000' } });
      const [, how] = await primary.says(/^ended 1 (\w+)$/m);
      const lines = primary.output.stdout.split('\n').filter((line) => !line.includes(' ready on port '));
      return { how, lines: lines.filter((line) => !line.startsWith('worker ')).sort() };
    };
    const [plain, ...others] = await Promise.all(PRELOADS.map(end));
    for (const other of others) assert.deepEqual(other, plain);
    assert.equal(
      plain!.how,
      /^(leaves|listens once|listens as|takes all|takes its listener off$)/.test(WAY) ? 'SIGTERM' : '7',
    );
  });
}

test('SIGUSR1 starts the debugger of a process that does not listen to it, and ends nothing', async (t) => {
  const app = start(t, ['--inspect-port=0', fixture(APP)]);
  await app.metricsUrl();
  app.child.kill('SIGUSR1');
  await app.says(/Debugger listening/, 'stderr');
  await reach(app, { USR1: 0 });
});

// Waits until these signals are counted; fails when one is counted more often.
async function reach(app: Parameters<typeof enters>[0], counts: Record<string, number>): Promise<Sample[]> {
  let samples: Sample[] = [];
  const counted = () =>
    Object.fromEntries(Object.keys(counts).map((signal) => [signal, sum(samples, NAME, { signal })]));
  await until(
    async () => {
      samples = await app.scrape();
      return Object.entries(counted()).every(([signal, count]) => count >= counts[signal]!);
    },
    () => `${JSON.stringify(counts)} counted; there is ${JSON.stringify(counted())}`,
  );
  assert.deepEqual(counted(), counts);
  return samples;
}

async function isTheSame(t: TestContext, env: Record<string, string>): Promise<void> {
  const run = async (preload: Preload) => {
    const running = start(t, [fixture('treats-a-signal.mjs')], { preload, env });
    const end = await running.ended();
    const stderr = running.output.stderr.replace(/^gunicorn-otel: metrics of process .*\n/m, '');
    return { end, stdout: running.output.stdout, stderr };
  };
  const [plain, ...others] = await Promise.all(PRELOADS.map(run));
  for (const other of others) assert.deepEqual(other, plain, JSON.stringify(env));
  assert.notEqual(plain!.end.code, 4, `${JSON.stringify(env)} has not reached the program at all`);
}
