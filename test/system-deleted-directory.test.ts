/** Somebody deletes the group's directory under a running service: its metrics come back by themselves, totals included. */
import assert from 'node:assert/strict';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { sum } from './exposition.ts';
import { startApp, until } from './processes.ts';
import { COUNT } from './request-count.ts';
import { requests } from './requests.ts';

test('a process whose directory is deleted publishes again, and says so', async (t) => {
  const app = await startApp(t, 'counts-its-answers.mjs');
  const url = `http://127.0.0.1:${app.port}/`;
  await requests(url, 3);
  const [group] = readdirSync(app.directory);
  rmSync(join(app.directory, group!), { recursive: true });
  await requests(url, 7);
  await until(async () => sum(await app.scrape(), COUNT) === 10, 'all ten are told', 10_000);
  assert.match(app.output.stderr, /the snapshot file cannot be written/);
});
