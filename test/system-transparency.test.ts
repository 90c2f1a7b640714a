/** The app does not notice: events, codes, signals and their order are the same with us and without. */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { fixture, type Preload, start, startApp, startCluster } from './processes.ts';

const ALL_PRELOADS: Preload[] = ['--import', '--require', 'NODE_OPTIONS=--import', 'NODE_OPTIONS=--require'];
const PROGRAM = fixture('ends-in-some-way.cjs');
const WAYS = [
  'runs out of work',
  'lets its channel go',
  'sets exitCode',
  'exits in an exit listener',
  'handles SIGTERM',
  'rejects',
  'throws',
  'exits',
  'exits with 7',
  'SIGTERM',
  'SIGHUP',
  'SIGUSR2',
];
// Each form once, and each way in; what they differ in is when a worker gets its messages.
const TWO_PRELOADS: Preload[] = ['--import', 'NODE_OPTIONS=--require'];
// Long enough for our exporter to be up; and not at all, for the end that comes while it is starting.
const SERVED = { 'after a while': '300', 'at once': '0' };

for (const [when, SERVES_MS] of Object.entries(SERVED)) {
  test(`a process that ends ${when} ends with the same events, output and code`, async (t) => {
    for (const WAY of WAYS) await sameEverywhere(t, [PROGRAM], { WAY, SERVES_MS }, TWO_PRELOADS);
  });

  test(`workers that end ${when} are the same to their primary, with the same messages and events`, async (t) => {
    await sameEverywhere(t, [fixture('watches-its-workers.mjs'), PROGRAM, ...WAYS], { SERVES_MS }, TWO_PRELOADS);
  });
}

test('a forked child ends with the same events, messages, output and code', async (t) => {
  const args = [fixture('forks-a-child.mjs'), PROGRAM];
  for (const WAY of WAYS) await sameEverywhere(t, args, { WAY, SERVES_MS: '0' }, TWO_PRELOADS);
});

for (const program of [['greets-its-workers.mjs', 'answers-messages.cjs'], ['primary-of-itself.cjs']]) {
  test(`messages sent as soon as a worker is online reach it, with ${program[0]}`, async (t) => {
    const plain = await sameEverywhere(t, program.map(fixture), {}, ALL_PRELOADS);
    assert.match(plain, /got: when online/);
  });
}

test('a signal ends a server and a primary by default as it does without us', async (t) => {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR2', 'SIGALRM'] as const) {
    const app = await startApp(t, 'serves-request-kinds.mjs');
    await app.metricsUrl();
    app.child.kill(signal);
    assert.deepEqual(await app.ended(), { code: null, signal });
    if (signal === 'SIGTERM') continue; // The primary of the fixture handles it.
    const cluster = await startCluster(t, 'serves-request-kinds.mjs', 1);
    await cluster.metricsUrl();
    cluster.child.kill(signal);
    assert.deepEqual(await cluster.ended(), { code: null, signal });
  }
});

/** Runs a program with each preload and without; the output of each process, and its end, must be the same. */
async function sameEverywhere(
  t: TestContext,
  args: string[],
  env: Record<string, string>,
  preloads: Preload[],
): Promise<string> {
  const run = async (preload: Preload) => {
    const running = start(t, args, { preload, env });
    const { code, signal } = await running.ended();
    const { stdout, stderr } = running.output;
    return { code, signal, stdout: byProcess(stdout), stderr: byProcess(comparable(stderr)), text: stdout };
  };
  const plain = run('none');
  const ours = await Promise.all(preloads.map(run));
  const { text, ...expected } = await plain;
  ours.forEach(({ text: _, ...result }, index) => {
    assert.deepEqual(result, expected, `${preloads[index]} ${JSON.stringify(env)}`);
  });
  return text;
}

// Lines of one process keep their order; how those of several fall between each other is up to the scheduler.
function byProcess(text: string): string[] {
  const speaker = (line: string) => line.split(':', 1)[0]!;
  return text.split('\n').sort((a, b) => speaker(a).localeCompare(speaker(b)));
}

// Where the metrics are is the one thing we say; a stack shows how Node came to the program, which any preload changes.
function comparable(text: string): string {
  return text.replace(/^gunicorn-otel: metrics of process .*\n/gm, '').replace(/^ +at .*node:.*\n/gm, '');
}
