/** What an app says of a request that Node does not know: its route, and the error it ended in. Kept with the request. */
import type { IncomingMessage } from 'node:http';
import { errorTypeOf } from './error-type.ts';

/** Said of one request. */
export interface Marks {
  route?: string;
  errorType?: string;
}

// For every copy of this package: the app may import another one than the preloaded.
const MARKS = Symbol.for('@x/gunicorn-otel.request-marks');

/** What was said of a request. @returns undefined when nothing was */
export function marksOf(request: object): Marks | undefined {
  return (request as { [MARKS]?: Marks })[MARKS];
}

/**
 * Names the route of a request, for routers that this package does not know. The last word before the response ends
 * counts; call it in the handler.
 *
 * @param request - as node:http gave it to the app
 * @param route - a pattern such as `/users/:id`, never the path itself: at most GUNICORN_OTEL_MAX_ENDPOINTS different
 *   ones are told apart, then `other`
 * @throws never
 */
export function setRoute(request: IncomingMessage, route: string): void {
  if (typeof route === 'string' && route !== '') mark(request, { route });
}

/**
 * Says that handling a request failed, whatever its status: it counts as failed, with the error's code or class as its
 * `error_type`. For errors that the app or its framework has caught.
 *
 * @param request - as node:http gave it to the app
 * @param error - what was thrown; at most 100 different types are told apart, then `_OTHER`
 * @throws never
 */
export function recordException(request: IncomingMessage, error: unknown): void {
  mark(request, { errorType: errorTypeOf(error) });
}

function mark(request: object, said: Marks): void {
  try {
    const marked = request as { [MARKS]?: Marks };
    marked[MARKS] = { ...marked[MARKS], ...said };
  } catch {
    // No request at all, or one that takes no properties: there is nothing to remember it by.
  }
}
