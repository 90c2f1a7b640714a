// The app that PM2 runs. It knows nothing of PM2, and of metrics only its own counter.
import { createServer } from 'node:http';
import { metrics } from '@opentelemetry/api';

const orders = metrics.getMeter('shop').createCounter('shop.orders', { unit: '{order}' });

const server = createServer((_request, response) => {
  orders.add(1);
  response.end(`ordered in ${process.pid}\n`);
});
server.listen(Number(process.env.PORT), () => console.log(`ready on port ${server.address().port} in ${process.pid}`));
// By this signal PM2 stops and reloads an instance: what has begun is answered.
process.once('SIGINT', () => server.close(() => process.exit(0)));
