/** Holds src/record/signals.ts with real signals to this very process. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { describe, it } from 'node:test';
import { SIGNAL_ACTIONS, watchSignals } from '../src/record/signals.ts';
import { until } from './processes.ts';

const SIGNALS = Object.keys(SIGNAL_ACTIONS);
const HARMLESS = ['CHLD', 'WINCH'];

describe('the signals of a process', () => {
  it('are told by their short names, those that do nothing by default without a listener of the app', async (t) => {
    const told: string[] = [];
    t.after(watchSignals(SIGNALS, (signal) => told.push(signal)));
    process.kill(process.pid, 'SIGWINCH');
    await until(() => told.includes('WINCH'), 'the signal');
    spawn('true', { stdio: 'ignore' });
    await until(() => told.includes('CHLD'), 'the signal of a child that has ended');
    assert.deepEqual(
      told.filter((signal) => !HARMLESS.includes(signal)),
      [],
    );
  });

  it('are told before the listener of the app, each once, where the app listens', async (t) => {
    const told: string[] = [];
    t.after(watchSignals(SIGNALS, (signal) => told.push(signal)));
    for (const signal of ['HUP', 'USR2', 'TTIN', 'HUP', 'CHLD']) {
      process.once(`SIG${signal}`, () => told.push(`app ${signal}`));
      process.kill(process.pid, `SIG${signal}`);
      await until(() => told.length > 1, signal);
      assert.deepEqual(told, [signal, `app ${signal}`]);
      told.length = 0;
    }
  });

  it('have a listener of ours by default only where that changes nothing, and none after the end', () => {
    const count = () => SIGNALS.filter((signal) => process.listenerCount(`SIG${signal}`) > 0);
    const before = count();
    const stop = watchSignals(SIGNALS, () => {});
    assert.deepEqual(count().sort(), [...new Set([...before, ...HARMLESS])].sort());
    stop();
    assert.deepEqual(count(), before);
  });

  it('that nobody has asked for are not told', async (t) => {
    const told: string[] = [];
    t.after(watchSignals(['TERM'], (signal) => told.push(signal)));
    let seen = false;
    process.once('SIGUSR2', () => {
      seen = true;
    });
    process.kill(process.pid, 'SIGUSR2');
    await until(() => seen, 'the signal');
    assert.equal(process.listenerCount('SIGWINCH'), 0);
    assert.deepEqual(told, []);
  });

  it('are those that the original knows, each with what its primary does at it', () => {
    assert.deepEqual(SIGNAL_ACTIONS, {
      HUP: 'reload',
      INT: 'quit',
      TERM: 'shutdown',
      QUIT: 'quit',
      USR1: 'reopen_logs',
      USR2: 'upgrade',
      TTIN: 'add_worker',
      TTOU: 'remove_worker',
      CHLD: 'reap',
      WINCH: 'resize',
    });
  });
});
