/**
 * What Fastify makes of a request of node:http. Fastify publishes each new instance; two hooks of its own kind, before
 * all others, remember its route and its error. Costs nothing where there is no Fastify.
 */
/** A request as Fastify 4.10 and later have it. */
interface FastifyRequest {
  readonly raw: object;
  /** Without an url where no route was found. */
  readonly routeOptions?: { readonly url?: string };
}

interface FastifyInstance {
  readonly server: object;
  addHook(name: 'onRequest', hook: (request: FastifyRequest, reply: unknown, done: () => void) => void): void;
  addHook(
    name: 'onError',
    hook: (request: FastifyRequest, reply: unknown, error: unknown, done: () => void) => void,
  ): void;
}

const servers = new WeakSet<object>();
const routes = new WeakMap<object, string>();
const errors = new WeakMap<object, unknown>();
let isKnown = false;

/** An instance has been made. @param message - of `fastify.initialization` @throws never */
export function noteFastify(message: unknown): void {
  try {
    const { fastify } = message as { fastify: FastifyInstance };
    // By these names they are in what printRoutes() and printPlugins() tell.
    fastify.addHook('onRequest', function gunicornOtelRoute(request, _reply, done) {
      quietly(() => noteRoute(request, fastify.server));
      done();
    });
    fastify.addHook('onError', function gunicornOtelError(request, _reply, error, done) {
      quietly(() => errors.set(request.raw, error));
      done();
    });
    servers.add(fastify.server);
    isKnown = true;
  } catch {
    // A version that is made otherwise: its requests are told by their paths.
  }
}

/** Whether there has been an instance: without one, nothing else needs to be asked. */
export function knowsFastify(): boolean {
  return isKnown;
}

/** The url of the route, '' where none was found; undefined before Fastify's first hook, or without Fastify. */
export function fastifyRouteOf(request: object): string | undefined {
  return routes.get(request);
}

/** What was thrown, rejected or sent while handling a request. */
export function fastifyErrorOf(request: object): unknown {
  return errors.get(request);
}

/** Whether all that comes to a server is Fastify's. */
export function isFastifyServer(server: object | undefined): boolean {
  return server !== undefined && servers.has(server);
}

// At once: callNotFound() takes the route away.
function noteRoute({ raw, routeOptions }: FastifyRequest, server: object): void {
  // Before 4.10 its requests are told by their paths.
  if (routeOptions) routes.set(raw, routeOptions.url ?? '');
  else servers.delete(server);
}

function quietly(body: () => void): void {
  try {
    body();
  } catch {
    // A hook that throws would fail the request.
  }
}
