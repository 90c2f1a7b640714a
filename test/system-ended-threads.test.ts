/** Threads come and go while their process lives on: what is shown and stored of them must go as well. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { select } from './exposition.ts';
import { start, until } from './processes.ts';

const THREAD = `
  import { createServer } from 'node:http';
  const server = createServer().listen(0, () => setTimeout(() => server.close(), 50));`;
const PROGRAM = `
  import { once } from 'node:events';
  import { createServer } from 'node:http';
  import { Worker } from 'node:worker_threads';
  createServer().listen(0, async () => {
    for (let i = 0; i < 5; i += 1) await once(new Worker(new URL(${JSON.stringify(`data:text/javascript,${encodeURIComponent(THREAD)}`)})), 'exit');
    console.log('five threads have ended');
  });`;

test('a thread that has ended is shown and stored no longer, though its process lives', async (t) => {
  const app = start(t, ['--input-type=module', '--eval', PROGRAM], {
    env: { GUNICORN_OTEL_EXITED_RETENTION: '1s' },
  });
  await app.says(/five threads have ended/);
  const living = async () =>
    select(await app.scrape(), 'gunicorn_worker_state').map(({ labels }) => labels['worker_id']);
  await until(async () => (await living()).length === 1, 'the process alone is shown', 5000);
  const [group] = readdirSync(app.directory);
  const files = () => readdirSync(join(app.directory, group!)).filter((file) => file.endsWith('.snapshot'));
  await until(() => files().length === 1, 'the files of the threads are folded', 10_000);
});
