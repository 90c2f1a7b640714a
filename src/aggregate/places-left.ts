/** Which series have a place of their own, put down so that it comes into the totals: the next reader takes it from there. */
import { snapshotFile } from '../snapshot/directory.ts';
import { decodeSnapshot, encodeSnapshot, type Identity } from '../snapshot/layout.ts';
import { type Merged, OVERFLOW_KEY, type Sums, toTable } from './merge.ts';
import type { Left } from './totals.ts';

// No process has this number.
const NOBODY: Identity = {
  role: 'totals',
  workerId: '',
  pid: 0,
  processStart: 0,
  threadId: 0,
  startSeconds: 0,
  version: '',
};

/** The named series of some metrics, with nothing counted in them, as of a dead member. @param metrics - their keys */
export function placesLeft(merged: Merged, metrics: Iterable<string>, nowMonotonicMs: number): Left {
  const empty = new Map<string, Sums>();
  for (const key of metrics) {
    const { descriptor, series } = merged.get(key) ?? {};
    if (!descriptor || !series) continue;
    const named = [...series].filter(([name]) => name !== OVERFLOW_KEY);
    const cells = named.map(([name, { attributes, values }]) => {
      return [name, { attributes, values: new Float64Array(values.length) }] as const;
    });
    empty.set(key, { descriptor, series: new Map(cells) });
  }
  const snapshot = decodeSnapshot(encodeSnapshot(NOBODY, toTable(empty), nowMonotonicMs));
  return { snapshot, alive: false, file: snapshotFile(NOBODY, 0) };
}
