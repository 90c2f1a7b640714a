/**
 * The pattern of the route that an Express app, 4 or 5, has answered with. Nothing is hooked: at the end of a request
 * `req.route` says which route it was, and the app's stack of layers where that is mounted. `req.baseUrl` would not do: it
 * has the path and not the pattern, and is empty again once an error has left the router.
 */
import { performance } from 'node:perf_hooks';
import {
  type App,
  behind,
  join,
  type Layer,
  matchOf,
  mountPath,
  type Route,
  stackOf,
  textOf,
} from './express-layers.ts';
import { endpointOf, UNMATCHED } from './route.ts';
import { isUncached, noteExpress } from './uncached.ts';

/** What Express leaves on a request. */
interface ExpressRequest {
  readonly app?: App;
  readonly route?: Route;
  readonly baseUrl?: string;
  readonly originalUrl?: string;
  readonly url?: string;
}

/** One place of a route: it has as many as its router has been mounted. */
interface Place {
  readonly mounts: readonly Layer[];
  readonly layer: Layer;
  /** Once it is known. */
  pattern?: string;
}

// Routers that hold each other would be walked for ever.
const MAX_DEPTH = 20;
// An app may make routers while it runs, for each request even.
const LOOK_AGAIN_MS = 1000;
const MAX_KNOWN_MOUNTS = 1000;
// As Express names the function that leads into an app.
const MOUNTED_APP = 'mounted_app';
// As the router registers it, for other copies of itself.
const PASSED_ERRORS = Symbol.for('router.tracing.publishedErrors');

const places = new WeakMap<Route, Place[]>();
const lookedAt = new WeakMap<App, number>();
const knownMounts = new WeakMap<App, Map<string, string>>();
// Bound, so that an app's fake timers do not change what we measure.
const now = performance.now.bind(performance);

/**
 * The pattern of the route, mounts included: `/api/users/:id`. Without a route, that of the mount whose middleware has
 * answered; `unmatched` where that is none, or the answer is a 404.
 *
 * @param request - of any server, at its end
 * @returns undefined when it is no Express app's
 */
export function expressRoute(request: object, status: number): string | undefined {
  const route = routeIn(request);
  if (!route) return mountOf(request, status);
  const known = places.get(route) ?? find((request as ExpressRequest).app, route);
  if (!known) return hiddenPattern(request, route);
  const place = known.length === 1 ? known[0] : known.find((each) => fits(each, pathOf(request)));
  const isMounted = place !== undefined && place.mounts.length > 0;
  if (isMounted && place.pattern !== undefined) return place.pattern;
  const baseUrl = baseUrlIn(request);
  if (place?.pattern !== undefined && baseUrl === '') return place.pattern;
  // Its app is in a router, where nothing tells of it; an app that rewrites its urls; an error has left the router.
  const isFit = place !== undefined && fits(place, pathOf(request));
  if (!place || (!isFit && baseUrl !== '')) return hiddenPattern(request, route);
  const pattern = patternOf(place, route, pathOf(request));
  if (isFit) place.pattern = pattern;
  return pattern;
}

/** Of the errors that were passed to `next()`, thrown or rejected, the last. Only router 2.3 and later keep them. */
export function expressError(request: object): unknown {
  const errors = (request as { [PASSED_ERRORS]?: unknown })[PASSED_ERRORS];
  return errors instanceof Set ? [...errors].at(-1) : undefined;
}

function routeIn(request: ExpressRequest): Route | undefined {
  return isUncached() ? Reflect.get(request, 'route') : request.route;
}

function baseUrlIn(request: ExpressRequest): string {
  return (isUncached() ? Reflect.get(request, 'baseUrl') : request.baseUrl) ?? '';
}

function mountOf({ app, baseUrl = '' }: ExpressRequest, status: number): string | undefined {
  if (typeof app?.handle !== 'function' || !app.settings) return undefined;
  noteExpress();
  return status === 404 || baseUrl === '' ? UNMATCHED : mountAt(rootOf(app), baseUrl);
}

function find(app: App | undefined, route: Route): Place[] | undefined {
  noteExpress();
  for (let each = app; each; each = each.parent) {
    const atMs = now();
    if (atMs - (lookedAt.get(each) ?? Number.NEGATIVE_INFINITY) < LOOK_AGAIN_MS) continue;
    lookedAt.set(each, atMs);
    index(stackOf(each), mountsOf(each));
  }
  return places.get(route);
}

function index(stack: readonly Layer[], mounts: readonly Layer[]): void {
  for (const layer of stack) {
    const { route, handle } = layer;
    if (typeof route !== 'object') {
      if (mounts.length < MAX_DEPTH) index(stackOf(handle), [...mounts, layer]);
      continue;
    }
    const known = places.get(route) ?? [];
    if (known.some((place) => isSame(place.mounts, mounts))) continue;
    known.push({ mounts, layer });
    places.set(route, known);
  }
}

function isSame(mounts: readonly Layer[], others: readonly Layer[]): boolean {
  return mounts.length === others.length && mounts.every((mount, i) => mount === others[i]);
}

function rootOf(app: App): App {
  return app.parent ? rootOf(app.parent) : app;
}

// Where an app is that another has mounted: behind a function, so that its path is all there is to find it by.
function mountsOf({ parent, mountpath }: App): readonly Layer[] {
  if (!parent) return [];
  const path = textOf(mountpath);
  const layer = stackOf(parent).find((each) => each.name === MOUNTED_APP && mountPath(each, '') === path);
  return [...mountsOf(parent), layer ?? { handle: {}, rawPath: mountpath }];
}

function patternOf({ mounts }: Place, route: Route, path: string): string {
  let pattern = '';
  let rest = path;
  for (const mount of mounts) {
    const text = matchOf(mount, rest) ?? '';
    pattern = join(pattern, mountPath(mount, text));
    rest = behind(rest, text);
  }
  return join(pattern, textOf(route.path));
}

function fits({ mounts, layer }: Place, path: string): boolean {
  let rest = path;
  for (const mount of mounts) {
    const text = matchOf(mount, rest);
    if (text === undefined) return false;
    rest = behind(rest, text);
  }
  return matchOf(layer, rest) !== undefined;
}

// Behind a function of the app's own, or in an app that nothing was heard of yet: what was matched tells where that is.
function hiddenPattern(request: ExpressRequest, route: Route): string | undefined {
  const { app, baseUrl } = request;
  const { path } = route;
  if (typeof path !== 'string' && !Array.isArray(path) && !(path instanceof RegExp)) return undefined;
  if (baseUrl) return join(app ? mountAt(rootOf(app), baseUrl) : endpointOf(baseUrl), textOf(path));
  const target = pathOf(request);
  const mounted = app && stackOf(app).find((layer) => layer.name === MOUNTED_APP && matchOf(layer, target));
  return mounted ? join(mountPath(mounted, matchOf(mounted, target)!), textOf(path)) : textOf(path);
}

// The pattern of what is mounted at a path; kept, so that it is looked for once.
function mountAt(root: App, baseUrl: string): string {
  let known = knownMounts.get(root);
  if (!known || known.size >= MAX_KNOWN_MOUNTS) {
    known = new Map();
    knownMounts.set(root, known);
  }
  let pattern = known.get(baseUrl);
  if (pattern === undefined) {
    pattern = mountIn(stackOf(root), baseUrl, 0) ?? endpointOf(baseUrl);
    // A copy: a slice would keep the whole url, query and all, in memory.
    known.set(Buffer.from(baseUrl, 'latin1').toString('latin1'), pattern);
  }
  return pattern;
}

function mountIn(stack: readonly Layer[], path: string, depth: number): string | undefined {
  for (const layer of stack) {
    const text = layer.route ? undefined : matchOf(layer, path);
    if (text === undefined) continue;
    const rest = behind(path, text);
    if (text !== '' && rest === '/') return mountPath(layer, text);
    const inner = depth < MAX_DEPTH ? mountIn(stackOf(layer.handle), rest, depth + 1) : undefined;
    if (inner) return join(mountPath(layer, text), inner);
  }
  return undefined;
}

function pathOf({ originalUrl, url = '/' }: ExpressRequest): string {
  const target = originalUrl ?? url;
  const queryAt = target.indexOf('?');
  return queryAt === -1 ? target : target.slice(0, queryAt);
}
