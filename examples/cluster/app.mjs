// The app that each worker runs: a few routes, and two instruments of its own through the OpenTelemetry API.
import { createServer } from 'node:http';
import { metrics } from '@opentelemetry/api';

const meter = metrics.getMeter('example-shop');
const orders = meter.createCounter('shop.orders', { description: 'Orders placed.', unit: '{order}' });
const basket = meter.createGauge('shop.basket.value', { description: 'Value of the last basket.', unit: 'EUR' });

const routes = {
  'GET /': (_req, res) => res.end('hello\n'),
  'GET /slow': (_req, res) => setTimeout(() => res.end('slow\n'), 200),
  'GET /fail': (_req, res) => {
    res.statusCode = 500;
    res.end('failed\n');
  },
  'POST /orders': async (req, res) => {
    let size = 0;
    for await (const chunk of req) size += chunk.length;
    orders.add(1, { channel: 'web' });
    basket.record(size);
    res.statusCode = 201;
    res.end('ordered\n');
  },
};

const server = createServer((req, res) => {
  const route = routes[`${req.method} ${req.url.split('?', 1)[0]}`];
  if (route) return route(req, res);
  res.statusCode = 404;
  res.end('not found\n');
});

server.listen(Number(process.env.PORT ?? 8000), () =>
  console.log(`worker ${process.pid} on port ${server.address().port}`),
);
// The primary signals the whole group through it; a Ctrl-C reaches the workers too and is not theirs to obey.
for (const signal of ['SIGINT', 'SIGHUP']) process.on(signal, () => {});
// Answers what it has begun; connections that are kept alive end as soon as they are idle.
process.on('disconnect', () => {
  server.close(() => process.exit(0));
  setInterval(() => server.closeIdleConnections(), 100);
});
