/** Where Node may start no threads the exporter runs in the process itself, and one line says so. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { fixture, start } from './processes.ts';
import { settled } from './request-count.ts';
import { requests } from './requests.ts';

const PERMISSION = process.allowedNodeEnvironmentFlags.has('--permission')
  ? '--permission'
  : '--experimental-permission';

test('a process that may start no thread has its endpoint all the same, and ends as it would', async (t) => {
  const rights = [PERMISSION, '--no-warnings', '--allow-fs-read=*', '--allow-fs-write=*', '--allow-child-process'];
  const app = start(t, [...rights, fixture('counts-its-answers.mjs')]);
  const [, port] = await app.says(/^ready on port (\d+)/m);
  await requests(`http://127.0.0.1:${port}/`, 3);
  await settled(app, 3);
  assert.match(app.output.stderr, /^gunicorn-otel: no thread for the exporter .*\n/);
  app.child.kill('SIGTERM');
  assert.deepEqual(await app.ended(), { code: 0, signal: null });
});
