/** Holds src/aggregate/resources.ts: memory and CPU are read for all at once, seldom enough, and failing costs no scrape. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import pidusage from 'pidusage';
import { ResourceSampler } from '../src/aggregate/resources.ts';
import { setLogLevel } from '../src/report.ts';
import { type ProcessMark, pidNamespace } from '../src/snapshot/process-mark.ts';

setLogLevel('none');

type Usage = ConstructorParameters<typeof ResourceSampler>[0];

describe('a sample', () => {
  it('has memory and CPU of every living process, and none of one that is gone', async () => {
    const { sampler, asked } = fake(async (pids) =>
      Object.fromEntries(pids.map((pid) => [pid, pid === 3 ? null : { memory: pid * 100, cpu: pid }])),
    );
    const usage = await sampler.sample(marks(1, 2, 3), 5000);
    assert.deepEqual(
      [...usage],
      [
        [1, { memoryBytes: 100, cpuPercent: 1 }],
        [2, { memoryBytes: 200, cpuPercent: 2 }],
      ],
    );
    assert.deepEqual(asked, [[1, 2, 3]]);
  });

  it('asks once for a process with several threads', async () => {
    const { sampler, asked } = fake();
    await sampler.sample(marks(7, 7, 7), 5000);
    assert.deepEqual(asked, [[7]]);
  });

  it('is shared for a second, except by who is new in it', async () => {
    const { sampler, asked } = fake();
    await sampler.sample(marks(1, 2), 5000);
    const shared = await sampler.sample(marks(1, 2, 3), 5999);
    assert.deepEqual([...shared.keys()], [1, 2, 3]);
    await sampler.sample(marks(1, 3), 6000);
    assert.deepEqual(asked, [[1, 2], [3], [1, 3]]);
  });

  it('remembers nobody who is gone', async () => {
    const { sampler } = fake();
    await sampler.sample(marks(1, 2), 5000);
    assert.deepEqual([...(await sampler.sample(marks(2), 7000)).keys()], [2]);
  });

  it('asks nothing when nobody lives', async () => {
    const { sampler, asked } = fake();
    assert.equal((await sampler.sample(marks(), 5000)).size, 0);
    assert.deepEqual(asked, []);
  });

  it('that fails is empty instead of old, and does not keep the next one from working', async () => {
    let works = true;
    const { sampler } = fake(async (pids) => {
      if (!works) throw new Error('no /proc');
      return Object.fromEntries(pids.map((pid) => [pid, { memory: 1, cpu: 1 }]));
    });
    await sampler.sample(marks(1), 5000);
    works = false;
    assert.equal((await sampler.sample(marks(1), 7000)).size, 0);
    works = true;
    assert.equal((await sampler.sample(marks(1), 7001)).size, 1);
  });

  it('is not taken of a pid that another process had a moment ago, until pidusage has forgotten that one', async () => {
    const { sampler, asked } = fake();
    const [before, after] = [1, 2].map((processStart) => ({ pid: 7, processStart })) as [ProcessMark, ProcessMark];
    assert.equal((await sampler.sample([before], 5000)).size, 1);
    assert.equal((await sampler.sample([after], 5001)).size, 0, 'nor is the sample of the other one its own');
    assert.equal((await sampler.sample([after], 50_000)).size, 0);
    assert.deepEqual(asked, [[7]]);
    assert.equal((await sampler.sample([after], 55_001)).size, 1);
    assert.equal((await sampler.sample([after], 57_000)).size, 1);
    assert.equal((await sampler.sample([{ pid: 7, processStart: 3 }], 58_000)).size, 0);
  });

  it('is not taken of a process of another pid namespace, whose pid is somebody else here', async () => {
    const { sampler, asked } = fake();
    const foreign = { pid: 7, processStart: 1, namespace: pidNamespace() + 1 };
    assert.equal((await sampler.sample([foreign], 5000)).size, 0);
    assert.deepEqual(asked, []);
  });

  it('that hangs keeps no scrape waiting: what was known before is given', { timeout: 10_000 }, async (t) => {
    // Its patience does not keep a process alive; the exporter's thread has its ticker.
    const ticker = setInterval(() => {}, 1000);
    t.after(() => clearInterval(ticker));
    let hang = false;
    const { sampler } = fake((pids) =>
      hang
        ? new Promise(() => {})
        : Promise.resolve(Object.fromEntries(pids.map((pid) => [pid, { memory: 5, cpu: 1 }]))),
    );
    await sampler.sample(marks(1), 5000);
    hang = true;
    const known = await sampler.soon(marks(1));
    assert.deepEqual(known.get(1), { memoryBytes: 5, cpuPercent: 1 });
  });

  it('of this process by the real pidusage is in bytes and percent', async () => {
    const sampler = new ResourceSampler(pidusage as unknown as Usage);
    const usage = (await sampler.sample(marks(process.pid))).get(process.pid)!;
    const { rss } = process.memoryUsage();
    assert.ok(usage.memoryBytes > rss / 3 && usage.memoryBytes < rss * 3, `${usage.memoryBytes} of ${rss}`);
    assert.ok(usage.cpuPercent >= 0 && usage.cpuPercent < 10_000);
  });
});

function marks(...pids: number[]): ProcessMark[] {
  return pids.map((pid) => ({ pid, processStart: 1 }));
}

function fake(usage: Usage = async (pids) => Object.fromEntries(pids.map((pid) => [pid, { memory: pid, cpu: 0 }]))) {
  const asked: number[][] = [];
  const sampler = new ResourceSampler((pids, options) => {
    asked.push(pids);
    return usage(pids, options);
  });
  return { sampler, asked };
}
