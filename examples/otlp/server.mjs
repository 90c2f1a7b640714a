// A shop of two workers whose metrics are pushed to a Collector, as one stream, and scraped as well. `npm start` pushes to
// localhost:4318 every ten seconds; OTEL_EXPORTER_OTLP_ENDPOINT names another receiver.
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
