/**
 * The route that hapi has found, from its own request, which nothing leads to from that of node:http: so the one function
 * that makes them remembers them.
 */
import { UNMATCHED } from './route.ts';

interface HapiRequest {
  /** `_special`: hapi's own, for what no route was found for. */
  readonly route: { readonly path: string; readonly method: string };
  readonly response?: { readonly _error?: unknown } | null;
}

interface RequestClass {
  generate(server: unknown, req: object, res: object, options: unknown): HapiRequest;
}

/** Where hapi has its request, in any place of packages. */
export const HAPI_MODULE = /[\\/]@hapi[\\/]hapi[\\/]lib[\\/]request\.js$/;

const requests = new WeakMap<object, HapiRequest>();

/** @param exported - what hapi's module gives: its class of requests. Once for each. */
export function watchHapi(exported: unknown): void {
  const requestClass = exported as RequestClass;
  const { generate } = requestClass;
  if (typeof generate !== 'function') return;
  const value = function (this: RequestClass, ...args: Parameters<RequestClass['generate']>) {
    const request = generate.apply(this, args);
    if (typeof args[1] === 'object' && args[1] !== null) requests.set(args[1], request);
    return request;
  };
  Object.defineProperty(requestClass, 'generate', { value, writable: true, configurable: true, enumerable: false });
}

/** The route's path, prefixes of plugins included; `unmatched`. @returns undefined when the request is not hapi's */
export function hapiRoute(request: object): string | undefined {
  const route = requests.get(request)?.route;
  if (!route) return undefined;
  return route.method === '_special' ? UNMATCHED : route.path;
}

/** What a handler has thrown, where hapi has answered with it. */
export function hapiError(request: object): unknown {
  return requests.get(request)?.response?._error;
}
