/** Holds src/catalogue/gauge-modes.ts, through whole scrapes: what the gauges of several processes become. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { appFamilies } from '../src/catalogue/app-families.ts';
import { project } from '../src/catalogue/views.ts';
import { SeriesTable } from '../src/snapshot/series-table.ts';
import { parseExposition, select } from './exposition.ts';
import { EXPORTER, measure, render, sceneOf, VIEW_OPTIONS } from './scenes.ts';

interface Gauge {
  readonly value: number;
  /** 0: never set. */
  readonly setAtMs: number;
  readonly alive: boolean;
}

const GAUGES: readonly Gauge[] = [
  { value: 5, setAtMs: 30, alive: true },
  { value: 2, setAtMs: 20, alive: true },
  { value: 9, setAtMs: 10, alive: true },
  { value: 1, setAtMs: 40, alive: false },
  { value: 20, setAtMs: 5, alive: false },
  { value: 100, setAtMs: 0, alive: true },
];

describe('the gauges of several processes', () => {
  for (const [mode, expected] of Object.entries({
    all: ['w0 5', 'w1 2', 'w2 9', 'w3 1', 'w4 20'],
    liveall: ['w0 5', 'w1 2', 'w2 9'],
    min: ['- 1'],
    livemin: ['- 2'],
    max: ['- 20'],
    livemax: ['- 9'],
    sum: ['- 37'],
    livesum: ['- 16'],
    mostrecent: ['- 1'],
    livemostrecent: ['- 5'],
  })) {
    it(`are in mode ${mode} ${expected.length > 1 ? 'one each' : 'one for all'}, of those that were set`, async () => {
      assert.deepEqual(await shown(GAUGES, { level: mode }), expected);
      assert.deepEqual(await shown(GAUGES, { '*': mode, other: 'all' }), expected);
    });
  }

  it('that are NaN have no part in what the others come to, and are NaN where there are no others', async () => {
    const unknown = { value: Number.NaN, setAtMs: 50, alive: true };
    const expected = { livemin: '- 2', livemax: '- 9', livesum: '- 16', livemostrecent: '- NaN' };
    for (const [mode, one] of Object.entries(expected)) {
      for (const at of [0, 1, 3]) {
        assert.deepEqual(await shown(GAUGES.toSpliced(at, 0, unknown), { level: mode }), [one], `${mode}, at ${at}`);
      }
      assert.deepEqual(await shown([unknown, unknown], { level: mode }), ['- NaN'], mode);
    }
    assert.deepEqual(await shown([unknown, GAUGES[0]!], { level: 'liveall' }), ['w0 NaN', 'w1 5']);
  });

  it('are an amount, which groups may be added by, in the modes that add', async () => {
    for (const mode of ['all', 'livemax', 'mostrecent', 'sum', 'livesum']) {
      const table = new SeriesTable();
      measure(table, { name: 'level', kind: 'gauge', cell: [5, 30] });
      const { families } = appFamilies(sceneOf([{ table }]), [], { level: mode });
      assert.equal(families[0]!.additive, mode.endsWith('sum'), mode);
    }
  });

  it('that are infinite are shown so', async () => {
    const infinite = { value: Number.POSITIVE_INFINITY, setAtMs: 50, alive: true };
    const expected = { livemin: '- 2', livemax: '- Infinity', livesum: '- Infinity', livemostrecent: '- Infinity' };
    for (const [mode, one] of Object.entries(expected)) {
      assert.deepEqual(await shown([...GAUGES, infinite], { level: mode }), [one], mode);
    }
  });

  it('that were set in the same millisecond are the greater one, in any order', async () => {
    const tied = [3, 9, Number.NaN, 5].map((value) => ({ value, setAtMs: 30, alive: true }));
    for (const order of [tied, tied.toReversed(), [...tied.slice(2), ...tied.slice(0, 2)]]) {
      assert.deepEqual(await shown(order, { level: 'livemostrecent' }), ['- 9']);
    }
  });

  it('have the mode of their own name before that of all others, and liveall without either', async () => {
    assert.deepEqual(await shown(GAUGES, { level: 'livemax', '*': 'livemin' }), ['- 9']);
    assert.deepEqual(await shown(GAUGES, { other: 'livemin' }), ['w0 5', 'w1 2', 'w2 9']);
  });

  it('have no mode because of what their name means in JavaScript', async () => {
    for (const name of ['constructor', 'toString', 'hasOwnProperty']) {
      const value = await shown(GAUGES.slice(0, 1), {}, name);
      assert.deepEqual(value, ['w0 5'], name);
      assert.deepEqual(await shown(GAUGES, { '*': 'livemin' }, name), ['- 2'], name);
    }
  });

  it('are told apart by their attributes in every mode', async () => {
    const table = new SeriesTable();
    for (const [pool, value] of [
      ['a', 1],
      ['b', 2],
    ] as const) {
      measure(table, { name: 'level', kind: 'gauge', attributes: { pool }, cell: [value, 1] });
    }
    const scene = sceneOf([
      { table, workerId: 'w0' },
      { table, workerId: 'w1' },
    ]);
    const samples = parseExposition(
      await render(project(scene, EXPORTER, { ...VIEW_OPTIONS, gaugeModes: { level: 'sum' } })),
    );
    assert.deepEqual(
      select(samples, 'level').map(({ labels, value }) => [labels, value]),
      [
        [{ pool: 'a' }, 2],
        [{ pool: 'b' }, 4],
      ],
    );
  });

  it('are the same in any order of the processes, where they are one, and what they should be', async () => {
    const gauge = fc.record({
      value: fc.integer({ min: -1000, max: 1000 }),
      setAtMs: fc.integer({ min: 1, max: 5 }),
      alive: fc.boolean(),
    });
    const orders = fc
      .array(gauge, { minLength: 1, maxLength: 6 })
      .chain((all) => fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length })));
    const combine: Record<string, (values: number[]) => number> = {
      min: (values) => Math.min(...values),
      max: (values) => Math.max(...values),
      sum: (values) => values.reduce((a, b) => a + b, 0),
    };
    await fc.assert(
      fc.asyncProperty(
        orders,
        fc.constantFrom(...Object.keys(combine)),
        fc.boolean(),
        async ([all, other], name, live) => {
          const values = all.filter(({ alive }) => alive || !live).map(({ value }) => value);
          const expected = values.length === 0 ? [] : [`- ${combine[name]!(values)}`];
          const modes = { level: live ? `live${name}` : name };
          assert.deepEqual(await shown(all, modes), expected);
          assert.deepEqual(await shown(other, modes), expected);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('change no snapshot that they were made from', async () => {
    const scene = sceneOf(GAUGES.map(({ value, setAtMs }) => ({ table: tableOf('level', value, setAtMs) })));
    const before = scene.members.map(({ snapshot }) => [...snapshot.values]);
    for (const mode of ['sum', 'min', 'mostrecent']) {
      project(scene, EXPORTER, { ...VIEW_OPTIONS, gaugeModes: { level: mode } });
    }
    assert.deepEqual(
      scene.members.map(({ snapshot }) => [...snapshot.values]),
      before,
    );
  });
});

function tableOf(name: string, value: number, setAtMs: number): SeriesTable {
  return measure(new SeriesTable(), { name, kind: 'gauge', cell: [value, setAtMs] });
}

// Each sample as its worker, `-` without one, and its value.
async function shown(gauges: readonly Gauge[], gaugeModes: Record<string, string>, name = 'level'): Promise<string[]> {
  const members = gauges.map(({ value, setAtMs, alive }, i) => ({
    table: tableOf(name, value, setAtMs),
    alive,
    workerId: `w${i}`,
  }));
  const text = await render(project(sceneOf(members), EXPORTER, { ...VIEW_OPTIONS, gaugeModes }));
  return select(parseExposition(text), name).map(({ labels, value }) => `${labels['worker_id'] ?? '-'} ${value}`);
}
