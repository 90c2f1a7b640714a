/** What lies where groups are made: who comes and goes leaves nothing. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { startApp } from './processes.ts';
import { request } from './requests.ts';
import { noDisk, smallDisk } from './small-disk.ts';

const APP = 'counts-its-answers.mjs';

test('processes that come and go while the disk is full leave nothing in their group', { skip: noDisk }, async (t) => {
  const disk = smallDisk(t, 512);
  const options = { directory: disk.path, env: { GUNICORN_OTEL_GROUP: 'shop' } };
  const leader = await startApp(t, APP, options);
  await leader.metricsUrl();
  disk.fill();
  const group = join(disk.path, 'group-shop');
  const before = readdirSync(group).length;
  for (let i = 0; i < 3; i += 1) {
    const app = await startApp(t, APP, options);
    assert.equal((await request(`http://127.0.0.1:${app.port}/`)).status, 200);
    app.child.kill('SIGTERM');
    assert.deepEqual(await app.ended(), { code: 0, signal: null });
    assert.match(app.output.stderr, /ENOSPC/);
  }
  assert.deepEqual(
    readdirSync(group).filter((file) => file.endsWith('.ended')),
    [],
  );
  assert.ok(readdirSync(group).length <= before + 1, `${readdirSync(group)}`);
});
