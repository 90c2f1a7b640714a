/** Holds src/preload.ts: a sign of something to measure that comes when nothing can be loaded any more. */
import assert from 'node:assert/strict';
import { cpSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fixture, freshDirectory, ROOT, start } from './processes.ts';

test('an app whose copy of the package is deleted while it runs, by a deployment say, goes on without', async (t) => {
  const copy = freshDirectory(t);
  cpSync(join(ROOT, 'package.json'), join(copy, 'package.json'));
  cpSync(join(ROOT, 'dist/lib'), join(copy, 'dist/lib'), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  const preload = join(copy, 'dist/lib/register.js');
  const args = ['--import', preload, fixture('loses-the-package.mjs'), join(copy, 'dist')];
  const app = start(t, args, { preload: 'none' });
  assert.deepEqual(await app.ended(), { code: 0, signal: null });
  // The worker is started with the same --import, which Node does not find.
  assert.match(app.output.stdout, /^worker ended with \d+$/m);
  const off = [...app.output.stderr.matchAll(/^gunicorn-otel: metrics are off in process (\d+)$/gm)].map(
    ([, pid]) => pid,
  );
  assert.ok(off.includes(String(app.pid)), app.output.stderr);
  assert.equal(new Set(off).size, off.length, 'each process says it once, whatever else it does');
});
