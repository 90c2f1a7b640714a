/**
 * The route that @koa/router has found, from the context of Koa, which nothing leads to from a request of node:http: so the
 * one method that makes contexts remembers them. Koa tells errors by events of the app: they are seen on their way.
 */
import { UNMATCHED } from './route.ts';

interface Layer {
  readonly path: string | RegExp;
  readonly methods: readonly string[];
}

interface Context {
  readonly req: object;
  readonly app: { readonly middleware: readonly { readonly router?: unknown }[] };
  readonly method: string;
  /** Of @koa/router: all that match the path, once it has looked. */
  readonly matched?: readonly Layer[];
  readonly _matchedRoute?: string | RegExp;
}

interface Application {
  createContext(req: object, res: object): Context;
  emit(name: string | symbol, ...args: unknown[]): boolean;
}

/** Where Koa has its application, in any place of packages. */
export const KOA_MODULE = /[\\/]koa[\\/]lib[\\/]application\.js$/;

const contexts = new WeakMap<object, Context>();
const errors = new WeakMap<object, unknown>();
const hasRouter = new WeakMap<object, boolean>();

/** @param exported - what Koa's module gives: its Application. Once for each. */
export function watchKoa(exported: unknown): void {
  const { prototype } = exported as { prototype: Application };
  const { createContext } = prototype;
  if (typeof createContext !== 'function') return;
  shadow(prototype, 'createContext', function (this: Application, req: object, res: object) {
    const context = createContext.call(this, req, res);
    if (isObject(req)) contexts.set(req, context);
    return context;
  });
  const parent = Object.getPrototypeOf(prototype) as Application;
  shadow(prototype, 'emit', function (this: Application, name: string | symbol, ...args: unknown[]) {
    const [error, context] = args as [unknown, Context?];
    if (name === 'error' && isObject(context?.req)) errors.set(context.req, error);
    // Looked up at each call: a patch of the parent that comes later holds as it would without us.
    return parent.emit.call(this, name, ...args);
  });
}

/** The route's pattern, prefixes of its routers included; `unmatched`. @returns undefined when no @koa/router is asked */
export function koaRoute(request: object): string | undefined {
  const context = contexts.get(request);
  if (!context) return undefined;
  const { matched, _matchedRoute: path, method } = context;
  if (matched === undefined) return usesRouter(context.app) ? UNMATCHED : undefined;
  if (path === undefined) return UNMATCHED;
  // Middleware of the router that goes no further has its own path there.
  const isRoute = matched.some((layer) => layer.path === path && layer.methods.length > 0);
  const layer = isRoute ? undefined : matched.findLast(({ methods }) => methods.includes(method));
  return String(layer?.path ?? path);
}

/** What a handler has thrown, or the app has emitted for a request. */
export function koaError(request: object): unknown {
  return errors.get(request);
}

function usesRouter(app: Context['app']): boolean {
  let uses = hasRouter.get(app);
  if (uses === undefined) {
    uses = app.middleware.some(({ router }) => router !== undefined);
    hasRouter.set(app, uses);
  }
  return uses;
}

function shadow(prototype: object, name: string, value: unknown): void {
  Object.defineProperty(prototype, name, { value, writable: true, configurable: true, enumerable: false });
}

// Tests of apps make contexts of whatever they have.
function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
