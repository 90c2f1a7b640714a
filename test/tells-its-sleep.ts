/** The exporter's thread, which writes beside its group's directory how often it has given way. */
import { writeFileSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import type { ThreadData } from '../src/export/exporter.ts';

const { directory } = (workerData as ThreadData).options;
const { wait } = Atomics;
let times = 0;
Atomics.wait = ((...how: Parameters<typeof wait>) => {
  times += 1;
  writeFileSync(`${directory}.slept`, String(times));
  return wait(...how);
}) as typeof wait;
await import('../src/export/thread.ts');
