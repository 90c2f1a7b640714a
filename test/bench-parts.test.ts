import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ROOT, start } from './processes.ts';

const BENCH = fileURLToPath(new URL('bench/bench.js', import.meta.url));

test('a part that there is not ends the bench with 2 and the list of parts, and none is run', async (t) => {
  const bench = start(t, [BENCH, 'redis-value', 'request-costs'], { preload: 'none' });
  assert.deepEqual(await bench.ended(), { code: 2, signal: null });
  const [, unknown, parts] = bench.output.stderr.match(/^there is no bench (.+); there are (.+)$/m)!;
  assert.equal(unknown, 'request-costs');
  assert.equal(bench.output.stdout, '');
  const listed = parts!.split(', ');
  for (const part of ['request-cost', 'latency', 'redis-value']) assert.ok(listed.includes(part), part);
});

test('the parts that documents name are there', async (t) => {
  const bench = start(t, [BENCH, 'no-such-part'], { preload: 'none' });
  await bench.ended();
  const listed = bench.output.stderr.match(/there are (.+)$/m)![1]!.split(', ');
  for (const document of ['README.md', 'CHANGELOG.md', 'docs/redis.md']) {
    const text = readFileSync(join(ROOT, document), 'utf8');
    const named = [...text.matchAll(/npm run bench -- ([\w-]+)/g)].map(([, part]) => part!);
    assert.ok(named.length > 0, document);
    assert.deepEqual(
      named.filter((part) => !listed.includes(part)),
      [],
      document,
    );
  }
});
