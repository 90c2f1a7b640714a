/**
 * Watches every request of node:http and node:https servers through Node's diagnostics channels and tells the request
 * table. The rule: each request counts once, whether it was answered, aborted, or died queued on its connection;
 * nothing in here throws, waits, or touches what the app sees of its requests.
 */
import { executionAsyncResource } from 'node:async_hooks';
import { channel } from 'node:diagnostics_channel';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { countBodyBytes, responseBytes } from './body-bytes.ts';
import { watchConnections } from './connections.ts';
import { frameworkErrorType, meetServer, routeOf } from './framework-route.ts';
import type { Recorded } from './http-instrumentation.ts';
import { marksOf, recordException } from './marks.ts';
import type { HttpOptions, HttpWatch } from './request-source.ts';
import { adopt } from './servers.ts';
import { isUncached } from './uncached.ts';
import { CONNECTION, type Connection, join, latestOn, type Tracked, type UnderWay } from './under-way.ts';

/** What the channels publish. */
interface HttpMessage {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly socket: Socket;
  readonly server: Server;
}

// Held here: a channel without a strong reference may be collected, subscribers included (Node 20).
const requestStart = channel('http.server.request.start');
const responseFinish = channel('http.server.response.finish');
// Bound, so that an app's fake timers do not change what we measure.
const now = performance.now.bind(performance);

/** `error.type` of a request whose connection ended before the response did. */
export const ABORTED = 'aborted';

/** For an app whose requests are not to be counted. */
export const NO_HTTP: HttpWatch = { stop() {}, abandon() {}, thrown() {} };

/** Begins to watch. @throws never */
export function watchHttp({ requests, writer, failures, ignored, instrumented, ...options }: HttpOptions): HttpWatch {
  const { preRequest, postRequest } = options.hooks ?? {};
  const connections = new Set<Connection>();
  let abandoned: string | undefined;

  const onStart = guarded(({ request, response, socket, server }: HttpMessage) => {
    if (ignored !== undefined && server === ignored()) return;
    const startMs = now();
    const connection = (socket as Tracked)[CONNECTION] ?? openUnseen(socket, server);
    const { method, url: target = '' } = request;
    const underWay = { request, response, method, target, startMs, requestBytes: 0, writtenBytes: 0 };
    join(connection, underWay);
    requests.begin(method);
    writer.touched();
    if (abandoned === undefined) writer.beforeHandler(startMs);
    else close(connection, abandoned);
  });
  const onPre = ({ request, server }: HttpMessage) => {
    if (server !== ignored?.()) preRequest!(request);
  };

  const onFinish = guarded(({ response, socket }: HttpMessage) => {
    const connection = (socket as Tracked)[CONNECTION];
    if (connection === undefined) return;
    const endMs = now();
    const { current, queued } = connection;
    if (current?.response === response) {
      connection.current = queued.length === 0 ? undefined : queued.shift();
      end(current, endMs, '');
    } else {
      const index = queued.findIndex((waiting) => waiting.response === response);
      if (index === -1) return;
      for (const waiting of queued.splice(index, 1)) end(waiting, endMs, '');
    }
  });

  const sockets = watchConnections({
    open: guarded((socket: Tracked) => {
      if (socket[CONNECTION] === undefined) open(socket);
    }),
    isIdle: (socket: Tracked) => socket[CONNECTION]?.current === undefined,
    onError: (errorType) => {
      requests.handled(errorType);
      writer.changed(now());
    },
    ignored,
    guarded,
  });

  const onSocketClose = guarded((socket: Tracked) => {
    const errorType = sockets.closed(socket);
    close(socket[CONNECTION]!, errorType === '' ? ABORTED : errorType);
  });

  function open(socket: Socket): Connection {
    const connection: Connection = { current: undefined, queued: [] };
    (socket as Tracked)[CONNECTION] = connection;
    connections.add(connection);
    meetServer((socket as { server?: object }).server);
    socket.once('close', listener);
    return connection;
  }

  // One that a server was handed by another: such a server is met here, and its upgrades from now on.
  function openUnseen(socket: Socket, server: Server): Connection {
    adopt(server);
    return open(socket);
  }

  function listener(this: Tracked): void {
    onSocketClose(this);
  }

  // Node 20 and 22 tell nothing of a pipelined response whose connection died before its turn: it is counted here.
  function close(connection: Connection, errorType: string): void {
    connections.delete(connection);
    const { current, queued } = connection;
    if (current === undefined) return;
    const endMs = now();
    connection.current = undefined;
    for (const request of [current, ...queued.splice(0)]) end(request, endMs, errorType);
  }

  // The instrumentation records when a response closes, which is behind all that ends it.
  function end(request: UnderWay, endMs: number, errorType: string): void {
    if (instrumented) {
      const counted = guarded<Recorded | undefined>((recorded) => count(request, endMs, errorType, recorded));
      if (instrumented.awaits(request.response, counted)) return;
    }
    count(request, endMs, errorType);
  }

  // Each property read of a request or response is dear with Express on Node 20 (decision 054).
  function count(underWay: UnderWay, endMs: number, errorType: string, recorded?: Recorded): void {
    const { request, response, method, target, startMs } = underWay;
    const statusCode = isUncached() ? (Reflect.get(response, 'statusCode') as number) : response.statusCode;
    const marks = marksOf(request);
    // A status of 5xx is what is known of an error without a framework.
    const failure = errorType === '' && statusCode >= 500 ? frameworkErrorType(request) : errorType;
    const durationSeconds = recorded?.durationSeconds ?? (endMs - startMs) / 1000;
    requests.end(
      method,
      target,
      errorType === '' || response.headersSent ? statusCode : 0,
      marks?.errorType ?? failure,
      durationSeconds,
      underWay.requestBytes,
      responseBytes(underWay, statusCode, errorType === ''),
      marks?.route ?? recorded?.route ?? routeOf(request, statusCode),
    );
    if (postRequest !== undefined) postRequest(request, response, durationSeconds);
    writer.changed(endMs);
  }

  function guarded<T>(body: (message: T) => void): (message: unknown) => void {
    return (message) => {
      try {
        body(message as T);
      } catch (error) {
        // A channel's subscriber that throws crashes the process.
        failures.count('request', error);
      }
    };
  }

  countBodyBytes();
  requestStart.subscribe(onStart);
  if (preRequest) requestStart.subscribe(onPre as (message: unknown) => void);
  responseFinish.subscribe(onFinish);
  return {
    stop() {
      requestStart.unsubscribe(onStart);
      requestStart.unsubscribe(onPre as (message: unknown) => void);
      responseFinish.unsubscribe(onFinish);
      sockets.stop();
      instrumented?.stop();
    },
    abandon(errorType) {
      abandoned = errorType;
      for (const connection of connections) close(connection, errorType);
      instrumented?.settle();
    },
    thrown(error) {
      // Handlers run with the socket's resource until they first wait; later nothing tells whose error it is.
      const { socket } = executionAsyncResource() as { socket?: Tracked };
      const underWay = latestOn(socket);
      if (underWay) recordException(underWay.request, error);
    },
  };
}
