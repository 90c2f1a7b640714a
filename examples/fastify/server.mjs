// A shop in Fastify: a plugin with a prefix, a parameter, and an instrument of the app's own. `npm start`, then
// `curl localhost:8000/api/orders/7` and `curl localhost:9090/metrics`: it counts as /api/orders/:id.
import { metrics } from '@opentelemetry/api';
import Fastify from 'fastify';

const ordered = metrics.getMeter('shop').createCounter('shop.orders', { unit: '{order}' });

async function orders(app) {
  app.get('/:id', async (request) => ({ id: request.params.id }));
  app.get('/:id/invoice', async (request) => {
    throw new RangeError(`no invoice for ${request.params.id}`);
  });
  app.post('/', async (_request, reply) => {
    ordered.add(1, { channel: 'web' });
    return reply.code(201).send({ id: '8' });
  });
}

const app = Fastify();
app.register(orders, { prefix: '/api/orders' });

await app.listen({ port: Number(process.env.PORT ?? 8000) });
console.log(`ready on port ${app.server.address().port}`);
process.once('SIGTERM', () => app.close());
