/** Processes that do nothing until they are killed: to be the living and the dead of a group. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { ProcessMark } from '../src/snapshot/process-mark.ts';
import { atEnd, type Owner } from './processes.ts';

export interface Sleeper {
  readonly mark: ProcessMark;
  /** Kills it; resolves when it is dead. */
  kill(): Promise<void>;
}

/** Starts a process that is killed with its test at the latest. */
export async function startSleeper(owner: Owner): Promise<Sleeper> {
  const child = spawn('sleep', ['600'], { stdio: 'ignore' });
  atEnd(owner, () => {
    child.kill('SIGKILL');
  });
  await once(child, 'spawn');
  return {
    mark: markOf(child.pid!),
    async kill() {
      const exit = once(child, 'exit');
      child.kill('SIGKILL');
      await exit;
    },
  };
}

/** The mark of a process that is dead. */
export async function deadMark(owner: Owner): Promise<ProcessMark> {
  const sleeper = await startSleeper(owner);
  await sleeper.kill();
  return sleeper.mark;
}

/** @see proc(5): the name in parentheses may hold anything; the start time is the 22nd field */
export function markOf(pid: number): ProcessMark {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return { pid, processStart: Number(/.*\) (?:\S+ ){19}(\d+)/s.exec(stat)![1]) };
}
