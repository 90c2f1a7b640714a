/** `start()` of the public API: for programs that do not want to be preloaded. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import test from 'node:test';
import { fixture, start } from './processes.ts';

test('a program that calls start() has its endpoint, and after stop() nothing is left and nothing wakes again', async (t) => {
  const app = start(t, [fixture('starts-and-stops.mjs')], { preload: 'none' });
  assert.deepEqual(await app.ended(), { code: 0, signal: null }, app.output.stderr);
  assert.match(app.output.stdout, /^counted 3, left 0, made again 0\n$/);
  assert.deepEqual(readdirSync(app.directory), []);
});
