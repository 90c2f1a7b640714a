/** Two versions of this package in one group, whose files differ: told which one, counted, and nobody's file is deleted. */
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { pathToFileURL } from 'node:url';
import { FORMAT_VERSION } from '../src/snapshot/layout.ts';
import { sum } from './exposition.ts';
import { fixture, freshDirectory, type Owner, ROOT, start, until } from './processes.ts';
import { COUNT } from './request-count.ts';
import { requests } from './requests.ts';

const ERRORS = 'gunicorn_exporter_snapshot_errors_total';
const OTHER_VERSION = '9.8.7';

test('a process of another version is told and counted, the others are exact, and its file stays when it dies', async (t) => {
  const preload = pathToFileURL(join(otherVersion(t), 'dist/lib/register.js')).href;
  const app = start(t, [fixture('serves-beside-another-version.mjs'), fixture('counts-its-answers.mjs'), preload]);
  const port = Number((await app.says(/^ready on port (\d+)/m))[1]);
  const [, pid, childPort] = await app.says(/^child (\d+) ready on port (\d+)/m);
  await requests(`http://127.0.0.1:${childPort}/`, 5);
  await requests(`http://127.0.0.1:${port}/`, 3);
  const samples = await until(async () => {
    const samples = await app.scrape();
    return sum(samples, ERRORS, { cause: 'version' }) > 0 && samples;
  }, 'it is counted');
  assert.equal(sum(samples, COUNT), 3);

  await app.says(/cannot be read/, 'stderr');
  const [line, more] = app.output.stderr.split('\n').filter((line) => line.includes('cannot be read'));
  assert.equal(more, undefined, app.output.stderr);
  assert.ok(line!.includes(`version ${OTHER_VERSION}`) && line!.includes(`format ${FORMAT_VERSION + 1}`), line);
  assert.match(line!, /one version/);

  const group = join(app.directory, readdirSync(app.directory)[0]!);
  const file = readdirSync(group).find((name) => name.startsWith(`${pid}-`))!;
  process.kill(Number(pid), 'SIGKILL');
  await app.says(/child is gone/);
  // Reaped, and looked at once more.
  const count = async () => sum(await app.scrape(), ERRORS, { cause: 'version' });
  await until(async () => {
    const counted = await count();
    return (await count()) === counted;
  }, 'the dead is let alone');
  assert.ok(existsSync(join(group, file)), 'for whoever can read it');
  assert.equal(sum(await app.scrape(), ERRORS, { cause: 'lost' }), 0);
  await requests(`http://127.0.0.1:${port}/`, 4);
  await until(async () => sum(await app.scrape(), COUNT) === 7, 'the others go on');
  app.child.kill('SIGTERM');
  assert.deepEqual(await app.ended(), { code: 0, signal: null });
  assert.deepEqual(readdirSync(app.directory), []);
});

// This package as it is built, but that its files have another format.
function otherVersion(owner: Owner): string {
  const root = join(freshDirectory(owner), 'other');
  mkdirSync(root);
  cpSync(join(ROOT, 'dist/lib'), join(root, 'dist/lib'), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'));
  const told = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as object;
  writeFileSync(join(root, 'package.json'), JSON.stringify({ ...told, version: OTHER_VERSION }));
  const layout = join(root, 'dist/lib/shared.js');
  const source = readFileSync(layout, 'utf8');
  const other = source.replace(`FORMAT_VERSION = ${FORMAT_VERSION};`, `FORMAT_VERSION = ${FORMAT_VERSION + 1};`);
  assert.notEqual(other, source);
  writeFileSync(layout, other);
  return root;
}
