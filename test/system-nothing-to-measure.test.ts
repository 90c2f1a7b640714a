/** Preloaded into what neither serves nor measures, we are not to be noticed: no output, port, thread or file. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import test, { type TestContext } from 'node:test';
import { fixture, freshDirectory, type Preload, type StartOptions, start } from './processes.ts';

const ALL: Preload[] = ['--import', '--require', 'NODE_OPTIONS=--import', 'NODE_OPTIONS=--require'];
const NODE_OPTIONS = ALL.slice(2);

const programs: Record<string, { args: string[]; command?: string; preloads: Preload[] }> = {
  'node -e 0': { args: ['-e', '0'], preloads: ALL },
  'node -p': { args: ['-p', '6 * 7'], preloads: ALL },
  'node --version': { args: ['--version'], preloads: ALL },
  'a script that fails': { args: ['-e', 'console.error("failing"); process.exit(9)'], preloads: ALL },
  'an uncaught error': { args: ['-e', 'throw new Error("uncaught")'], preloads: ALL },
  'a promise that nobody settles': {
    args: ['--input-type=module', '-e', 'await new Promise(() => {})'],
    preloads: ALL,
  },
  'npm --version': { command: 'npm', args: ['--version'], preloads: NODE_OPTIONS },
  'npm pkg get name': { command: 'npm', args: ['pkg', 'get', 'name'], preloads: NODE_OPTIONS },
  'a test runner': { args: ['--test', fixture('passes-a-test.mjs')], preloads: ALL },
  'a test runner with a failure': { args: ['--test', fixture('fails-a-test.mjs')], preloads: ALL },
  'a worker thread': {
    args: ['-e', 'new worker_threads.Worker("console.log(1)", { eval: true })'],
    preloads: ALL,
  },
  'a library that asks for a Meter and makes no instrument': {
    args: ['-e', 'require("@opentelemetry/api").metrics.getMeter("library"); console.log(1)'],
    preloads: ALL,
  },
  'a child process': {
    args: ['-e', 'child_process.spawn(process.execPath, ["-p", "1"], { stdio: "inherit" })'],
    preloads: ALL,
  },
};

for (const [name, { args, command, preloads }] of Object.entries(programs)) {
  test(`${name} says and returns the same with us as without, and leaves no file`, async (t) => {
    const options = { ...(command && { command }) };
    const plain = await finish(t, args, { ...options, preload: 'none' });
    for (const preload of preloads) {
      const directory = freshDirectory(t);
      // What is left of us elsewhere would be left in the default place.
      const TMPDIR = freshDirectory(t);
      const ours = await finish(t, args, { ...options, preload, directory, env: { TMPDIR } });
      assert.deepEqual(ours, plain, preload);
      assert.deepEqual(readdirSync(directory), [], preload);
      assert.deepEqual(
        readdirSync(TMPDIR).filter((entry) => !entry.startsWith('node-')),
        [],
        preload,
      );
    }
  });
}

const needsProc = process.platform !== 'linux' && 'what a process holds is read from /proc';
test('a script that serves nothing holds no thread, socket or handle of ours', { skip: needsProc }, async (t) => {
  const script = fixture('says-what-it-holds.cjs');
  for (const [form, kind] of [
    ['--import', 'mjs'],
    ['--require', 'cjs'],
  ] as const) {
    // Held against a preload that does nothing: Node itself starts threads to load an ES module.
    const emptyPreload = fixture(`empty-preload.${kind}`);
    const empty = await finish(t, [form, emptyPreload, script], { preload: 'none' });
    const ours = await finish(t, [script], { preload: form });
    assert.deepEqual(ours, empty);
  }
});

async function finish(t: TestContext, args: string[], options: StartOptions) {
  const running = start(t, args, options);
  const { code, signal } = await running.ended();
  const [stdout, stderr] = [running.output.stdout, running.output.stderr].map(comparable);
  return { code, signal, stdout, stderr };
}

// A test runner says how long it took; a stack shows how Node came to the program, which any preload changes.
function comparable(text: string): string {
  return text
    .replace(/duration_ms:? [\d.]+/g, 'duration_ms')
    .replace(/\(?[\d.]+ms\)?/g, 'ms')
    .replace(/^ +at .*node:internal.*\n/gm, '');
}
