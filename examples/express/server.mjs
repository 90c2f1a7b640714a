// A shop in Express: a router mounted at a path, a parameter, and an instrument of the app's own. `npm start`, then
// `curl localhost:8000/api/orders/7` and `curl localhost:9090/metrics`: it counts as /api/orders/:id.
import { metrics } from '@opentelemetry/api';
import express from 'express';

const ordered = metrics.getMeter('shop').createCounter('shop.orders', { unit: '{order}' });

const orders = express.Router();
orders.get('/:id', (req, res) => res.json({ id: req.params.id }));
orders.get('/:id/invoice', async (req) => {
  throw new RangeError(`no invoice for ${req.params.id}`);
});
orders.post('/', (_req, res) => {
  ordered.add(1, { channel: 'web' });
  res.status(201).json({ id: '8' });
});

const app = express();
app.use('/api/orders', orders);
// The last word on errors is the app's; the metrics have the error's class all the same.
app.use((_error, _req, res, _next) => res.status(500).json({ error: 'internal' }));

const server = app.listen(process.env.PORT ?? 8000, () => console.log(`ready on port ${server.address().port}`));
process.once('SIGTERM', () => server.close());
