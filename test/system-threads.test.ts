/** A main thread that only starts threads: they are one group, which it watches and leads, and is no worker of. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { select, sum } from './exposition.ts';
import { areShown, workerStates } from './living-workers.ts';
import { orchestra, watchTotals } from './orchestra.ts';
import { fixture, freePort, type Running, start, until } from './processes.ts';
import { COUNT, settled } from './request-count.ts';
import { requests } from './requests.ts';
import { areReplaced, ENDED, endedBy } from './restarts.ts';

const KILL = { reason: 'kill', restart_type: 'forced' } as const;
const CRASH = { reason: 'crash', restart_type: 'forced' } as const;
const QUIT = { reason: 'quit', restart_type: 'graceful' } as const;

test('threads of a main thread that serves nothing are one group, and its workers', async (t) => {
  const app = orchestra(t);
  const threads = [await app.thread(), await app.thread(), await app.thread()];
  for (const { port } of threads) await requests(`http://127.0.0.1:${port}/`, 5);
  await settled(app, 15);
  await areShown(
    app,
    threads.map(({ id }) => id),
  );
  assert.deepEqual(leaders(app), [0]);
  assert.equal(readdirSync(app.directory).length, 1);
  assert.equal(app.output.stderr.match(/metrics of process/g)?.length, 1);
});

test('each end of a thread is told as what it was, also of one that was there before anybody measured', async (t) => {
  const app = orchestra(t);
  // Long enough asleep, and awake: the thread that wakes the main thread is none of those that end.
  const ends: [(id: string) => void, number, typeof KILL | typeof CRASH | typeof QUIT][] = [
    [(id) => app.tell('terminate', id), 1, KILL],
    [(id) => app.tell('tell', id, 'crash'), 1, CRASH],
    [(id) => app.tell('tell', id, 'exit', '0'), 0, QUIT],
    [(id) => app.tell('tell', id, 'exit', '3'), 3, CRASH],
    [(id) => app.tell('tell', id, 'exit', '1'), 1, CRASH],
  ];
  const threads = await Promise.all(ends.map(() => app.thread()));
  const small = await app.thread({ resourceLimits: { maxOldGenerationSizeMb: 20 } });
  for (const { port } of [...threads, small]) await requests(`http://127.0.0.1:${port}/`, 3);
  await settled(app, 18);
  const watch = watchTotals(t, app);
  for (const [index, [end, code, ending]] of ends.entries()) {
    const { id } = threads[index]!;
    end(id.slice(2));
    assert.equal(await app.endOf(id), code);
    await endedBy(app, id, ending);
  }
  // It has no memory left to say anything in.
  app.tell('tell', small.id.slice(2), 'fill');
  await app.endOf(small.id);
  assert.match(app.output.stdout, /^failed \d+ Error$/m);
  await endedBy(app, small.id, KILL);
  assert.equal(sum((await watch.stop()).last, COUNT), 18);
});

test('a thread that is blocked is unresponsive, one that is terminated while it spins has ended', async (t) => {
  const app = orchestra(t, { env: { GUNICORN_OTEL_UNRESPONSIVE_AFTER: '2s' } });
  const [blocked, spinning, idle] = [await app.thread(), await app.thread(), await app.thread()];
  for (const { port } of [blocked, spinning, idle]) await requests(`http://127.0.0.1:${port}/`, 4);
  await settled(app, 12);
  const watch = watchTotals(t, app);
  app.tell('tell', blocked.id.slice(2), 'block', '6000');
  app.tell('tell', spinning.id.slice(2), 'spin');
  const stateOf = async (id: string) => workerStates(await app.scrape()).get(id)?.state;
  for (const { id } of [blocked, spinning]) {
    await until(async () => (await stateOf(id)) === 'unresponsive', `${id} is unresponsive`);
  }
  assert.equal(await stateOf(idle.id), 'running');
  app.tell('terminate', spinning.id.slice(2));
  await endedBy(app, spinning.id, KILL);
  await until(async () => (await stateOf(blocked.id)) === 'running', 'the blocked one is back');
  await areShown(app, [blocked.id, idle.id]);
  assert.equal(sum((await watch.stop()).last, COUNT), 12);
});

test('a thread that leads because the main thread is blocked gives the lead to it, totals and port included', async (t) => {
  const app = orchestra(t, { env: { PROMETHEUS_METRICS_PORT: String(await freePort()) } });
  const first = app.thread();
  app.tell('block', '5000');
  await until(() => leaders(app)[0] === 1, 'the thread leads');
  const { id, port } = await first;
  await requests(`http://127.0.0.1:${port}/`, 4);
  // A termination may take what was answered in the last 10 ms.
  await settled(app, 4);
  await until(() => leaders(app)[0] === 0, 'the main thread leads');
  app.tell('terminate', id.slice(2));
  await app.endOf(id);
  await until(() => app.output.stderr.match(/metrics of process/g)?.length === 2, 'its endpoint is open');
  await settled(app, 4);
  await endedBy(app, id, KILL);
});

test('a blocked main thread delays no scrape of its threads', async (t) => {
  const app = orchestra(t);
  const { port } = await app.thread();
  await requests(`http://127.0.0.1:${port}/`, 1);
  await settled(app, 1);
  app.tell('block', '10000');
  app.tell('say', 'back');
  for (let count = 2; count < 20; count += 1) {
    await requests(`http://127.0.0.1:${port}/`, 1);
    await settled(app, count);
  }
  assert.doesNotMatch(app.output.stdout, /back/);
});

test('threads whose main thread is not preloaded lead themselves; one that leads and ends has a successor', async (t) => {
  const execArgv = ['--import', '@x/gunicorn-otel/register'];
  const app = orchestra(t, { preload: 'none' });
  const [first, second] = [await app.thread({ execArgv }), await app.thread({ execArgv })];
  for (const { port } of [first, second]) await requests(`http://127.0.0.1:${port}/`, 4);
  await settled(app, 8);
  const [leader] = leaders(app);
  assert.ok(leader !== 0);
  app.tell('terminate', String(leader));
  const other = `0.${leader}` === first.id ? second : first;
  await until(() => leaders(app)[0] === Number(other.id.slice(2)), 'the other one leads');
  await requests(`http://127.0.0.1:${other.port}/`, 2);
  await until(() => app.output.stderr.match(/metrics of process/g)?.length === 2, 'the endpoint of the other');
  app.tell('tell', other.id.slice(2), 'exit', '0');
  await app.endOf(other.id);
  assert.equal(readdirSync(app.directory).length, 1);
});

test('a thread that is started with another environment, or a shared one, is of the group; without the preload it is nothing', async (t) => {
  const app = orchestra(t);
  const own = await app.thread({ env: { SHARD: '1' } });
  const shared = await app.thread('SHARE_ENV');
  const bare = await app.thread({ execArgv: [] });
  for (const { port } of [own, shared, bare]) await requests(`http://127.0.0.1:${port}/`, 3);
  await settled(app, 6);
  await areShown(app, [own.id, shared.id]);
  assert.deepEqual(leaders(app), [0]);
});

test('a hundred and twenty threads that each count one and end are counted, and leave no more than the newest', async (t) => {
  const app = start(t, [fixture('runs-tasks-in-threads.mjs'), '120']);
  const watch = watchTotals(t, app, { everyMs: 100 });
  await until(() => /^all done$/m.test(app.output.stdout), 'all tasks are done', 300_000);
  await until(async () => sum(await app.scrape(), 'tasks_total') === 120, 'all tasks are counted');
  await areReplaced(app, { quit: 116 });
  await watch.stop();
  // Its last scrape may be one that was begun before all were counted.
  const last = await app.scrape();
  assert.equal(sum(last, 'tasks_total', { even: 'true' }), 60);
  assert.equal(workerStates(last).size, 0);
  assert.ok(select(last, ENDED).length <= 100);
  const [group] = readdirSync(app.directory);
  const files = () => readdirSync(join(app.directory, group!));
  await until(
    () => files().filter((name) => name.endsWith('.snapshot')).length <= 101,
    () => `${files().length} files`,
  );
});

/** The threads that hold a lock, highest number first. */
function leaders({ directory }: Running): number[] {
  const groups = readdirSync(directory);
  return groups.flatMap((group) =>
    readdirSync(join(directory, group))
      .filter((name) => name.startsWith('leader-'))
      .map((name) => ({ name, lock: lockIn(join(directory, group, name)) }))
      .sort((a, b) => Number(b.name.slice(7)) - Number(a.name.slice(7)))
      .map(({ lock }) => lock),
  );
}

function lockIn(path: string): number {
  try {
    return (JSON.parse(readFileSync(path, 'utf8')) as { holder: { threadId: number } }).holder.threadId;
  } catch {
    return -1; // Being written, or deleted since.
  }
}
