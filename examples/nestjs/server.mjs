// A shop in NestJS: a global prefix, a controller, a parameter, and an instrument of the app's own. `npm start`, then
// `curl localhost:8000/api/orders/7` and `curl localhost:9090/metrics`: it counts as /api/orders/:id. In TypeScript the
// decorators below stand where they belong; here they are called, so that Node runs this file as it is.
import 'reflect-metadata';
import { Catch, Controller, Get, HttpException, Module, Param, Post } from '@nestjs/common';
import { BaseExceptionFilter, NestFactory } from '@nestjs/core';
import { metrics } from '@opentelemetry/api';
import { recordException } from '@x/gunicorn-otel';

const ordered = metrics.getMeter('shop').createCounter('shop.orders', { unit: '{order}' });

class OrdersController {
  find(id) {
    return { id };
  }
  invoice(id) {
    throw new RangeError(`no invoice for ${id}`);
  }
  create() {
    ordered.add(1, { channel: 'web' });
    return { id: '8' };
  }
}
decorate(OrdersController, 'find', Get(':id'), Param('id'));
decorate(OrdersController, 'invoice', Get(':id/invoice'), Param('id'));
decorate(OrdersController, 'create', Post());
Controller('orders')(OrdersController);

// NestJS tells nobody which errors it has answered. This counts them by their class, and changes nothing else.
class TellsErrors extends BaseExceptionFilter {
  catch(error, host) {
    const request = host.switchToHttp().getRequest();
    const isRefusal = error instanceof HttpException && error.getStatus() < 500;
    if (!isRefusal) recordException(request.raw ?? request, error);
    super.catch(error, host);
  }
}
Catch()(TellsErrors);

class AppModule {}
Module({ controllers: [OrdersController] })(AppModule);

function decorate({ prototype }, name, ofMethod, ...ofParameters) {
  ofMethod(prototype, name, Object.getOwnPropertyDescriptor(prototype, name));
  for (const [index, ofParameter] of ofParameters.entries()) ofParameter(prototype, name, index);
}

const app = await NestFactory.create(AppModule, { logger: ['error', 'warn'] });
app.useGlobalFilters(new TellsErrors(app.getHttpAdapter()));
app.setGlobalPrefix('api').enableShutdownHooks();
await app.listen(process.env.PORT ?? 8000);
console.log(`ready on port ${app.getHttpServer().address().port}`);
