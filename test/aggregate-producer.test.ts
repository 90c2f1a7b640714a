/** Holds src/aggregate/producer.ts: one collection is one moment of the group, the primary no worker unless it serves. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { GroupProducer, isWorker, type Scene } from '../src/aggregate/producer.ts';
import { ResourceSampler } from '../src/aggregate/resources.ts';
import { GroupReader } from '../src/aggregate/workers.ts';
import { snapshotFile } from '../src/snapshot/directory.ts';
import { encodeSnapshot, type Role } from '../src/snapshot/layout.ts';
import { ownMark } from '../src/snapshot/process-mark.ts';
import { SeriesTable } from '../src/snapshot/series-table.ts';
import { IDENTITY } from './arbitrary-tables.ts';
import { freshDirectory } from './processes.ts';
import { measure, sceneOf, serve } from './scenes.ts';
import { deadMark } from './sleepers.ts';

describe('a collection', () => {
  it('hands the view the workers, their resources, the sums of all, and the time', async (t) => {
    const directory = freshDirectory(t);
    const write = (mark: typeof IDENTITY, role: Role, n: number) =>
      writeFileSync(
        join(directory, snapshotFile(mark, mark.threadId)),
        encodeSnapshot({ ...mark, role }, measure(new SeriesTable(), { name: 'jobs', cell: [n] }), 0),
      );
    write({ ...IDENTITY, ...ownMark(), workerId: 'own' }, 'primary', 1);
    write({ ...IDENTITY, ...ownMark(), threadId: 2, workerId: 'thread' }, 'thread', 10);
    write({ ...IDENTITY, ...(await deadMark(t)), workerId: 'dead' }, 'worker', 100);
    const scenes: Scene[] = [];
    const producer = new GroupProducer({
      reader: new GroupReader({ directory, exitedRetentionMs: 1e9 }),
      sampler: new ResourceSampler(async (pids) => Object.fromEntries(pids.map((pid) => [pid, { memory: 1, cpu: 2 }]))),
      startMs: 5,
      view: (scene) => {
        scenes.push(scene);
        return [];
      },
    });
    const before = Date.now();
    const { resourceMetrics, errors } = await producer.collect();
    const [scene] = scenes;
    assert.deepEqual(errors, []);
    assert.deepEqual(resourceMetrics.scopeMetrics[0]!.metrics, []);
    assert.ok(scene!.nowMs >= before - 5 && scene!.nowMs <= Date.now() + 5);
    assert.equal(scene!.startMs, 5);
    assert.deepEqual(scene!.workers.map(({ alive, snapshot }) => [snapshot.identity.workerId, alive]).sort(), [
      ['dead', false],
      ['thread', true],
    ]);
    assert.deepEqual([...scene!.resources], [[process.pid, { memoryBytes: 1, cpuPercent: 2 }]]);
    const [jobs] = scene!.merged.values();
    assert.deepEqual(
      [...jobs!.series.values()].map(({ values }) => values[0]),
      [111],
      'the primary counts as well',
    );
  });

  it('shows one moment to each of those readers that have waited for the same sampling', async (t) => {
    const directory = freshDirectory(t);
    const mark = { ...IDENTITY, ...ownMark() };
    let published = 0;
    // Each look at the group finds one more.
    const read = () => {
      published += 1;
      const table = measure(new SeriesTable(), { name: 'jobs', cell: [published] });
      measure(table, { name: 'depth', kind: 'updowncounter', cell: [published] });
      writeFileSync(join(directory, snapshotFile(mark, mark.threadId)), encodeSnapshot(mark, table, published));
    };
    const reader = new GroupReader({ directory, exitedRetentionMs: 1e9 });
    t.mock.method(reader, 'read', function (this: GroupReader) {
      read();
      return GroupReader.prototype.read.call(this);
    });
    let begin = () => {};
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    let go = () => {};
    const sampled = new Promise<void>((resolve) => {
      go = resolve;
    });
    const sampler = new ResourceSampler(async () => {
      begin();
      await sampled;
      return {};
    });
    const seen: (number | undefined)[][] = [];
    const view = ({ merged }: Scene) => {
      seen.push([...merged.values()].map(({ series }) => [...series.values()][0]?.values[0]));
      return [];
    };
    read();
    reader.read();
    const producer = new GroupProducer({ reader, sampler, startMs: 0, view });
    const all = [producer.seenBy(view).collect(), producer.collect(), producer.collect()];
    await begun;
    go();
    await Promise.all(all);
    assert.equal(seen.length, 3);
    for (const [jobs, depth] of seen) assert.equal(jobs, depth);
    assert.equal(new Set(seen.map(String)).size, 3);
  });

  it('fails as a whole when the view does, so that a scrape can say so', async (t) => {
    const producer = new GroupProducer({
      reader: new GroupReader({ directory: freshDirectory(t), exitedRetentionMs: 1 }),
      sampler: new ResourceSampler(async () => ({})),
      startMs: 0,
      view: () => {
        throw new Error('broken view');
      },
    });
    await assert.rejects(producer.collect(), /broken view/);
  });
});

describe('a worker', () => {
  it('is every member but a primary that has served nothing', () => {
    const is = (role: Role, table: SeriesTable) => isWorker(sceneOf([{ role, table }]).workers[0]!);
    for (const role of ['single', 'worker', 'child', 'thread'] as const) assert.ok(is(role, serve([])), role);
    assert.ok(!is('primary', serve([])));
    assert.ok(is('primary', serve([{}])));
    const histogram = { name: 'wait', kind: 'histogram', bounds: [[1]], cell: [1, 1, 0] } as const;
    assert.ok(!is('primary', measure(serve([]), histogram)), "the app's own histograms make no worker");
  });
});
