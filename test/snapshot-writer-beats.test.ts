/** Holds what src/snapshot/writer.ts tells of its heartbeat, and of a process that is back after it was taken for unresponsive. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import timers from 'node:timers';
import { decodeSnapshot, type Snapshot } from '../src/snapshot/layout.ts';
import { SeriesTable } from '../src/snapshot/series-table.ts';
import { SLOT_HEADER_BYTES } from '../src/snapshot/slot.ts';
import { SnapshotWriter, type WriterOptions } from '../src/snapshot/writer.ts';
import { IDENTITY } from './arbitrary-tables.ts';
import { atEnd, freshDirectory, until } from './processes.ts';

// Long enough that a machine under load does not pause so long by itself.
const UNRESPONSIVE_AFTER_MS = 500;
const DEADLINE_MS = 10_000;

describe('a process that was blocked', () => {
  it('is told to be back once, before the first write behind it: nobody sees it back as it was', (t) => {
    const resumed: number[] = [];
    const { writer, read } = open(t, {
      unresponsiveAfterMs: UNRESPONSIVE_AFTER_MS,
      onResume: () => resumed.push(read().sequence),
    });
    writer.flush();
    assert.deepEqual(resumed, []);
    block(UNRESPONSIVE_AFTER_MS);
    const before = read().sequence;
    writer.flush();
    assert.deepEqual([resumed, read().sequence], [[before], before + 1]);
    writer.flush();
    assert.deepEqual(resumed, [before]);
  });

  it('may publish with a changed identity when it is told so', (t) => {
    const state = { name: 'running', sinceSeconds: 5 } as const;
    const { writer, read } = open(t, {
      unresponsiveAfterMs: UNRESPONSIVE_AFTER_MS,
      onResume: () => writer.identify({ state }),
    });
    block(UNRESPONSIVE_AFTER_MS);
    writer.changed(performance.now());
    assert.deepEqual(read().identity.state, state);
  });

  it('is told nothing without a limit', (t) => {
    const { writer } = open(t, { onResume: () => assert.fail('it was not away') });
    block(20);
    writer.flush();
  });
});

describe('a heartbeat', () => {
  it('is told before it is written, again and again, and not after the end', async (t) => {
    let beats = 0;
    const { writer, table, read } = open(t, {
      onBeat: () => {
        beats += 1;
        table.values[0] = beats;
      },
    });
    await until(() => beats >= 2, 'two heartbeats');
    assert.equal(read().values[0], beats);
    writer.close();
    assert.equal(read().values[0], beats);
  });

  it('is none that other writes are', (t) => {
    const { writer } = open(t, { onBeat: () => assert.fail('it was no heartbeat') });
    writer.flush();
    writer.changed(performance.now());
    writer.identify({ role: 'primary' });
  });
});

describe('what has changed and waits', () => {
  it('is published when its time has come, again and again, whatever was published before that', async (t) => {
    const { writer, table, read } = withoutHeartbeat(t, () => open(t));
    for (let n = 1; n <= 6; n += 1) {
      table.values[0] = n;
      writer.touched();
      // It comes in vain for this one, and is set anew for the next.
      if (n % 2 === 0) writer.flush();
      else await until(() => read().values[0] === n, `${n} in the file`, DEADLINE_MS);
    }
  });
});

describe('the end of a writer', () => {
  it('says of a thread that it has ended, and of a process nothing', (t) => {
    for (const last of [{ ended: true, exitCode: 3 }, undefined]) {
      const { writer, read } = open(t);
      assert.equal(read().identity.ended, undefined);
      writer.close(last);
      assert.deepEqual([read().identity.ended, read().identity.exitCode], [last?.ended, last?.exitCode]);
      assert.deepEqual([...read().values], [0]);
    }
  });
});

function open(t: TestContext, options: Partial<WriterOptions> = {}) {
  const table = new SeriesTable(SLOT_HEADER_BYTES);
  table.add(table.define({ name: 'n', description: '', unit: '', kind: 'counter', scope: 'app' }), {});
  const path = join(freshDirectory(t), 'own.snapshot');
  const onStateChange = (error?: Error) => assert.fail(error);
  const writer = new SnapshotWriter({
    path,
    identity: IDENTITY,
    table,
    flushIntervalMs: 10,
    onStateChange,
    ...options,
  });
  atEnd(t, () => writer.close());
  return { writer, table, read: (): Snapshot => decodeSnapshot(readFileSync(path)) };
}

// A heartbeat publishes what a timer has forgotten.
function withoutHeartbeat<T>(t: TestContext, make: () => T): T {
  const { mock } = t.mock.method(timers, 'setInterval', () => ({ unref() {} }));
  // ES modules see a changed builtin only then.
  syncBuiltinESMExports();
  const made = make();
  mock.restore();
  syncBuiltinESMExports();
  return made;
}

// What keeps a process from its heartbeat.
function block(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end; );
}
