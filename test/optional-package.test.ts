/** Holds src/optional-package.ts, and what package.json says of packages that only some users need. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { pathToFileURL } from 'node:url';
import { loadOptional } from '../src/optional-package.ts';
import { catchLines } from './lines.ts';
import { freshDirectory, ROOT } from './processes.ts';

const { peerDependencies, peerDependenciesMeta, devDependencies } = JSON.parse(
  readFileSync(join(ROOT, 'package.json'), 'utf8'),
) as Record<string, Record<string, unknown>>;
const optional = Object.keys(peerDependenciesMeta!);
const lines = catchLines();

test('whatever version of an optional package an app has, npm installs us beside it', () => {
  assert.deepEqual(
    optional.map((name) => peerDependencies![name]),
    optional.map(() => '*'),
  );
});

test('where one is missing or cannot be used, the line names the versions that this package is tested with', async () => {
  for (const name of optional) {
    const refused = () => Promise.reject(new Error('version 5 is needed'));
    assert.equal(await loadOptional(name, refused, 'It'), undefined);
    assert.equal(
      lines.pop(),
      `gunicorn-otel: It needs the package ${name}: version 5 is needed; to install it: npm install '${name}@${devDependencies![name]}'`,
    );
  }
});

test('where package.json is no more what was packed, the line names any version, and nothing is thrown', (t) => {
  const place = freshDirectory(t);
  cpSync(join(ROOT, 'dist/src'), join(place, 'dist/src'), { recursive: true });
  const manifest = join(place, 'package.json');
  const program = `
    const { requireOptional } = await import(${JSON.stringify(pathToFileURL(join(place, 'dist/src/optional-package.js')).href)});
    console.log(requireOptional('nobody-has-it', 'It'));`;
  const said = () =>
    execFileSync(process.execPath, ['--input-type=module', '--eval', program], { encoding: 'utf8', stdio: 'pipe' });
  writeFileSync(manifest, JSON.stringify({ version: '0.0.0', type: 'module' }));
  assert.equal(said(), 'undefined\n');
  rmSync(manifest);
  writeFileSync(join(place, 'dist/src/package.json'), '{"type":"module"}');
  assert.equal(said(), 'undefined\n');
});
