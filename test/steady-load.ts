/** Clients that ask the processes of a group in turn, all the time, and remember who answered what and when. */
import { setTimeout as delay } from 'node:timers/promises';
import { atEnd, type Owner } from './processes.ts';
import { request } from './requests.ts';

const PAUSE_MS = 5;
// A connection that was on its way to a killed process may never be answered nor closed.
const NEVER_ANSWERED_MS = 1000;

export interface Load {
  /** Every answer that was read: by whom, and when on performance.now(). */
  answers: { pid: number; readAt: number }[];
  sent(): number;
  stop(): Promise<void>;
}

/**
 * @param ports - asked before each request: the ports of the app, in turn
 */
export function startLoad(owner: Owner, ports: () => number[], clients = 2): Load {
  const answers: Load['answers'] = [];
  let sent = 0;
  let stopped = false;
  const client = async () => {
    while (!stopped) {
      const all = ports();
      const port = all[sent % all.length];
      sent += 1;
      const answer = await request(`http://127.0.0.1:${port}/`, { timeout: NEVER_ANSWERED_MS }).catch(() => undefined);
      if (answer) answers.push({ pid: Number(answer.body), readAt: performance.now() });
      await delay(PAUSE_MS);
    }
  };
  const all = Promise.all(Array.from({ length: clients }, client));
  const stop = async () => {
    stopped = true;
    await all;
  };
  atEnd(owner, stop);
  return { answers, sent: () => sent, stop };
}
