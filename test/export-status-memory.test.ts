/** What looks at a status take of the exporter's memory: bounded while somebody looks, nothing a minute later. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Counts } from '../src/export/status-load.ts';
import { StatusWindow } from '../src/export/status-window.ts';

// As many as a status shows, in the default buckets.
const LOADS = 1001;
const BUCKETS = 17;
const LOOKS = 300;
// Ten viewers.
const EVERY_MS = 100;
const KEPT_BYTES = 4e6;
const NOTHING_BYTES = 4e5;

test('three hundred looks at 500 workers and 500 routes hold a few megabytes, which a minute later are given back', (t) => {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  const usedBytes = () => {
    gc();
    gc();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  const window = new StatusWindow();
  const names = Array.from({ length: LOADS }, (_, n) => `route ${n}`);
  const look = (atMs: number) => {
    window.begin(atMs);
    window.keep(atMs, new Map(names.map((name) => [name, counts()])), true);
  };
  look(-100_000);
  window.forget(0);
  const before = usedBytes();
  for (let n = 0; n < LOOKS; n += 1) look(n * EVERY_MS);
  const held = usedBytes() - before;
  window.forget(LOOKS * EVERY_MS + 60_000);
  const left = usedBytes() - before;
  t.diagnostic(`${(held / 1e6).toFixed(2)} MB while somebody looks, ${(left / 1e6).toFixed(2)} MB a minute later`);
  assert.ok(held > NOTHING_BYTES, 'it is measured');
  assert.ok(held < KEPT_BYTES, `${held} bytes are held`);
  assert.ok(left < NOTHING_BYTES, `${left} bytes are left`);
});

function counts(): Counts {
  return { requests: 0, failedRequests: 0, cell: new Float64Array(BUCKETS + 1), bounds: [] };
}
