/** PROMETHEUS_MULTIPROC_DIR cannot be used: one clear line, another place, and the metrics are all there. */
import assert from 'node:assert/strict';
import { chmodSync, chownSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { freshDirectory, startApp, startCluster } from './processes.ts';
import { settled } from './request-count.ts';
import { requests } from './requests.ts';

const APP = 'counts-its-answers.mjs';
const OTHER_USER = 65534;

// Tests may run as root, who can write anywhere: what is not a directory is closed to root, too.
const obstacles: Record<string, (path: string) => string> = {
  'is a file': (path) => {
    writeFileSync(path, 'precious');
    return path;
  },
  'is below a file': (path) => {
    writeFileSync(path, 'precious');
    return join(path, 'below');
  },
  'is a link that leads nowhere': (path) => {
    symlinkSync(`${path}-that-is-not-there`, path);
    return path;
  },
  // Node 20's own recursive mkdir never comes back from there.
  'is where nothing can be made': () => '/proc/gunicorn-otel-test/multiproc',
  'is not writable': (path) => {
    // To root everything is, but what the kernel itself keeps.
    if (process.getuid?.() === 0) return '/sys/kernel/gunicorn-otel-test';
    mkdirSync(path, { mode: 0o555 });
    return path;
  },
};

for (const [what, put] of Object.entries(obstacles)) {
  for (const kind of ['a process', 'a cluster'] as const) {
    test(`${kind} whose directory ${what} says so in one line, and has its metrics`, async (t) => {
      const temporary = freshDirectory(t);
      const directory = put(join(freshDirectory(t), 'multiproc'));
      const options = { directory, env: { TMPDIR: temporary } };
      const app = await (kind === 'a process' ? startApp(t, APP, options) : startCluster(t, APP, 2, options));
      await requests(`http://127.0.0.1:${app.port}/`, 6);
      await settled(app, 6);
      const complaints = app.output.stderr.split('\n').filter((line) => line && !line.includes('metrics of process'));
      assert.equal(complaints.length, 1, app.output.stderr);
      assert.match(complaints[0]!, /^gunicorn-otel: .*PROMETHEUS_MULTIPROC_DIR/);
      assert.ok(complaints[0]!.includes(directory), complaints[0]);

      app.child.kill('SIGTERM');
      assert.deepEqual(await app.ended(), { code: 0, signal: null });
      assert.deepEqual(filesBelow(temporary), [], 'nothing is left of the other place');
    });
  }
}

const needsRoot = process.getuid?.() !== 0 && 'only root can give a directory to another user';
test('metrics are there though the directory is that of another user', { skip: needsRoot }, async (t) => {
  const directory = join(freshDirectory(t), 'multiproc');
  mkdirSync(directory);
  chmodSync(directory, 0o777);
  chownSync(directory, OTHER_USER, OTHER_USER);
  const app = await startApp(t, APP, { directory, env: { TMPDIR: freshDirectory(t) } });
  await requests(`http://127.0.0.1:${app.port}/`, 2);
  await settled(app, 2);
  // Whether it is used is for docs/decisions to say; when it is not, the user must be told.
  const isUsed = readdirSync(directory).length > 0;
  assert.equal(app.output.stderr.includes('PROMETHEUS_MULTIPROC_DIR'), !isUsed, app.output.stderr);
});

function filesBelow(path: string): string[] {
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name));
}
