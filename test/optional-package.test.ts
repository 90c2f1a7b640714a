/** Holds src/optional-package.ts, and what package.json says of packages that only some users need. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { loadOptional } from '../src/optional-package.ts';
import { catchLines } from './lines.ts';
import { ROOT } from './processes.ts';

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
