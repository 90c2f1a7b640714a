// A server that gives its heavy work to two threads. Each thread measures what it does by the OpenTelemetry API; the
// endpoint, http://localhost:9090/metrics, has the sums, and the main thread's requests. `npm start`.
import { pbkdf2Sync } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { isMainThread, parentPort, threadId, Worker } from 'node:worker_threads';
import { metrics } from '@opentelemetry/api';

const THREADS = 2;
const ROUNDS = 10_000;

if (isMainThread) serve();
else work();

function serve() {
  const threads = Array.from({ length: THREADS }, () => new Worker(new URL(import.meta.url)));
  let next = 0;
  const server = createServer(async (request, response) => {
    const thread = threads[next++ % THREADS];
    thread.postMessage(request.url);
    const [{ threadId, hash }] = await once(thread, 'message');
    response.end(`${hash} by thread ${threadId}\n`);
  });
  server.listen(Number(process.env.PORT ?? 8000), () => console.log(`ready on port ${server.address().port}`));
}

function work() {
  const meter = metrics.getMeter('hashes');
  const hashes = meter.createCounter('hashes', { description: 'Hashes made.' });
  const duration = meter.createHistogram('hash.duration', { unit: 's' });
  parentPort.on('message', (text) => {
    const start = performance.now();
    const hash = pbkdf2Sync(text, 'salt', ROUNDS, 16, 'sha256').toString('hex');
    duration.record((performance.now() - start) / 1000);
    hashes.add(1);
    parentPort.postMessage({ threadId, hash });
  });
}
