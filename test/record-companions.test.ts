/** Holds src/record/companions.ts: a listener of ours is there only while the app has one, and never while listeners run. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import { accompany } from '../src/record/companions.ts';
import { until } from './processes.ts';

const OTHER_COPY = new URL('../src/record/companions.js?other', import.meta.url).href;

describe('a companion', () => {
  it('is there only while the app listens to the same event', () => {
    const { emitter, count } = accompanied();
    const [first, second] = [() => {}, () => {}];
    assert.equal(count(), 0);
    emitter.on('a', first);
    assert.equal(count(), 2);
    emitter.on('a', second);
    assert.equal(count(), 3);
    emitter.off('a', first);
    assert.equal(count(), 2);
    emitter.off('a', second);
    assert.equal(count(), 0);
  });

  it('keeps company to listeners that were there before it', () => {
    const emitter = new EventEmitter().on('a', () => {});
    accompany(emitter, { a: () => {} });
    assert.equal(emitter.listenerCount('a'), 2);
  });

  it('is not there for events that nobody has asked for, whatever they are called', () => {
    const { emitter } = accompanied();
    for (const event of ['b', 'newListener', 'constructor', Symbol('a')]) {
      const before = emitter.listenerCount(event);
      emitter.on(event, () => {});
      assert.equal(emitter.listenerCount(event), before + 1);
    }
  });

  it('is told of each event with its arguments, before the listeners of the app, prepended ones included', async () => {
    const { emitter, told } = accompanied();
    emitter.on('a', (...args) => told.push(['app', ...args]));
    emitter.prependListener('a', (...args) => told.push(['first', ...args]));
    emitter.emit('a', 1, 'x');
    await ticks();
    emitter.emit('a', 2);
    assert.deepEqual(told, [
      ['first', 1, 'x'],
      ['ours', 1, 'x'],
      ['app', 1, 'x'],
      // It came back to the front.
      ['ours', 2],
      ['first', 2],
      ['app', 2],
    ]);
  });

  it('stays among the listeners of a steady event, told of each of several in one turn, and goes with the last', () => {
    const emitter = new EventEmitter();
    const told: unknown[] = [];
    accompany(emitter, { a: (...args: unknown[]) => told.push(...args) }, new Set(), new Set(['a']));
    assert.equal(emitter.listenerCount('a'), 0);
    const counts: number[] = [];
    const listener = () => counts.push(emitter.listenerCount('a'));
    emitter.on('a', listener);
    for (const n of [1, 2, 3]) emitter.emit('a', n);
    assert.deepEqual(
      [told, counts],
      [
        [1, 2, 3],
        [2, 2, 2],
      ],
    );
    emitter.off('a', listener);
    assert.equal(emitter.listenerCount('a'), 0);
  });

  it('steps aside while listeners run, and is back when they have', async () => {
    const { emitter, count } = accompanied();
    let during: number | undefined;
    emitter.on('a', () => {
      during = count();
    });
    emitter.emit('a');
    assert.equal(during, 1);
    await ticks();
    assert.equal(count(), 2);
  });

  it('stays aside while listeners run that add and remove others, or are there once', async () => {
    const { emitter, count } = accompanied();
    const during: number[] = [];
    const passing = () => {};
    emitter.once('a', () => during.push(count()));
    emitter.on('a', () => during.push(count()));
    emitter.on('a', () => emitter.on('a', passing).off('a', passing));
    emitter.on('a', () => during.push(count()));
    emitter.emit('a');
    assert.deepEqual(during, [3, 3, 3]);
    await ticks();
    assert.equal(count(), 4);
  });

  it('comes back though a listener throws', async () => {
    const { emitter, count, told } = accompanied();
    emitter.on('a', () => {
      throw new Error('from the app');
    });
    assert.throws(() => emitter.emit('a'), /from the app/);
    await ticks();
    assert.equal(count(), 2);
    assert.deepEqual(told, [['ours']]);
  });

  it('goes with a listener that is there once, and sees the event that it was there for', async () => {
    const { emitter, count, told } = accompanied();
    emitter.once('a', () => {});
    assert.equal(count(), 2);
    emitter.emit('a');
    assert.equal(count(), 0);
    await ticks();
    assert.equal(count(), 0);
    assert.equal(emitter.emit('a'), false);
    assert.equal(told.length, 1);
  });

  it('is removed with all listeners of all events, and leaves none of its own', () => {
    const { emitter } = accompanied(['a', 'b']);
    emitter.on('a', () => {}).on('b', () => {});
    emitter.prependListener('b', () => {});
    emitter.removeAllListeners();
    assert.deepEqual(emitter.eventNames(), []);
  });

  it('is gone for good when it is stopped, in the middle of an event or not', async () => {
    for (const stopsDuring of [false, true]) {
      const { emitter, count, stop, told } = accompanied();
      emitter.on('a', () => stopsDuring && stop());
      emitter.emit('a');
      await ticks();
      if (!stopsDuring) stop();
      assert.equal(count(), 1);
      emitter.on('a', () => {});
      emitter.emit('a');
      await ticks();
      assert.equal(count(), 2);
      assert.equal(told.length, 1);
      assert.equal(emitter.listenerCount('newListener') + emitter.listenerCount('removeListener'), 0);
    }
  });

  it('is there whenever the app listens and at no other time, whatever the app does', async () => {
    const steps = fc.array(fc.constantFrom('on', 'once', 'prepend', 'off', 'clear', 'emit', 'wait'), { maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(steps, async (history) => {
        const { emitter, count, told } = accompanied();
        emitter.setMaxListeners(0);
        const theirs: { listener: () => void; once: boolean }[] = [];
        let emitted = 0;
        for (const step of history) {
          const listener = () => {};
          if (step === 'on') emitter.on('a', listener);
          if (step === 'once') emitter.once('a', listener);
          if (step === 'prepend') emitter.prependListener('a', listener);
          if (['on', 'once', 'prepend'].includes(step)) theirs.push({ listener, once: step === 'once' });
          if (step === 'off') emitter.off('a', theirs.pop()?.listener ?? listener);
          if (step === 'clear') emitter.removeAllListeners('a');
          if (step === 'clear') theirs.length = 0;
          if (step === 'emit') {
            emitted += theirs.length > 0 ? 1 : 0;
            emitter.emit('a');
            theirs.splice(0, theirs.length, ...theirs.filter(({ once }) => !once));
            await ticks();
          }
          assert.equal(count(), theirs.length === 0 ? 0 : theirs.length + 1, history.join(' '));
          assert.equal(told.length, emitted);
        }
      }),
    );
  });
});

describe('a companion to an event where listening changes nothing', () => {
  it('is there without any other, also while listeners run, and until it is stopped', async () => {
    const { emitter, count, told, stop } = accompanied(['a'], new Set(['a']));
    assert.equal(count(), 1);
    emitter.emit('a', 1);
    emitter.emit('a', 2);
    assert.deepEqual(told, [
      ['ours', 1],
      ['ours', 2],
    ]);
    const during: number[] = [];
    const listener = () => during.push(count());
    emitter.on('a', listener).emit('a');
    emitter.off('a', listener);
    assert.deepEqual([during, count()], [[2], 1]);
    stop();
    assert.equal(count(), 0);
  });

  it('is back after the app has removed all listeners of the event', async () => {
    const { emitter, count } = accompanied(['a'], new Set(['a']));
    for (const theirs of [0, 1, 2]) {
      for (let n = 0; n < theirs; n += 1) emitter.on('a', () => {});
      emitter.removeAllListeners('a');
      await ticks();
      assert.equal(count(), 1, `after ${theirs}`);
    }
  });
});

describe('the limit of listeners', () => {
  it('is never passed by a companion, so that no warning is told', async (t) => {
    const warnings = listenToWarnings(t);
    for (const max of [1, 2, 3, 10]) {
      const { emitter, count } = accompanied();
      emitter.setMaxListeners(max);
      for (let n = 1; n <= max; n += 1) {
        emitter.on('a', () => {});
        assert.equal(count(), n === max ? max : n + 1, `${n} of ${max}`);
      }
      emitter.emit('a');
      await ticks();
      assert.equal(count(), max);
    }
    await ticks();
    assert.deepEqual(warnings, []);
  });

  it('makes room for a companion again when a listener goes', async () => {
    for (const max of [2, 3]) {
      const { emitter, told } = accompanied();
      emitter.setMaxListeners(max);
      for (let n = 1; n < max; n += 1) emitter.on('a', () => {});
      const last = () => {};
      emitter.on('a', last).emit('a');
      assert.equal(told.length, 0);
      emitter.off('a', last);
      await ticks();
      emitter.emit('a');
      assert.equal(told.length, 1);
    }
  });

  it('does not keep the app from removing all listeners at once', async () => {
    for (let max = 1; max <= 4; max += 1) {
      const { emitter, count } = accompanied();
      emitter.setMaxListeners(max);
      for (let n = 0; n < max; n += 1) emitter.on('a', () => {});
      emitter.removeAllListeners('a');
      assert.equal(count(), 0);
      await ticks();
      assert.equal(count(), 0);
    }
  });

  it('counts the companions of two copies of the package, too', async (t) => {
    const warnings = listenToWarnings(t);
    const { emitter } = accompanied();
    const other: typeof import('../src/record/companions.ts') = await import(OTHER_COPY);
    other.accompany(emitter, { a: () => {} });
    emitter.setMaxListeners(3);
    for (let n = 0; n < 3; n += 1) emitter.on('a', () => {});
    await ticks();
    assert.deepEqual(warnings, []);
  });
});

describe('two copies of the package on one emitter', () => {
  it('are each told of each event, keep the app company and not each other, and go with it', async () => {
    const { emitter, told, count } = accompanied();
    const other: typeof import('../src/record/companions.ts') = await import(OTHER_COPY);
    assert.notEqual(other.accompany, accompany);
    const stop = other.accompany(emitter, { a: (...args: unknown[]) => told.push(['theirs', ...args]) });
    assert.equal(count(), 0);
    const listener = () => told.push(['app', count()]);
    emitter.on('a', listener);
    assert.equal(count(), 3);
    for (let n = 1; n <= 2; n += 1) {
      told.length = 0;
      emitter.emit('a', n);
      await ticks();
      assert.deepEqual(told.map(String).sort(), ['app,1', `ours,${n}`, `theirs,${n}`]);
      assert.equal(count(), 3);
    }
    emitter.off('a', listener);
    await ticks();
    assert.equal(count(), 0);
    stop();
    emitter.on('a', listener);
    assert.equal(count(), 2);
  });

  it('do not keep the app from removing all its listeners at once', async () => {
    const { emitter, count } = accompanied();
    const other: typeof import('../src/record/companions.ts') = await import(OTHER_COPY);
    other.accompany(emitter, { a: () => {} });
    for (let listeners = 1; listeners <= 3; listeners += 1) {
      for (let n = 0; n < listeners; n += 1) emitter.on('a', () => {});
      assert.equal(count(), listeners + 2);
      emitter.removeAllListeners('a');
      assert.equal(count(), 0);
      await ticks();
      assert.equal(count(), 0);
    }
  });
});

describe('a companion on process', () => {
  it('is told of a signal that the app listens to, and is no listener while it does not', async (t) => {
    const told: string[] = [];
    t.after(accompany(process, { SIGHUP: () => told.push('ours') }));
    assert.equal(process.listenerCount('SIGHUP'), 0);
    process.once('SIGHUP', () => told.push(`app, ${process.listenerCount('SIGHUP')} left`));
    assert.equal(process.listenerCount('SIGHUP'), 2);
    process.kill(process.pid, 'SIGHUP');
    await until(() => told.length === 2, 'the signal');
    assert.deepEqual(told, ['ours', 'app, 0 left']);
    assert.equal(process.listenerCount('SIGHUP'), 0);
  });
});

function accompanied(events: readonly string[] = ['a'], harmless?: ReadonlySet<string>) {
  const emitter = new EventEmitter();
  const told: unknown[][] = [];
  const listener = (...args: unknown[]) => told.push(['ours', ...args]);
  const stop = accompany(emitter, Object.fromEntries(events.map((event) => [event, listener])), harmless);
  return { emitter, told, stop, count: () => emitter.listenerCount('a') };
}

// The next turn of the event loop: behind every nextTick.
function ticks(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function listenToWarnings(t: TestContext): string[] {
  const warnings: string[] = [];
  const listener = ({ name }: Error) => warnings.push(name);
  process.on('warning', listener);
  t.after(() => process.off('warning', listener));
  return warnings;
}
