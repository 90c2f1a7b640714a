/** record/companions.ts: what the app sees of ours while its own listeners run, are put away and put back. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import { accompany } from '../src/record/companions.ts';

const nextTick = () => new Promise<void>((resolve) => process.nextTick(resolve));

function accompanied() {
  const emitter = new EventEmitter();
  const seen = { count: 0 };
  accompany(emitter, {
    ping() {
      seen.count += 1;
    },
  });
  return { emitter, seen };
}

test("a listener that counts listeners sees the app's alone, whatever others have added or removed in the same event", async () => {
  const { emitter, seen } = accompanied();
  const counts: number[] = [];
  const count = () => void counts.push(emitter.listenerCount('ping'));
  emitter.once('ping', count);
  emitter.on('ping', function replaced() {
    emitter.off('ping', replaced);
    emitter.on('ping', () => {});
  });
  emitter.on('ping', count);
  emitter.emit('ping');
  assert.deepEqual(counts, [2, 2]);
  await nextTick();
  emitter.emit('ping');
  assert.equal(seen.count, 2);
});

test('a listener that was put in front counts no other number than without us', async () => {
  const { emitter, seen } = accompanied();
  const counts: number[] = [];
  emitter.on('ping', () => {});
  emitter.prependListener('ping', () => counts.push(emitter.listenerCount('ping')));
  await nextTick();
  emitter.emit('ping');
  assert.deepEqual(counts, [2]);
  assert.equal(seen.count, 1);
});

test("put back by the app with its own, it is there once, and gone with the last of the app's", async () => {
  const { emitter, seen } = accompanied();
  const theirs = () => {};
  emitter.on('ping', theirs);
  for (let i = 0; i < 3; i += 1) {
    const all = emitter.listeners('ping').reverse() as (() => void)[];
    emitter.removeAllListeners('ping');
    assert.equal(emitter.listenerCount('ping'), 0);
    for (const listener of all) emitter.on('ping', listener);
  }
  emitter.emit('ping');
  assert.equal(seen.count, 1, 'counted once though it was there twice');
  await nextTick();
  assert.equal(emitter.listenerCount('ping'), 2);
  const all = emitter.listeners('ping') as (() => void)[];
  emitter.off('ping', theirs);
  assert.equal(emitter.listenerCount('ping'), 0);
  // The app puts back what it once found, and its own is no longer among it.
  for (const listener of all) if (listener !== theirs) emitter.on('ping', listener);
  await nextTick();
  assert.equal(emitter.listenerCount('ping'), 0);
});

test('removed in the same turn in which the app has put it back twice, nothing of it stays', async () => {
  const { emitter } = accompanied();
  const theirs = () => {};
  emitter.on('ping', theirs);
  const all = emitter.listeners('ping').reverse() as (() => void)[];
  emitter.removeAllListeners('ping');
  for (const listener of all) emitter.on('ping', listener);
  emitter.off('ping', theirs);
  await nextTick();
  assert.equal(emitter.listenerCount('ping'), 0);
});
