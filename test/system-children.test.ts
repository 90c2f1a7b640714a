/** Children that serve, below a parent that does not, or does, however they were started: one group, one endpoint. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { describe, it } from 'node:test';
import { type Family, startFamily } from './family.ts';
import { areLiving, countsExactly, endpointAt, inWords, leaderAt, watchEndpoint } from './one-endpoint.ts';
import { fixture, freePort, type Preload, start, until } from './processes.ts';
import { requests } from './requests.ts';

const APP = fixture('counts-its-answers.mjs');
const WAYS: readonly (readonly [way: string, preload: Preload])[] = [
  ['fork', '--import'],
  ['fork', 'NODE_OPTIONS=--require'],
  ['spawn', '--import'],
  ['exec', '--import'],
];

// Most of their time they wait for processes.
describe('children', { concurrency: 2 }, () => {
  for (const [way, preload] of WAYS) {
    it(`a parent (${preload}) that serves nothing starts three children by ${way}: one endpoint, exact sums, no leftovers`, async (t) => {
      const family = await startFamily(t, { preload });
      const pids: string[] = [];
      for (const port of await family.children(way, way, way)) {
        pids.push(...(await requests(`http://127.0.0.1:${port}/`, 3)));
      }
      assert.equal(new Set(pids).size, 3);
      await countsExactly(family.endpoint, 9);
      await areLiving(family.endpoint, 3);
      assert.ok(pids.includes(String(await leaderAt(family.port))), 'a child leads');
      const groups = readdirSync(family.directory);
      assert.equal(groups.length, 1, `${groups}`);
      assert.match(groups[0]!, new RegExp(`^${family.pid}-.*-${family.port}$`), 'it has the name of the parent');
      await end(family, pids);
    });
  }

  it('the leader among the children is killed: another takes over, the totals go on', async (t) => {
    const family = await startFamily(t);
    const ports = await family.children('fork', 'spawn', 'fork');
    for (const port of ports) await requests(`http://127.0.0.1:${port}/`, 2);
    await countsExactly(family.endpoint, 6);
    const watch = await watchEndpoint(t, family.port);
    for (let left = 2; left > 0; left -= 1) {
      const leader = await leaderAt(family.port);
      process.kill(leader, 'SIGKILL');
      await until(async () => (await leaderAt(family.port)) !== leader, 'another leader');
      await countsExactly(family.endpoint, 6);
      await areLiving(family.endpoint, left);
    }
    t.diagnostic(inWords(await watch.stop()));
  });

  for (const between of [1, 3]) {
    it(`children below ${between} more processes that serve nothing are one group`, async (t) => {
      const port = await freePort();
      const env = { PROMETHEUS_METRICS_PORT: String(port) };
      const top = start(t, [fixture('forks-through-others.mjs'), APP, String(between)], { env });
      const ports = await until(() => {
        const found = [...top.output.stdout.matchAll(/^ready on port (\d+)$/gm)].map(([, number]) => Number(number));
        return found.length === 2 && found;
      }, 'two children that listen');
      for (const each of ports) await requests(`http://127.0.0.1:${each}/`, 2);
      await countsExactly(endpointAt(port), 4);
      await areLiving(endpointAt(port), 2);
      assert.equal(readdirSync(top.directory).length, 1);
    });
  }

  for (const [order, lines] of [
    ['before', ['listen', 'fork', 'spawn']],
    ['after', ['fork', 'spawn', 'listen']],
    ['between', ['fork', 'listen', 'spawn']],
  ] as const) {
    it(`a parent that listens ${order} its children is one of them: one endpoint, exact sums`, async (t) => {
      const family = await startFamily(t);
      const ports: number[] = [];
      for (const line of lines) {
        ports.push(...(line === 'listen' ? [await family.listen()] : await family.children(line)));
        // Whoever is there first leads.
        await leaderAt(family.port);
      }
      for (const port of ports) await requests(`http://127.0.0.1:${port}/`, 2);
      // The parent has no counter of its own.
      await family.counts({ requests: 6, answers: 4 });
      await areLiving(family.endpoint, 3);
      assert.equal(readdirSync(family.directory).length, 1);
    });
  }
});

async function end(family: Family, pids: string[]): Promise<void> {
  for (const pid of new Set(pids)) process.kill(Number(pid), 'SIGTERM');
  await until(() => [...new Set(pids)].every((pid) => !isAlive(Number(pid))), 'the end of the children');
  family.tell('exit');
  await family.ended();
  assert.deepEqual(readdirSync(family.directory), []);
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
