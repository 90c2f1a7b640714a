/** record/listener-room.ts: an app's tenth listener beside ours is no leak, its eleventh is one as it would be without us. */
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { test } from 'node:test';
import { makeRoom } from '../src/record/listener-room.ts';

for (const [theirs, warns] of [
  [10, false],
  [11, true],
] as const) {
  test(`${theirs} listeners of the app beside one of ours ${warns ? 'warn of a leak' : 'do not warn'}`, async () => {
    const emitter = new EventEmitter();
    const stop = makeRoom(emitter, ['end']);
    emitter.on('end', () => {});
    const warnings: string[] = [];
    const onWarning = ({ name }: Error) => warnings.push(name);
    process.on('warning', onWarning);
    for (let i = 0; i < theirs; i += 1) {
      emitter.on('end', () => {});
      await new Promise((resolve) => process.nextTick(resolve));
    }
    process.emitWarning('the last', 'Sentinel');
    while (!warnings.includes('Sentinel')) await once(process, 'warning');
    process.off('warning', onWarning);
    assert.deepEqual(warnings, [...(warns ? ['MaxListenersExceededWarning'] : []), 'Sentinel']);
    assert.equal(emitter.getMaxListeners(), 10);
    stop();
    assert.equal(emitter.listenerCount('newListener'), 0);
  });
}
