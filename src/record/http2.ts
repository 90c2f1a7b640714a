/**
 * Watches every request of HTTP/2 servers, which is a stream that a client has opened, and tells the request table. The
 * rule: each counts once, however it ends, by one way in all versions of Node; what the app sees of its servers, sessions
 * and streams is what it would see without us.
 */
import { executionAsyncResource } from 'node:async_hooks';
import { channel } from 'node:diagnostics_channel';
import type {
  Http2Server,
  Http2ServerRequest,
  Http2ServerResponse,
  IncomingHttpHeaders,
  ServerHttp2Stream,
} from 'node:http2';
import { performance } from 'node:perf_hooks';
import { accompany } from './companions.ts';
import { errorTypeOf } from './error-type.ts';
import { frameworkErrorType, meetServer, routeOf } from './framework-route.ts';
import { lookOn } from './looked-on.ts';
import { marksOf, recordException } from './marks.ts';
import type { HttpOptions, HttpWatch } from './request-source.ts';
import { enter, type Link, leave, newRing } from './ring.ts';
import { hear } from './servers.ts';
import { shadow } from './shadow.ts';
import { errorTypeOfStream } from './stream-outcome.ts';

/** A request under way. Method and target are those it came with: routers and middleware change them. */
interface UnderWay extends Link {
  readonly stream: Tracked;
  readonly method: string | undefined;
  readonly target: string;
  readonly startMs: number;
  /** Code of the server's own reset; 0: none. */
  reset: number;
}

const UNDER_WAY = Symbol('gunicorn-otel.stream');
/** Null: it has ended. */
type Tracked = ServerHttp2Stream & { [UNDER_WAY]?: UnderWay | null; [field: symbol]: unknown };

/** What the listeners and methods below call while somebody watches. */
interface Watcher {
  readonly hasPre: boolean;
  onStream(stream: Tracked, headers: IncomingHttpHeaders): void;
  onRequest(request: Http2ServerRequest): void;
  onSessionError(error: unknown): void;
  onDestroy(stream: Tracked, error: unknown): void;
}

// Held here: a channel without a strong reference may be collected, subscribers included (Node 20).
const streamStart = channel('http2.server.stream.start');
// Bound, so that an app's fake timers do not change what we measure.
const now = performance.now.bind(performance);
// A session's errors that are HTTP/2's. A reset is not among them: clients and load balancers drop idle connections.
const OWN_ERROR = /^ERR_HTTP2_/;
const SESSION_EVENTS = new Set(['sessionError']);
const STREAM_EVENTS = new Set(['stream']);
const REQUEST_EVENTS = ['request', 'checkContinue', 'checkExpectation'];

let current: Watcher | undefined;
/** Whether this Node tells of streams by its channel: seen by the first of them. */
let hasChannel = false;
let looksAtStreams = false;
/** Node's own fields of a stream, by symbols that are learnt from the first one. */
const fields: Partial<Record<'handle' | 'request' | 'response', symbol | undefined>> = {};

/** Begins to watch; there is one at a time. @throws never */
export function watchHttp2({ requests, writer, failures, hooks = {} }: HttpOptions): HttpWatch {
  const { preRequest, postRequest } = hooks;
  const ring = newRing();
  /** Errors of sessions that are their streams' errors by now. */
  const told = new WeakSet<object>();
  let abandoned: string | undefined;

  function onStream(stream: Tracked, headers: IncomingHttpHeaders): void {
    // A stream of an even number is pushed: the server's own.
    if (stream[UNDER_WAY] !== undefined || stream.id! % 2 === 0) return;
    if (!looksAtStreams) lookAtStreams(stream);
    const startMs = now();
    const method = headers[':method'];
    const target = headers[':path'] ?? '';
    const underWay: UnderWay = { stream, method, target, startMs, reset: 0, previous: ring.previous, next: ring };
    stream[UNDER_WAY] = underWay;
    enter(underWay);
    requests.begin(method);
    writer.touched();
    // A listener is told one tick later than the channel: the client may have taken it back.
    if (abandoned !== undefined) end(stream, abandoned);
    else if (stream.destroyed) onDestroy(stream, undefined);
    else {
      if (method === 'CONNECT') awaitAnswer(stream);
      writer.beforeHandler(startMs);
    }
  }

  // What comes behind the answer is a connection of its own, which may live for hours.
  function awaitAnswer(stream: Tracked): void {
    const answered = failures.guarded('request', () => {
      if (!stream.headersSent) return;
      stop();
      end(stream, '');
    });
    const look = () => answered(undefined, undefined);
    const stop = lookOn(stream, { respond: look, _write: look, _writev: look });
  }

  function onDestroy(stream: Tracked, error: unknown): void {
    const errorType = errorTypeOfStream(stream, error, stream[UNDER_WAY]!.reset);
    if (errorType !== '' && typeof error === 'object' && error !== null) told.add(error);
    end(stream, errorType);
  }

  function end(stream: Tracked, errorType: string): void {
    const ended = stream[UNDER_WAY]!;
    const { method, target, startMs } = ended;
    stream[UNDER_WAY] = null;
    leave(ended);
    const endMs = now();
    const durationSeconds = (endMs - startMs) / 1000;
    const request = stream[fields.request!] as Http2ServerRequest | null | undefined;
    const ofRequest = request ? marksOf(request) : undefined;
    const ofStream = marksOf(stream);
    const handle = method === 'CONNECT' ? undefined : (stream[fields.handle!] as Partial<Handle> | undefined);
    const status = stream.headersSent ? Number(stream.sentHeaders?.[':status'] ?? 0) : 0;
    // A status of 5xx is what is known of an error without a framework.
    const failure = request && errorType === '' && status >= 500 ? frameworkErrorType(request) : errorType;
    requests.end(
      method,
      target,
      status,
      ofRequest?.errorType ?? ofStream?.errorType ?? failure,
      durationSeconds,
      handle?.bytesRead ?? 0,
      handle?.bytesWritten ?? 0,
      ofRequest?.route ?? ofStream?.route ?? (request ? routeOf(request, status) : undefined),
    );
    writer.changed(endMs);
    if (postRequest !== undefined && request) postRequest(request, responseOf(stream)!, durationSeconds);
  }

  const own: Watcher = {
    hasPre: preRequest !== undefined,
    onStream: failures.guarded('request', onStream),
    onRequest: (request) => preRequest?.(request),
    onSessionError: failures.guarded('request', (error: object) => {
      const errorType = errorTypeOf(error);
      if (!OWN_ERROR.test(errorType) || told.has(error)) return;
      requests.handled(errorType);
      writer.changed(now());
    }) as (error: unknown) => void,
    onDestroy: failures.guarded('request', onDestroy),
  };
  const onStart = (message: unknown) => {
    hasChannel = true;
    const { stream, headers } = message as { stream: Tracked; headers: IncomingHttpHeaders };
    own.onStream(stream, headers);
  };
  current = own;
  const stopHearing = hear({ http2: listen });
  streamStart.subscribe(onStart);
  return {
    stop() {
      if (current === own) current = undefined;
      stopHearing();
      streamStart.unsubscribe(onStart);
    },
    abandon(errorType) {
      abandoned = errorType;
      while (ring.next !== ring) end((ring.next as UnderWay).stream, errorType);
    },
    thrown(error) {
      // The tick that handlers begin in has what Node emits: session, 'stream', the stream.
      const { args } = executionAsyncResource() as { args?: unknown[] };
      const stream = args?.[2] as Tracked | undefined;
      if (stream?.[UNDER_WAY]) recordException(stream, error);
    },
  };
}

// For the life of a server: it outlives a stop() and the next start().
function listen(server: Http2Server): void {
  meetServer(server);
  accompany(server, { sessionError: (error: unknown) => current?.onSessionError(error) }, SESSION_EVENTS);
  if (current?.hasPre) {
    // With HTTP/1 on the same server they are requests that have been told already.
    const onRequest = (request: Http2ServerRequest) => {
      if (request.httpVersionMajor === 2) current?.onRequest(request);
    };
    const listeners = Object.fromEntries(REQUEST_EVENTS.map((event) => [event, onRequest]));
    accompany(server, listeners, new Set(), new Set(REQUEST_EVENTS));
  }
  if (hasChannel) return;
  const stop = accompany(
    server,
    {
      stream: (stream: Tracked, headers: IncomingHttpHeaders) => {
        // The first stream of all tells, before the app hears of it.
        if (hasChannel) stop();
        else current?.onStream(stream, headers);
      },
    },
    STREAM_EVENTS,
  );
}

interface Handle {
  readonly bytesRead: number;
  readonly bytesWritten: number;
}
type StreamMethods = Record<'_destroy' | 'close', (this: Tracked, ...args: unknown[]) => unknown>;

/**
 * Puts two methods in front of those that servers' streams inherit: every end of a stream comes through the first, once,
 * and the second is how the server resets one. Their class is not public: it is found by its first stream.
 */
function lookAtStreams(stream: Tracked): void {
  looksAtStreams = true;
  fields.handle = symbolOf(stream, 'kHandle');
  fields.request = symbolOf(stream, 'request');
  const prototype = Object.getPrototypeOf(stream) as StreamMethods;
  const { _destroy: destroy, close: reset } = prototype;
  shadow(prototype, function _destroy(this: Tracked, error: unknown, callback: unknown) {
    if (this[UNDER_WAY]) current?.onDestroy(this, error);
    return destroy.call(this, error, callback);
  });
  shadow(prototype, function close(this: Tracked, code: unknown, callback: unknown) {
    if (this[UNDER_WAY] && !this.closed && typeof code === 'number') this[UNDER_WAY].reset = code;
    return reset.call(this, code, callback);
  });
}

function responseOf(stream: Tracked): Http2ServerResponse {
  fields.response ??= symbolOf(stream, 'response')!;
  return stream[fields.response] as Http2ServerResponse;
}

function symbolOf(stream: Tracked, description: string): symbol | undefined {
  return Object.getOwnPropertySymbols(stream).find((symbol) => symbol.description === description);
}
