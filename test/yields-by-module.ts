/** The exporter's thread, which writes beside its group's directory in which modules it has yielded. */
import { appendFileSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import type { ThreadData } from '../src/export/exporter.ts';

const { directory } = (workerData as ThreadData).options;
const { wait } = Atomics;
Atomics.wait = ((...how: Parameters<typeof wait>) => {
  const [, module = ''] = /yieldCore[^\n]*\n[^\n]*\/([\w-]+)\.js:/.exec(new Error().stack ?? '') ?? [];
  appendFileSync(`${directory}.yields`, `${module}\n`);
  return wait(...how);
}) as typeof wait;
await import('../src/export/thread.ts');
