/**
 * A server with an exporter thread of a group, or with a thread that does nothing; started by memory.ts in a place where
 * the package is installed. Says the URL, and on each line of stdin what memory there is more than before the thread.
 */
import { once } from 'node:events';
import { createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Worker } from 'node:worker_threads';
import { readSettings } from '../../src/config.ts';
import { ExporterThread } from '../../src/exporter-thread.ts';
import { ownMark } from '../../src/snapshot/process-mark.ts';
import { addedMemory, memoryOf } from './resident-memory.ts';

const REQUESTS = 3000;

const [directory = ''] = process.argv.slice(2);
// As it is packed.
const PROGRAM = new URL('../../lib/export/thread.js', import.meta.url);
const { settings } = readSettings({});
const own = { metricsPort: 0, bindAddress: '127.0.0.1', logLevel: 'none' } as const;
await serve();
const before = memoryOf('self');
process.stdin.on('data', () => console.log(JSON.stringify(addedMemory(memoryOf('self'), before))));
if (directory === '') {
  const worker = new Worker('setInterval(() => {}, 1000)', { eval: true, execArgv: [], stdout: true, stderr: true });
  await once(worker, 'online');
  console.log('');
} else {
  const exporter = new ExporterThread(
    {
      directory,
      settings: { ...settings, ...own },
      version: '0',
      lead: { number: 0, holder: { ...ownMark(), threadId: 0 }, startMs: Date.now() },
    },
    () => {},
    PROGRAM,
  );
  console.log(await exporter.url);
}
await once(process.stdin, 'end');
process.exit();

// What an app has loaded of Node by the time is not the thread's.
async function serve(): Promise<void> {
  const server = createServer((_request, response) => response.end('hello world')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  for (let i = 0; i < REQUESTS; i += 1) {
    const [answer] = await once(get({ port, host: '127.0.0.1', agent: false }), 'response');
    answer.resume();
    await once(answer, 'end');
  }
}
