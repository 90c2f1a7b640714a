/** Holds src/exporter-thread.ts: what its memory may become, and what a process hears of it when it could not listen for a while. */
import assert from 'node:assert/strict';
import { channel } from 'node:diagnostics_channel';
import test from 'node:test';
import type { Worker } from 'node:worker_threads';
import { readSettings } from '../src/config.ts';
import { ExporterThread } from '../src/exporter-thread.ts';
import { createGroupDirectory } from '../src/snapshot/group.ts';
import { takeLead } from '../src/snapshot/leader.ts';
import { ownMark } from '../src/snapshot/process-mark.ts';
import { atEnd, freshDirectory, until } from './processes.ts';

// The thread looks once a second whether it still leads, and starts in less than the rest.
const BLOCKED_MS = 5000;

test('a process that was blocked while somebody else took the lead is told so once', async (t) => {
  const { path: directory } = createGroupDirectory(freshDirectory(t));
  const holder = { ...ownMark(), threadId: 0 };
  const lead = takeLead(directory, holder, 0, 1)!;
  takeLead(directory, { ...holder, threadId: 1 }, 1, 1);
  const { settings } = readSettings({ OTEL_METRICS_EXPORTER: 'none' });
  let told = 0;
  const thread = new ExporterThread({ directory, settings, version: '1.2.3', lead }, () => {
    told += 1;
    thread.stop();
  });
  atEnd(t, () => thread.stop());
  // The thread keeps nobody: while its end is waited for, something has to.
  const keeper = setInterval(() => {}, 1000);
  t.after(() => clearInterval(keeper));
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BLOCKED_MS);
  await until(() => told > 0, 'it is told');
  await assert.rejects(thread.collect());
  assert.equal(told, 1);
});

test('the heap of the thread is bounded, and not by how much the machine has', async (t) => {
  const { path: directory } = createGroupDirectory(freshDirectory(t));
  const started: Worker[] = [];
  const threads = channel('worker_threads');
  const note = (message: unknown) => void started.push((message as { worker: Worker }).worker);
  threads.subscribe(note);
  t.after(() => threads.unsubscribe(note));
  const lead = takeLead(directory, { ...ownMark(), threadId: 0 }, 0, 1)!;
  const { settings } = readSettings({ OTEL_METRICS_EXPORTER: 'none' });
  const thread = new ExporterThread({ directory, settings, version: '1.2.3', lead });
  atEnd(t, () => thread.stop());
  const { maxYoungGenerationSizeMb, maxOldGenerationSizeMb } = started[0]!.resourceLimits!;
  assert.deepEqual([maxYoungGenerationSizeMb! <= 2, maxOldGenerationSizeMb! <= 1024], [true, true]);
});
