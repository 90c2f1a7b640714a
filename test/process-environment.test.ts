/** Holds src/process-environment.ts: what a thread is told beside the environment that the app gives it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import test from 'node:test';
import { Worker } from 'node:worker_threads';
import { environment, isBelowPreloaded, isReplaced, tellThreads } from '../src/process-environment.ts';

const MODULE = new URL('../src/process-environment.js', import.meta.url);
const THREAD = `
  const { parentPort } = require('node:worker_threads');
  import(${JSON.stringify(MODULE.href)}).then(({ environment, isReplaced }) => {
    parentPort.postMessage({ told: environment(), isReplaced });
  });`;

test('a thread with an environment of its own is told what names its group, as it is by then, and no secret', async (t) => {
  tellThreads();
  const ours = { OTEL_SERVICE_NAME: 'shop', GUNICORN_OTEL_FAMILY: '1-2-3' };
  const secret = { REDIS_PASSWORD: 'x', OTEL_EXPORTER_OTLP_HEADERS: 'x', DATABASE_URL: 'x' };
  Object.assign(process.env, ours, secret);
  t.after(() => {
    for (const name of Object.keys({ ...ours, ...secret })) delete process.env[name];
  });
  const own = await toldBy({ OWN: '1' });
  assert.equal(own.isReplaced, true);
  assert.deepEqual({ ...own.told, ...ours, OWN: '1' }, own.told);
  for (const name of Object.keys(secret)) assert.ok(!(name in own.told), name);
  const copy = await toldBy(process.env);
  assert.equal(copy.isReplaced, false);
  assert.equal(copy.told['DATABASE_URL'], 'x');
});

test('in the main thread there is nothing but its environment', () => {
  assert.equal(environment(), process.env);
  assert.deepEqual([isBelowPreloaded, isReplaced], [false, false]);
});

async function toldBy(env: NodeJS.ProcessEnv): Promise<{ told: NodeJS.ProcessEnv; isReplaced: boolean }> {
  const [answer] = await once(new Worker(THREAD, { eval: true, env }), 'message');
  return answer;
}
