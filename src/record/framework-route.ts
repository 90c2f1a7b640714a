/**
 * Asks the frameworks that we know which route a request was answered with, and in which error it ended. The rules: they
 * are asked when a request has ended, never while it is handled; one that is not there costs nothing; nothing in here
 * throws.
 */
import type { Server } from 'node:http';
import { createRequire } from 'node:module';
import { fastifyErrorOf, fastifyRouteOf, isFastifyServer, knowsFastify } from '../fastify-requests.ts';
import { errorTypeOf } from './error-type.ts';
import { EXPRESS_4_MODULE, express4Error, watchExpress4 } from './express-4-errors.ts';
import { expressError, expressRoute } from './express-route.ts';
import { HAPI_MODULE, hapiError, hapiRoute, watchHapi } from './hapi-route.ts';
import { KOA_MODULE, koaError, koaRoute, watchKoa } from './koa-route.ts';
import { UNMATCHED } from './route.ts';

/** One framework: undefined where the request is not its own, or has no error. */
interface Framework {
  route(request: object, status: number): string | undefined;
  error(request: object): unknown;
}

// Frameworks that nothing leads to from a request, by the module that they are watched in.
const MODULES: readonly (Framework & { module: RegExp; watch(exported: unknown): void })[] = [
  { module: KOA_MODULE, watch: watchKoa, route: koaRoute, error: koaError },
  { module: EXPRESS_4_MODULE, watch: watchExpress4, route: () => undefined, error: express4Error },
  { module: HAPI_MODULE, watch: watchHapi, route: hapiRoute, error: hapiError },
];
// A route that takes whatever comes: `*`, `/files/*path`, `/{any*}`, `(.*)`.
const CATCH_ALL = /\*[^/]*$/;

const servers = new WeakSet<object>();
const watched = new WeakSet<object>();
const present = new Set<Framework>();

/**
 * Looks which frameworks are loaded; to be called before the first request of each server is handled, and cheap after
 * that. @throws never
 */
export function meetServer(server: object | undefined): void {
  if (server === undefined || servers.has(server)) return;
  servers.add(server);
  try {
    // Node's register of CommonJS modules, those that ES modules have imported included.
    const { cache } = createRequire(import.meta.url);
    for (const path of Object.keys(cache)) {
      for (const framework of MODULES) if (framework.module.test(path)) meet(framework, cache[path]?.exports);
    }
  } catch {
    // Endpoints are made of paths, as without a framework.
  }
}

function meet(framework: (typeof MODULES)[number], exported: unknown): void {
  if (typeof exported !== 'function' || watched.has(exported)) return;
  watched.add(exported);
  framework.watch(exported);
  present.add(framework);
}

/**
 * The pattern of the route that has answered, as its framework writes it; `unmatched` where there is none, or one for
 * everything that says 404.
 *
 * @param request - at its end, as node:http or node:http2 has given it to the app
 * @param status - of the response, whether it was sent or not
 * @returns undefined when no framework that we know has had it. @throws never
 */
export function routeOf(request: object, status: number): string | undefined {
  try {
    const route = askForRoute(request, status);
    return status === 404 && route !== undefined && CATCH_ALL.test(route) ? UNMATCHED : route;
  } catch {
    // The app, or a version that we do not know, has put something else there.
    return undefined;
  }
}

/**
 * The type of the error that a request has ended in, where its framework keeps it.
 *
 * @returns '' when there is none. @throws never
 */
export function frameworkErrorType(request: object): string {
  try {
    const error = askForError(request);
    return error === undefined || error === null ? '' : errorTypeOf(error);
  } catch {
    return '';
  }
}

function askForRoute(request: object, status: number): string | undefined {
  if (knowsFastify()) {
    const route = fastifyRouteOf(request);
    if (route !== undefined) return route === '' ? UNMATCHED : route;
    const { server } = ((request as { socket?: unknown }).socket ?? {}) as { server?: Server };
    if (isFastifyServer(server)) return UNMATCHED;
  }
  for (const framework of present) {
    const route = framework.route(request, status);
    if (route !== undefined) return route;
  }
  return expressRoute(request, status);
}

function askForError(request: object): unknown {
  if (knowsFastify()) {
    const error = fastifyErrorOf(request);
    if (error !== undefined) return error;
  }
  for (const framework of present) {
    const error = framework.error(request);
    if (error !== undefined) return error;
  }
  return expressError(request);
}
