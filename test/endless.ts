/** What goes on beside a test until it is stopped: its failure is that of whoever stops it, and it ends with its test. */
import { atEnd, type Owner } from './processes.ts';

/** @param run - begins at once, and ends soon when it is stopped */
export function endless<T>(owner: Owner, run: (isStopped: () => boolean) => Promise<T>): { stop(): Promise<T> } {
  let stopped = false;
  const all = run(() => stopped);
  // It is awaited in stop(); until then its failure is not unhandled.
  all.catch(() => {});
  const stop = () => {
    stopped = true;
    return all;
  };
  atEnd(owner, async () => {
    await stop().catch(() => {});
  });
  return { stop };
}
