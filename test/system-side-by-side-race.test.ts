/** Processes that begin at the same instant, and lose their leader at the same instant: never two leaders. */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { countsExactly, portsOf } from './one-endpoint.ts';
import { fixture, freshDirectory, type Running, start, until } from './processes.ts';
import { request } from './requests.ts';

const PROCESSES = 4;
const GROUPS_AT_ONCE = 5;
const SAYS_WHERE = /metrics of process (\d+) .* at http/g;

for (let batch = 1; batch <= 4; batch += 1) {
  test(`of four processes that begin at the same instant one leads, and one after it: ${GROUPS_AT_ONCE} times, ${batch} of 4`, async (t) => {
    const groups = await Promise.all(Array.from({ length: GROUPS_AT_ONCE }, () => startWaiting(t)));
    const leaders = await Promise.all(groups.map(begin));
    for (const { child } of leaders) child.kill('SIGKILL');
    for (const { ended } of leaders) await ended();
    await Promise.all(groups.map((group, index) => goOn(group.filter((each) => each !== leaders[index]))));
  });
}

async function startWaiting(t: TestContext): Promise<Running[]> {
  const directory = freshDirectory(t);
  const env = { OTEL_SERVICE_NAME: 'till' };
  const group = Array.from({ length: PROCESSES }, () =>
    start(t, [fixture('listens-when-told.mjs')], { env, directory, stdin: 'pipe' }),
  );
  for (const each of group) await each.says(/^waits$/m);
  return group;
}

async function begin(group: Running[]): Promise<Running> {
  for (const { child } of group) child.stdin!.write('\n');
  await serve(group);
  const leader = await onlyLeader(group);
  await countsExactly(leader, PROCESSES);
  return onlyLeader(group);
}

async function goOn(successors: Running[]): Promise<void> {
  const leader = await onlyLeader(successors);
  await countsExactly(leader, PROCESSES);
  await serve(successors);
  await countsExactly(leader, 2 * PROCESSES - 1);
  await onlyLeader(successors);
}

// One request for each.
async function serve(group: Running[]): Promise<void> {
  for (const port of await Promise.all(group.map(appPort))) await request(`http://127.0.0.1:${port}/`);
}

async function appPort(running: Running): Promise<number> {
  return Number((await running.says(/^ready on port (\d+)/m))[1]);
}

// By what they say, and by their sockets: each has one for the app, and one of them another.
async function onlyLeader(group: Running[]): Promise<Running> {
  const speakers = () => group.filter(({ output }) => output.stderr.match(SAYS_WHERE));
  await until(() => speakers().length > 0, 'a process that says where the metrics are');
  assert.equal(speakers().length, 1, group.map(({ output }) => output.stderr).join('\n'));
  const sockets = group.map(({ pid }) => portsOf(pid).length);
  assert.equal(
    sockets.reduce((a, b) => a + b),
    group.length + 1,
    `${sockets} sockets that listen`,
  );
  return speakers()[0]!;
}
