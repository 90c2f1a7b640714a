// A shop of two workers whose metrics are put into Redis, for one endpoint over many machines. `npm start` here and on
// any other machine, each with REDIS_HOST; `npm run fleet` once; `curl localhost:9099/metrics` shows the sums of all.
import cluster from 'node:cluster';
import { createServer } from 'node:http';
import { metrics } from '@opentelemetry/api';

if (cluster.isPrimary) {
  for (let i = 0; i < 2; i += 1) cluster.fork();
  process.once('SIGTERM', () => {
    // One that got the signal as well has gone already, or is about to.
    for (const worker of Object.values(cluster.workers)) worker.once('error', () => {});
    cluster.disconnect();
  });
} else {
  const orders = metrics.getMeter('shop').createCounter('shop.orders', { unit: '{order}' });
  const server = createServer((_request, response) => {
    orders.add(1);
    response.end('ordered\n');
  });
  server.listen(process.env.PORT ?? 8000, () => console.log(`ready on port ${server.address().port}`));
}
