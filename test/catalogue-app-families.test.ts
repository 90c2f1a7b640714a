/** Holds src/catalogue/app-families.ts: one family per name, one sample per label set, whatever the app registers. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Merger } from '../src/aggregate/merge.ts';
import { SeriesPlaces } from '../src/aggregate/series-places.ts';
import { appFamilies } from '../src/catalogue/app-families.ts';
import { METRICS } from '../src/catalogue/metrics.ts';
import { project } from '../src/catalogue/views.ts';
import { OWN_SCOPE } from '../src/snapshot/own-metrics.ts';
import { SeriesTable } from '../src/snapshot/series-table.ts';
import { recordings, tableOf } from './arbitrary-tables.ts';
import { parseExposition, select, sum } from './exposition.ts';
import { EXPORTER, measure, render, sceneOf, textOf, VIEW_OPTIONS } from './scenes.ts';

describe("the app's metrics", () => {
  it('are summed over all processes: counters and histograms of the dead too, up-down counters of the living', async () => {
    const table = (n: number) => {
      const table = new SeriesTable();
      measure(table, { name: 'jobs', unit: '{job}', cell: [n], attributes: { queue: 'q' } });
      measure(table, { name: 'wait', unit: 's', kind: 'histogram', bounds: [[1, 2]], cell: [n, n, 0, n] });
      return measure(table, { name: 'depth', kind: 'updowncounter', cell: [n] });
    };
    const samples = await samplesOf([{ table: table(1) }, { table: table(10) }, { table: table(100), alive: false }]);
    assert.equal(sum(samples, 'jobs_total', { queue: 'q' }), 111);
    assert.equal(sum(samples, 'depth'), 11);
    assert.equal(sum(samples, 'wait_seconds_sum'), 111);
    const buckets = select(samples, 'wait_seconds_bucket').map(({ labels, value }) => [labels['le'], value]);
    assert.deepEqual(buckets, [
      ['1', 111],
      ['2', 111],
      ['+Inf', 222],
    ]);
  });

  it('that are histograms whose buckets were changed in a reload are one histogram, none of their values lost', async () => {
    const table = (bounds: number[], cell: number[]) =>
      measure(new SeriesTable(), { name: 'wait', unit: 's', kind: 'histogram', bounds: [bounds], cell });
    const samples = await samplesOf([
      { table: table([1, 2], [5, 3, 1, 1]), alive: false },
      { table: table([0.5, 2, 9], [7, 1, 1, 1, 0]) },
    ]);
    assert.equal(sum(samples, 'wait_seconds_sum'), 12);
    const buckets = select(samples, 'wait_seconds_bucket').map(({ labels, value }) => [labels['le'], value]);
    assert.deepEqual(buckets, [
      ['1', 4],
      ['2', 6],
      ['+Inf', 8],
    ]);
    assert.deepEqual(select(samples, 'gunicorn_exporter_conflicts'), []);
  });

  it('that are gauges have one sample per living process, once they were set', async () => {
    const table = (...cell: number[]) => measure(new SeriesTable(), { name: 'level', kind: 'gauge', cell });
    const samples = await samplesOf([
      { table: table(5, 1), workerId: 'w1' },
      { table: table(0, 1), workerId: 'w2' },
      { table: table(9, 0), workerId: 'never-set' },
      { table: table(7, 1), workerId: 'dead', alive: false },
    ]);
    assert.deepEqual(
      select(samples, 'level').map(({ labels, value }) => [labels, value]),
      [
        [{ worker_id: 'w1' }, 5],
        [{ worker_id: 'w2' }, 0],
      ],
    );
  });

  it('are the same whatever was shown of the group before', () => {
    const group = fc.array(recordings, { minLength: 1, maxLength: 3 });
    const shown = (scene: ReturnType<typeof sceneOf>) =>
      appFamilies(scene, new Set()).families.map(({ points, ...family }) => {
        const lines = Array.from(points, ({ labels, value }) => {
          const told = typeof value === 'number' ? value : [...value.cell, 'in', ...value.bounds];
          return JSON.stringify([Object.entries(labels).sort(), told]);
        });
        assert.equal(lines.length, points.length);
        return { ...family, lines: lines.sort() };
      });
    fc.assert(
      fc.property(fc.array(group, { minLength: 2, maxLength: 4 }), (times) => {
        const merger = new Merger();
        for (const tables of times) {
          const scene = sceneOf(tables.map((recorded) => ({ table: tableOf(recorded) })));
          const merged = merger.merge(scene.members, new SeriesPlaces());
          assert.deepEqual(shown({ ...scene, merged }), shown(scene));
        }
      }),
    );
  });

  it('of which two are one for Prometheus are added anew with each scrape', () => {
    const merger = new Merger();
    const shown = (n: number) => {
      const table = new SeriesTable();
      for (const code of [200, '200']) measure(table, { name: 'answers', cell: [n], attributes: { code } });
      const scene = sceneOf([{ table }]);
      const merged = merger.merge(scene.members, new SeriesPlaces());
      const [family] = appFamilies({ ...scene, merged }, new Set()).families;
      return Array.from(family!.points, ({ value }) => value);
    };
    assert.deepEqual([shown(1), shown(10)], [[2], [20]]);
  });

  it('that are histograms are in the buckets of the first that has the name, be it without any series yet', () => {
    const table = new SeriesTable();
    const histogram = { name: 'wait', description: '', unit: 's', kind: 'histogram', scope: 'app' } as const;
    table.define({ ...histogram, bounds: [[2]] });
    measure(table, { ...histogram, bounds: [[1, 2]], cell: [9, 1, 2, 3] });
    const [family] = appFamilies(sceneOf([{ table }]), new Set()).families;
    const [value] = Array.from(family!.points, (point) => point.value);
    assert.deepEqual(value, { cell: Float64Array.of(9, 3, 3), bounds: [2] });
  });

  it('come in the order of their names, with their description as the help', async () => {
    const table = new SeriesTable();
    measure(table, { name: 'zebra', cell: [1] });
    measure(table, { name: 'ape', description: 'Apes\nseen.', cell: [1] });
    const { families } = appFamilies(sceneOf([{ table }]), new Set());
    assert.deepEqual(
      families.map(({ name, help }) => [name, help]),
      [
        ['ape_total', 'Apes\nseen.'],
        ['zebra_total', 'zebra_total'],
      ],
    );
    assert.match(await textOf(sceneOf([{ table }])), /^# HELP ape_total Apes\\nseen\.$/m);
  });
});

describe('two metrics that would have one name', () => {
  it('are told apart by who came first, and the other one is shown as a conflict', async () => {
    const table = new SeriesTable();
    measure(table, { name: 'a.b', cell: [1] });
    measure(table, { name: 'a_b', cell: [2] });
    measure(table, { name: 'a_b', unit: '{x}', cell: [4] });
    const samples = await samplesOf([{ table }]);
    assert.deepEqual(
      select(samples, 'a_b_total').map(({ value }) => value),
      [1],
    );
    assert.deepEqual(
      select(samples, 'gunicorn_exporter_conflicts').map(({ labels }) => labels),
      [{ metric: 'a_b_total' }],
    );
  });

  it('in two processes are told apart by who came first, in any kind or unit, whatever becomes of them', async () => {
    const others = [
      { name: 'level', kind: 'gauge', cell: [77, 1] },
      { name: 'level', kind: 'histogram', bounds: [[1]], cell: [77, 1, 0] },
      { name: 'level', kind: 'updowncounter', unit: '{x}', cell: [77] },
    ] as const;
    for (const other of others) {
      const first = measure(new SeriesTable(), { name: 'level', kind: 'updowncounter', cell: [5] });
      const table = measure(new SeriesTable(), other);
      for (const alive of [true, false]) {
        const samples = await samplesOf([{ table: first }, { table, alive }]);
        assert.deepEqual(
          select(samples, 'level').map(({ value }) => value),
          [5],
        );
        if (alive) assert.equal(select(samples, 'gunicorn_exporter_conflicts', { metric: 'level' }).length, 1);
      }
    }
  });

  it('and differ in their descriptions only are one, with the first description', async () => {
    const members = ['First.', 'Second, and longer.'].map((description) => ({
      table: measure(new SeriesTable(), { name: 'jobs', description, cell: [2] }),
    }));
    const text = await textOf(sceneOf(members));
    assert.equal(sum(parseExposition(text), 'jobs_total'), 4);
    assert.match(text, /^# HELP jobs_total First\.$/m);
  });

  it('are a conflict also when one of them is documented', async () => {
    for (const { name } of METRICS) {
      const table = measure(new SeriesTable(), { name, kind: 'updowncounter', cell: [123456] });
      const samples = await samplesOf([{ table }]);
      assert.ok(samples.every(({ value }) => value !== 123456));
      assert.equal(select(samples, 'gunicorn_exporter_conflicts', { metric: name }).length, 1, name);
    }
  });

  it('are a conflict also when one of them is target_info', async () => {
    const table = measure(new SeriesTable(), { name: 'target.info', kind: 'updowncounter', cell: [5] });
    const text = await textOf(sceneOf([{ table }]));
    assert.equal(text.match(/^# TYPE target_info /gm)!.length, 1);
  });

  it('are a conflict also when they differ in a colon only, which the serializer replaces', async () => {
    const table = new SeriesTable();
    measure(table, { name: 'a:b', cell: [1] });
    measure(table, { name: 'a.b', cell: [2] });
    const text = await textOf(sceneOf([{ table }]));
    assert.equal(text.match(/^# TYPE a_b_total /gm)!.length, 1);
  });

  it('are a conflict also when one of them is a sample of a histogram', async () => {
    const histogram = { name: 'wait', kind: 'histogram', bounds: [[1]], cell: [1, 1, 0] } as const;
    for (const order of [0, 1]) {
      const table = new SeriesTable();
      if (order === 0) measure(table, histogram);
      measure(table, { name: 'wait.count', kind: 'updowncounter', cell: [77] });
      if (order === 1) measure(table, histogram);
      await samplesOf([{ table }]);
    }
  });
});

describe('two series that would have the same labels', () => {
  it('because a value is text in one and a number in the other are added', async () => {
    const table = new SeriesTable();
    const metric = table.define({ name: 'replies', description: '', unit: '', kind: 'counter', scope: 'app' });
    const cells = [200, '200'].map((status) => table.add(metric, { status }));
    for (const [i, cell] of cells.entries()) table.values[cell] = i + 1;
    const samples = await samplesOf([{ table }]);
    assert.deepEqual(
      select(samples, 'replies_total').map(({ value }) => value),
      [3],
    );
  });

  it('are added as often as somebody looks, and the sums that they are made of stay what they were', async () => {
    const table = new SeriesTable();
    for (const status of [200, '200']) {
      measure(table, { name: 'jobs', attributes: { status }, cell: [0.1] });
      measure(table, { name: 'wait', kind: 'histogram', bounds: [[1]], attributes: { status }, cell: [0.1, 1, 0] });
    }
    const scene = sceneOf([{ table }, { table }]);
    const first = await textOf(scene);
    assert.match(first, /jobs_total\{status="200"\} 0\.4\n/);
    assert.equal(await textOf(scene), first);
  });

  it('because their attributes differ in a dot only are added, bucket by bucket', async () => {
    const table = new SeriesTable();
    const descriptor = {
      name: 'wait',
      description: '',
      unit: 's',
      kind: 'histogram',
      scope: 'app',
      bounds: [[1]],
    } as const;
    const metric = table.define(descriptor);
    for (const attributes of [{ 'a.b': 'x' }, { a_b: 'x' }]) {
      const cell = table.add(metric, attributes);
      table.values.set([0.5, 1, 0], cell);
    }
    const samples = await samplesOf([{ table }]);
    assert.deepEqual(
      select(samples, 'wait_seconds_count').map(({ value }) => value),
      [2],
    );
  });

  it('because UTF-8 cannot tell their values apart are added', async () => {
    const table = new SeriesTable();
    const metric = table.define({ name: 'replies', description: '', unit: '', kind: 'counter', scope: 'app' });
    for (const half of ['\ud800', '\ud801', '\udfff']) table.values[table.add(metric, { half })] = 1;
    const samples = await samplesOf([{ table }]);
    assert.deepEqual(
      select(samples, 'replies_total').map(({ labels, value }) => [labels, value]),
      [[{ half: '\ufffd' }, 3]],
    );
  });

  it('because two libraries have a gauge of the same name are one sample', async () => {
    const table = new SeriesTable();
    for (const scope of ['one', 'other']) measure(table, { name: 'level', kind: 'gauge', scope, cell: [5, 1] });
    assert.equal(select(await samplesOf([{ table }]), 'level').length, 1);
  });
});

describe('whatever an app records', () => {
  it('is shown as families that Prometheus accepts, each once, each sample once', async () => {
    const groups = fc.array(fc.record({ recorded: recordings, alive: fc.boolean() }), { maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(groups, async (group) => {
        const members = group.map(({ recorded, alive }) => {
          // What has our scope is not the app's, and only request cells hold more than one histogram.
          const apps = recorded.filter(({ descriptor: { scope, bounds } }) => {
            return scope !== OWN_SCOPE && (bounds?.length ?? 1) === 1;
          });
          return { table: tableOf(apps), alive };
        });
        const scene = sceneOf(members);
        const text = await textOf(scene);
        parseExposition(text);
        // One by one they are what they are as arrays.
        assert.equal(await render(project(scene, EXPORTER, VIEW_OPTIONS, 'passing')), text);
        const types = text.match(/^# TYPE \S+/gm)!;
        assert.equal(new Set(types).size, types.length);
      }),
    );
  });
});

async function samplesOf(members: Parameters<typeof sceneOf>[0]) {
  return parseExposition(await textOf(sceneOf(members)));
}
