/**
 * What Fastify makes of a request of node:http. Fastify publishes each new instance; two hooks of its own kind, before
 * all others, remember its request and its error. Costs nothing where there is no Fastify.
 */
import { channel } from 'node:diagnostics_channel';

/** A request as Fastify 4.10 and later have it. */
export interface FastifyRequest {
  readonly raw: object;
  readonly is404: boolean;
  readonly routeOptions: { readonly url?: string };
}

interface FastifyInstance {
  readonly server: object;
  addHook(name: 'onRequest', hook: (request: FastifyRequest, reply: unknown, done: () => void) => void): void;
  addHook(
    name: 'onError',
    hook: (request: FastifyRequest, reply: unknown, error: unknown, done: () => void) => void,
  ): void;
}

// Held here: a channel without a strong reference may be collected, subscribers included (Node 20).
const initialization = channel('fastify.initialization');
const servers = new WeakSet<object>();
const requests = new WeakMap<object, FastifyRequest>();
const errors = new WeakMap<object, unknown>();
let isKnown = false;

/** Begins to watch for instances. @throws never */
export function watchFastify(): void {
  initialization.subscribe(onInitialization);
}

/** Whether there has been an instance: without one, nothing else needs to be asked. */
export function knowsFastify(): boolean {
  return isKnown;
}

/** @returns undefined when the request is not Fastify's, or has not come as far as its first hook */
export function fastifyRequestOf(request: object): FastifyRequest | undefined {
  return requests.get(request);
}

/** What was thrown, rejected or sent while handling a request. */
export function fastifyErrorOf(request: object): unknown {
  return errors.get(request);
}

/** Whether all that comes to a server is Fastify's. */
export function isFastifyServer(server: object | undefined): boolean {
  return server !== undefined && servers.has(server);
}

function onInitialization(message: unknown): void {
  try {
    const { fastify } = message as { fastify: FastifyInstance };
    // By these names they are in what printRoutes() and printPlugins() tell.
    fastify.addHook('onRequest', function gunicornOtelRequest(request, _reply, done) {
      requests.set(request.raw, request);
      done();
    });
    fastify.addHook('onError', function gunicornOtelError(request, _reply, error, done) {
      errors.set(request.raw, error);
      done();
    });
    servers.add(fastify.server);
    isKnown = true;
  } catch {
    // A version that is made otherwise: its requests are told by their paths.
  }
}
