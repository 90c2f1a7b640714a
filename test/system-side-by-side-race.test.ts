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
    for (const group of groups) {
      for (const { child } of group) child.stdin!.write('\n');
      const ports = await Promise.all(group.map(appPort));
      for (const port of ports) await request(`http://127.0.0.1:${port}/`);
      await countsExactly(await onlyLeader(group, 1), PROCESSES);
    }

    const leaders = await Promise.all(groups.map((group) => onlyLeader(group, 1)));
    for (const { child } of leaders) child.kill('SIGKILL');
    for (const { ended } of leaders) await ended();
    for (const [index, group] of groups.entries()) {
      const successors = group.filter((each) => each !== leaders[index]);
      const leader = await onlyLeader(successors, 1);
      await countsExactly(leader, PROCESSES);
      for (const each of successors) await request(`http://127.0.0.1:${await appPort(each)}/`);
      await countsExactly(leader, 2 * PROCESSES - 1);
      await onlyLeader(successors, 1);
    }
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

async function appPort(running: Running): Promise<number> {
  return Number((await running.says(/^ready on port (\d+)/m))[1]);
}

// By what they say, and by their sockets: each has one for the app, and one of them another.
async function onlyLeader(group: Running[], count: number): Promise<Running> {
  const speakers = () => group.filter(({ output }) => output.stderr.match(SAYS_WHERE));
  await until(() => speakers().length >= count, 'a process that says where the metrics are');
  assert.equal(speakers().length, count, group.map(({ output }) => output.stderr).join('\n'));
  const sockets = group.map(({ pid }) => portsOf(pid).length);
  assert.equal(
    sockets.reduce((a, b) => a + b),
    group.length + count,
    `${sockets} sockets that listen`,
  );
  return speakers()[0]!;
}
