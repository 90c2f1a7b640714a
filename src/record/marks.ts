/** What an app says of a request that Node does not know: its route, and the error it ended in. Kept with the request. */
import { channel } from 'node:diagnostics_channel';
import type { IncomingMessage } from 'node:http';
import type { Http2ServerRequest, ServerHttp2Stream } from 'node:http2';
import { errorTypeOf } from './error-type.ts';

/** What an app has of a request: Node's object for it, or its stream where the app uses HTTP/2 without requests. */
export type AppRequest = IncomingMessage | Http2ServerRequest | ServerHttp2Stream;

/** Said of one request. */
export interface Marks {
  route?: string;
  errorType?: string;
}

// For every copy of this package: the app may import another one than the preloaded.
const MARKS = Symbol.for('@x/gunicorn-otel.request-marks');
const marking = channel('@x/gunicorn-otel.request-marks');
// Most apps never say a word, and to look for what is not there is what costs most.
let hasMarked = false;
let hears = false;

/** Begins to hear of marks, also of those that other copies make; once per process or thread. @throws never */
export function hearMarks(): void {
  if (hears) return;
  hears = true;
  marking.subscribe(() => {
    hasMarked = true;
  });
}

/** What was said of a request; by other copies since hearMarks(). @returns undefined when nothing was */
export function marksOf(request: object): Marks | undefined {
  return hasMarked ? (request as { [MARKS]?: Marks })[MARKS] : undefined;
}

/**
 * Names the route of a request, for routers that this package does not know. The last word before the response ends
 * counts; call it in the handler.
 *
 * @param request - as Node gave it to the app; with HTTP/2 also its stream
 * @param route - a pattern such as `/users/:id`, never the path itself: at most GUNICORN_OTEL_MAX_ENDPOINTS different
 *   ones are told apart, then `other`
 * @throws never
 */
export function setRoute(request: AppRequest, route: string): void {
  if (typeof route === 'string' && route !== '') mark(request, { route });
}

/**
 * Says that handling a request failed, whatever its status: it counts as failed, with the error's code or class as its
 * `error_type`. For errors that the app or its framework has caught.
 *
 * @param request - as Node gave it to the app; with HTTP/2 also its stream
 * @param error - what was thrown; at most 100 different types are told apart, then `_OTHER`
 * @throws never
 */
export function recordException(request: AppRequest, error: unknown): void {
  mark(request, { errorType: errorTypeOf(error) });
}

function mark(request: object, said: Marks): void {
  try {
    const marked = request as { [MARKS]?: Marks };
    marked[MARKS] = { ...marked[MARKS], ...said };
    hasMarked = true;
    marking.publish(undefined);
  } catch {
    // No request at all, or one that takes no properties: there is nothing to remember it by.
  }
}
