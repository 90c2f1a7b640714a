/** Holds src/page/judge.ts and history.ts: which workers are marked, and which are not though they look a little like it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { History } from '../src/page/history.ts';
import { Judge } from '../src/page/judge.ts';
import type { Status, WorkerStatus } from '../src/status-document.ts';
import { cannedStatus } from './canned-status.ts';

const EVERY_MS = 2000;
const FIRST = 'worker_1_1700000000';

describe('a worker is stuck', () => {
  it('when it is unresponsive, or has published nothing for five seconds', () => {
    assert.deepEqual(
      verdicts(1, () => ({ state: 'unresponsive' })),
      ['stuck'],
    );
    assert.deepEqual(
      verdicts(1, () => ({ snapshotAgeSeconds: 5 })),
      ['stuck'],
    );
    assert.deepEqual(
      verdicts(1, () => ({ snapshotAgeSeconds: 4.9 })),
      [],
    );
    assert.deepEqual(
      verdicts(1, () => ({ state: 'quitting' })),
      [],
    );
  });
});

describe('a worker is slow', () => {
  const p95 = (seconds: number) => () => ({ durationSeconds: { p50: 0.02, p95: seconds, p99: 9 } });

  it('when its p95 was twice that of the others three times in a row', () => {
    assert.deepEqual(verdicts(3, p95(0.2)), ['slow']);
    assert.deepEqual(verdicts(2, p95(0.2)), []);
    assert.deepEqual(
      verdicts(9, (look) => p95(look % 3 === 2 ? 0.06 : 0.2)()),
      [],
    );
  });

  it('and not when it is slow by milliseconds, with few requests, or alone', () => {
    const fast = { durationSeconds: { p50: 0.001, p95: 0.002, p99: 0.003 } };
    assert.deepEqual(verdicts(5, p95(0.02), { others: fast }), []);
    assert.deepEqual(
      verdicts(5, () => ({ ...p95(0.5)(), requestsPerSecond: 1.9 })),
      [],
    );
    assert.deepEqual(verdicts(5, p95(5), { workers: 1 }), []);
  });

  it('compared with the median of the others, however slow it is itself', () => {
    for (const workers of [2, 3, 4, 5]) assert.deepEqual(verdicts(3, p95(50), { workers }), ['slow'], `${workers}`);
  });

  it('and not when nobody has a window yet', () => {
    const none = { requestsPerSecond: null, durationSeconds: { p50: null, p95: null, p99: null } };
    assert.deepEqual(
      verdicts(5, () => none, { others: none }),
      [],
    );
  });
});

describe('a worker is leaking', () => {
  const grows = (perLook: number) => (look: number) => ({ memoryBytes: 100e6 + look * perLook });

  it('when its memory has risen in every part of at least two minutes, by a tenth and 16 MB', () => {
    assert.deepEqual(verdicts(61, grows(0.4e6)), ['leaking']);
    assert.deepEqual(verdicts(60, grows(0.4e6)), []);
    assert.deepEqual(verdicts(150, grows(0.05e6)), []);
  });

  it('whatever its garbage collection does in between, which goes up and down without rising as well', () => {
    const sawtooth = (look: number) => (look % 5) * 8e6;
    assert.deepEqual(
      verdicts(150, (look) => ({ memoryBytes: 100e6 + look * 0.4e6 + sawtooth(look) })),
      ['leaking'],
    );
    assert.deepEqual(
      verdicts(150, (look) => ({ memoryBytes: 100e6 + sawtooth(look) })),
      [],
    );
  });

  it('and not when it has stopped rising, has just been started, or nobody knows', () => {
    assert.deepEqual(
      verdicts(150, (look) => ({ memoryBytes: 100e6 + Math.min(look, 60) * 1e6 })),
      [],
    );
    assert.deepEqual(
      verdicts(80, (look) => ({ ...grows(1e6)(look), uptimeSeconds: look * 2 })),
      [],
    );
    assert.deepEqual(
      verdicts(150, () => ({ memoryBytes: null })),
      [],
    );
  });
});

describe('the history', () => {
  it('is that of five minutes and of the living', () => {
    const history = new History();
    for (let look = 0; look < 400; look += 1) history.record(cannedStatus({ look }), look * EVERY_MS);
    const trail = history.of(FIRST)!;
    assert.deepEqual(
      [trail.atMs[0], trail.atMs.at(-1), trail.atMs.length],
      [399 * EVERY_MS - 300_000, 399 * EVERY_MS, 151],
    );
    for (const values of Object.values(trail.values)) assert.equal(values.length, 151);
    assert.equal(history.spanMs, 300_000);
    history.record(cannedStatus({ workers: 1 }), 400 * EVERY_MS);
    assert.equal(history.of('worker_2_1700000000'), undefined);
  });

  it('has its gaps where nothing was known', () => {
    const history = new History();
    const status = cannedStatus();
    history.record({ ...status, workers: status.workers.map((worker) => ({ ...worker, cpuPercent: null })) }, 0);
    assert.deepEqual(history.of(FIRST)!.values.cpu, [Number.NaN]);
    assert.equal(history.spanMs, 60_000);
  });
});

// What the first worker is found to be after so many looks at it; the others are as ever.
function verdicts(
  looks: number,
  first: (look: number) => Partial<WorkerStatus>,
  { workers = 4, others = {} }: { workers?: number; others?: Partial<WorkerStatus> } = {},
): string[] {
  const history = new History();
  const judge = new Judge();
  let found: string[] = [];
  for (let look = 0; look < looks; look += 1) {
    const status = cannedStatus({ workers, look });
    const now: Status = {
      ...status,
      workers: status.workers.map((worker, i) => ({ ...worker, ...(i === 0 ? first(look) : others) })),
    };
    history.record(now, look * EVERY_MS);
    const marks = judge.marks(now, history);
    found = (marks.get(FIRST) ?? []).map(({ verdict }) => verdict);
    assert.ok(
      [...marks.keys()].every((id) => id === FIRST),
      JSON.stringify([...marks]),
    );
  }
  return found;
}
