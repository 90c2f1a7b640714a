/** Holds src/lifecycle.ts: a hook is called as it was exported, and nothing that it does is felt by the app. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runInNewContext } from 'node:vm';
import { guardHooks, type Hooks, type ServerInfo } from '../src/lifecycle.ts';

const SERVER = Object.freeze({ pid: 1, role: 'single' }) as ServerInfo;
const ERROR = new Error('from a hook');

describe('a guarded hook', () => {
  it('is called with what it is given, on what it was exported by, and gives nothing back', () => {
    const calls: unknown[] = [];
    const hooks = {
      onExit(this: unknown, ...args: unknown[]) {
        calls.push([this, ...args]);
        return 'ignored';
      },
    };
    const { guarded, errors } = guard(hooks);
    assert.equal(guarded.onExit!(SERVER), undefined);
    assert.equal((calls[0] as unknown[])[0], hooks);
    assert.equal((calls[0] as unknown[])[1], SERVER);
    assert.equal((calls[0] as unknown[]).length, 2);
    assert.deepEqual(errors, []);
  });

  it('that throws is told each time, and the others go on', () => {
    let called = 0;
    const { guarded, errors } = guard({
      onStarting: throws,
      onReload: () => {
        called += 1;
      },
    });
    for (let n = 1; n <= 2; n += 1) {
      guarded.onStarting!(SERVER);
      guarded.onReload!(SERVER);
      assert.deepEqual([errors, called], [new Array(n).fill(ERROR), n]);
    }
  });

  it('that throws nothing, or not even an error, is told as well', () => {
    for (const thrown of [undefined, null, 'text', 0]) {
      const { guarded, errors } = guard({
        onExit: () => {
          throw thrown;
        },
      });
      guarded.onExit!(SERVER);
      assert.deepEqual(errors, [thrown]);
    }
  });

  for (const [what, rejected] of Object.entries({
    'that is async': async () => throws(),
    'that gives a promise of another realm': () => runInNewContext('Promise').reject(ERROR),
    'that gives something like a promise': () =>
      like({ value: (_resolve: unknown, reject: (error: unknown) => void) => reject(ERROR) }),
    'whose promise cannot be waited for': () => like({ get: throws }),
    'that gives a promise of a rejected promise': () => Promise.resolve().then(() => Promise.reject(ERROR)),
  })) {
    it(`${what}, and is rejected, is told once, and is no unhandled rejection`, async (t) => {
      const unhandled: unknown[] = [];
      const listener = (error: unknown) => unhandled.push(error);
      process.on('unhandledRejection', listener);
      t.after(() => process.off('unhandledRejection', listener));
      const { guarded, errors } = guard({ whenReady: rejected });
      assert.equal(guarded.whenReady!(SERVER), undefined);
      await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual([errors, unhandled], [[ERROR], []]);
    });
  }

  it('that succeeds later is told of no error', async () => {
    const { guarded, errors } = guard({ onExit: async () => 5, onReload: () => like({ value: 'no function' }) });
    guarded.onExit!(SERVER);
    guarded.onReload!(SERVER);
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(errors, []);
  });

  it('is not there where none was exported', () => {
    const { guarded } = guard({ onExit: () => {}, onReload: undefined, preRequest: undefined });
    assert.deepEqual(Object.keys(guarded), ['onExit']);
    assert.equal(guarded.preRequest, undefined);
    assert.deepEqual(guard({}).guarded, {});
  });
});

function guard(hooks: object) {
  const errors: unknown[] = [];
  return { guarded: guardHooks(hooks as Hooks, (error) => errors.push(error)), errors };
}

// An object with a member of the name by which promises are known.
function like(then: PropertyDescriptor): object {
  return Object.defineProperty({}, 'then', then);
}

function throws(): never {
  throw ERROR;
}
