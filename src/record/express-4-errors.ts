/**
 * The errors of Express 4, which keeps none: they are seen on their way, where its router hands one to middleware for
 * errors, and where one leaves a router, at last for Express's own answer. Both places stay what they are otherwise.
 */

interface Layer {
  handle_error(error: unknown, request: object, response: object, next: unknown): void;
}
/** What `express.Router` is in Express 4: the parent of every router. */
interface Router {
  handle(request: object, response: object, out: (error?: unknown) => void): void;
}

/** Where Express 4 has its router, in any place of packages; what else is called so has no methods of these names. */
export const EXPRESS_4_MODULE = /[\\/]lib[\\/]router[\\/](?:index|layer)\.js$/;

const errors = new WeakMap<object, unknown>();

/** @param exported - what one of the two modules gives. Once for each. */
export function watchExpress4(exported: unknown): void {
  const { prototype: layer } = exported as { prototype?: Partial<Layer> };
  if (typeof layer?.handle_error === 'function') watchLayers(layer as Layer);
  const router = exported as Partial<Router> & { process_params?: unknown };
  if (typeof router.handle === 'function' && typeof router.process_params === 'function')
    watchRouters(router as Router);
}

/** What was thrown or passed to `next()`, the last. */
export function express4Error(request: object): unknown {
  return errors.get(request);
}

function watchLayers(prototype: Layer): void {
  const { handle_error: handle } = prototype;
  prototype.handle_error = function handle_error(error, request, response, next) {
    note(request, error);
    handle.call(this, error, request, response, next);
  };
}

function watchRouters(parent: Router): void {
  const { handle: route } = parent;
  parent.handle = function handle(request, response, out) {
    route.call(this, request, response, typeof out === 'function' ? (error) => leave(request, error, out) : out);
  };
}

function leave(request: object, error: unknown, out: (error?: unknown) => void): void {
  note(request, error);
  out(error);
}

// The two words are the router's own, for going on elsewhere.
function note(request: object, error: unknown): void {
  if (error && error !== 'route' && error !== 'router' && typeof request === 'object') errors.set(request, error);
}
