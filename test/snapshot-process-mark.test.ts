/** Holds src/snapshot/process-mark.ts where processes or /proc are unusual; the rest is held in snapshot-directory.test.ts. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs, { readlinkSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { describe, it, type TestContext } from 'node:test';
import { isAlive, ownMark, pidNamespace, markOf as readMarkOf } from '../src/snapshot/process-mark.ts';
import { atEnd, until } from './processes.ts';
import { deadMark, markOf, startSleeper } from './sleepers.ts';

describe('a mark', () => {
  it('of this process is that which anybody else would make of it', () => {
    assert.deepEqual(ownMark(), { ...markOf(process.pid), namespace: pidNamespace() });
    assert.deepEqual(ownMark(), readMarkOf(process.pid));
  });

  it('is read right of a process whose name looks like the fields behind it', async (t) => {
    for (const title of ['a b', ') Z 1 (', 'x) X', '))) Z']) {
      const source = `process.title = ${JSON.stringify(title)}; console.log('ready'); setInterval(() => {}, 1000);`;
      const child = spawn(process.execPath, ['--eval', source], { stdio: ['ignore', 'pipe', 'inherit'] });
      atEnd(t, () => child.kill('SIGKILL'));
      await once(child.stdout, 'data');
      const mark = markOf(child.pid!);
      assert.ok(isAlive(mark), title);
      assert.ok(!isAlive({ ...mark, processStart: mark.processStart + 1 }), title);
      child.kill('SIGKILL');
      await once(child, 'exit');
      assert.ok(!isAlive(mark), title);
    }
  });

  it('of a stopped process is alive', async (t) => {
    const { mark } = await startSleeper(t);
    process.kill(mark.pid, 'SIGSTOP');
    await until(() => fs.readFileSync(`/proc/${mark.pid}/stat`, 'latin1').includes(') T '), 'it is stopped');
    assert.ok(isAlive(mark));
  });
});

describe('where /proc tells nothing', () => {
  it('the pid alone decides, and a process of another user is alive', async (t) => {
    const [sleeper, dead] = [await startSleeper(t), await deadMark(t)];
    const { isAlive } = await without(t, 'EACCES');
    assert.ok(isAlive({ ...sleeper.mark, processStart: 1 }));
    assert.ok(!isAlive(dead));
    t.mock.method(process, 'kill', () => {
      throw Object.assign(new Error('EPERM'), { code: 'EPERM' });
    });
    assert.ok(isAlive(sleeper.mark));
  });

  it('what is not found is dead on Linux, where a process has its entry, and may be alive elsewhere', async (t) => {
    const { mark } = await startSleeper(t);
    for (const [code, platform, alive] of [
      ['ENOENT', 'linux', false],
      ['ESRCH', 'linux', false],
      ['ENOENT', 'darwin', true],
      ['EMFILE', 'linux', true],
    ] as const) {
      const { isAlive } = await without(t, code, platform);
      assert.equal(isAlive(mark), alive, `${code} on ${platform}`);
      t.mock.restoreAll();
    }
  });

  it('this process is told from others by when it began, in milliseconds', async (t) => {
    const { ownMark, pidNamespace } = await without(t, 'EACCES');
    assert.deepEqual(ownMark(), {
      pid: process.pid,
      processStart: Math.floor(performance.timeOrigin),
      namespace: pidNamespace(),
    });
  });
});

describe('the pid namespace', () => {
  it('is the number that the kernel has for it, and 0 where there are none', () => {
    const [, number] = /\[(\d+)\]/.exec(readlinkSync('/proc/self/ns/pid'))!;
    assert.equal(pidNamespace(), Number(number));
    // It is read once per process.
    const source = `
      import fs from 'node:fs';
      fs.readlinkSync = () => { throw new Error('not here'); };
      const { pidNamespace } = await import(${JSON.stringify(new URL('../src/snapshot/process-mark.js', import.meta.url))});
      console.log(pidNamespace());`;
    assert.equal(
      execFileSync(process.execPath, ['--input-type=module', '--eval', source], { encoding: 'utf8' }),
      '0\n',
    );
  });
});

type ProcessMarks = typeof import('../src/snapshot/process-mark.ts');
let copies = 0;

// The module as it is where reading fails, until the end of the test. It takes its builtins when it is loaded.
async function without(t: TestContext, code: string, platform: NodeJS.Platform = 'linux'): Promise<ProcessMarks> {
  const { platform: before } = process;
  const refuse = () => {
    throw Object.assign(new Error(code), { code });
  };
  t.mock.method(fs, 'readFileSync', refuse);
  t.mock.method(fs, 'readlinkSync', refuse);
  Object.defineProperty(process, 'platform', { value: platform, configurable: true });
  t.after(() => Object.defineProperty(process, 'platform', { value: before, configurable: true }));
  copies += 1;
  return import(`../src/snapshot/process-mark.js?${copies}`);
}
