// Traces by an OpenTelemetry SDK of the app's own, metrics by this package as one of its instrumentations. `npm start`;
// spans are printed, metrics are at http://localhost:9090/metrics.
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { metrics, trace } from '@opentelemetry/api';
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http';
import { NodeSDK } from '@opentelemetry/sdk-node';
import { GunicornInstrumentation } from '@x/gunicorn-otel';

process.env.OTEL_TRACES_EXPORTER ??= 'console';
new NodeSDK({
  serviceName: 'shop',
  instrumentations: [new HttpInstrumentation(), new GunicornInstrumentation()],
  logRecordProcessors: [],
  // Without this line NodeSDK takes the app's metrics, and pushes them by OTLP.
  metricReaders: [],
}).start();
// An instrumentation patches what is required after it; in an ES module that takes this line, or OpenTelemetry's loader.
createRequire(import.meta.url)('node:http');

const tracer = trace.getTracer('shop');
const orders = metrics.getMeter('shop').createCounter('shop.orders', { unit: '{order}' });

const server = createServer((request, response) => {
  if (request.url !== '/orders') return response.writeHead(404).end('not found\n');
  tracer.startActiveSpan('place order', (span) => {
    orders.add(1, { channel: 'web' });
    response.end('ordered\n');
    span.end();
  });
});
server.listen(Number(process.env.PORT ?? 8000), () => console.log(`ready on port ${server.address().port}`));
