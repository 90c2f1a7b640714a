/** Children on their own: their parent is gone, or has given them nothing of its environment. Nothing crashes. */
import assert from 'node:assert/strict';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { parseExposition, sum } from './exposition.ts';
import { startFamily } from './family.ts';
import { areLiving, countsExactly, inWords, leaderAt, listenersOn, watchEndpoint } from './one-endpoint.ts';
import { until } from './processes.ts';
import { COUNT, settled } from './request-count.ts';
import { request, requests } from './requests.ts';

// Long enough that a line per heartbeat, or per look at the leader, would be seen; nothing waits for it to be over.
const ALONE_MS = 1600;

// Most of their time they wait for processes.
describe('children on their own', { concurrency: 2 }, () => {
  for (const way of ['fork', 'detach'] as const) {
    for (const end of ['exit', 'SIGKILL'] as const) {
      it(`a parent that listens ends by ${end}: its group ends with it, its child (${way}) serves on in silence`, async (t) => {
        const family = await startFamily(t);
        const parentPort = await family.listen();
        const [childPort] = await family.children(way);
        await requests(`http://127.0.0.1:${parentPort}/`, 1);
        const [child] = await requests(`http://127.0.0.1:${childPort}/`, 1);
        await family.counts({ requests: 2, answers: 1 });
        assert.equal(await leaderAt(family.port), family.pid);
        if (end === 'exit') family.tell('exit');
        else family.child.kill('SIGKILL');
        await until(() => family.child.exitCode !== null || family.child.signalCode !== null, 'the end of the parent');

        await delay(ALONE_MS);
        assert.deepEqual(await requests(`http://127.0.0.1:${childPort}/`, 3), Array(3).fill(child));
        assert.deepEqual(listenersOn(family.port), [], 'the endpoint has ended with the group');
        assert.ok(family.output.stderr.trim().split('\n').length <= 2, family.output.stderr);
        process.kill(Number(child), 'SIGTERM');
        await family.ended();
        // What a killed parent leaves is cleared by the next start.
        if (end === 'exit') assert.deepEqual(readdirSync(family.directory), []);
      });
    }
  }

  it('a parent that only starts its children ends: theirs is a group that goes on', async (t) => {
    const family = await startFamily(t);
    const ports = await family.children('detach', 'detach');
    for (const port of ports) await requests(`http://127.0.0.1:${port}/`, 2);
    await countsExactly(family.endpoint, 4);
    family.tell('exit');
    await until(() => family.child.exitCode === 0, 'the end of the parent');
    const watch = await watchEndpoint(t, family.port);
    for (const port of ports) await requests(`http://127.0.0.1:${port}/`, 2);
    await countsExactly(family.endpoint, 8);
    const leader = await leaderAt(family.port);
    process.kill(leader, 'SIGKILL');
    await until(async () => (await leaderAt(family.port)) !== leader, 'another leader');
    await countsExactly(family.endpoint, 8);
    t.diagnostic(inWords(await watch.stop()));
  });

  it('whose parent has gone have their group back when somebody deletes its directory', async (t) => {
    const family = await startFamily(t);
    const [port] = await family.children('detach');
    await requests(`http://127.0.0.1:${port}/`, 2);
    await countsExactly(family.endpoint, 2);
    family.tell('exit');
    await until(() => family.child.exitCode === 0, 'the end of the parent');
    for (const group of readdirSync(family.directory)) rmSync(join(family.directory, group), { recursive: true });
    await requests(`http://127.0.0.1:${port}/`, 2);
    await countsExactly(family.endpoint, 4);
  });

  for (const [what, forked] of [
    ['a parent', {}],
    ['a parent that has forked cluster workers, too,', { GUNICORN_OTEL_WORKER_BIRTH: '1-1700000000-0' }],
  ] as const) {
    it(`with a service name the child of ${what} that is killed takes over the port and the totals`, async (t) => {
      const family = await startFamily(t, { env: { OTEL_SERVICE_NAME: 'till', ...forked } });
      const parentPort = await family.listen();
      const [childPort] = await family.children('detach');
      await requests(`http://127.0.0.1:${parentPort}/`, 2);
      const [child] = await requests(`http://127.0.0.1:${childPort}/`, 1);
      await family.counts({ requests: 3, answers: 1 });
      await areLiving(family.endpoint, 2);
      assert.equal(await leaderAt(family.port), family.pid);
      family.child.kill('SIGKILL');
      await until(() => family.child.signalCode, 'the end of the parent');
      await requests(`http://127.0.0.1:${childPort}/`, 1);
      await family.counts({ requests: 4, answers: 2 });
      assert.equal(await leaderAt(family.port), Number(child));
      await areLiving(family.endpoint, 1);
    });
  }

  it('a child that gets nothing of the environment but where to meet is a group of its own', async (t) => {
    const family = await startFamily(t, { env: { PROMETHEUS_METRICS_PORT: '0' } });
    await family.listen();
    const url = await family.metricsUrl();
    const [childPort] = await family.children('wipe');
    const [child] = await requests(`http://127.0.0.1:${childPort}/`, 3);
    const [, childUrl] = await family.says(new RegExp(`metrics of process ${child} .* at (http\\S+)`), 'stderr');
    assert.notEqual(childUrl, url);
    const scrape = async () => parseExposition((await request(childUrl!)).body);
    await settled({ scrape }, 3);
    assert.equal(sum(await family.scrape(), COUNT), 0);
    assert.equal(readdirSync(family.directory).length, 2);
  });
});
