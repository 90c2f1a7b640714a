/**
 * Watches every request of node:http and node:https servers through Node's diagnostics channels and tells the request
 * table. The rule: each request counts once, whether it was answered, aborted, or died queued on its connection;
 * nothing in here throws, waits, or touches what the app sees of its requests.
 */
import { channel } from 'node:diagnostics_channel';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import type { SnapshotWriter } from '../snapshot/writer.ts';
import type { Failures } from './failures.ts';
import type { RequestTable } from './request-table.ts';

/** What the channels publish. */
interface HttpMessage {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly socket: Socket;
  readonly server: Server;
}

/** A request under way. Method and target are those it came with: routers and middleware change them. */
interface UnderWay {
  response: Counted | undefined;
  method: string | undefined;
  target: string | undefined;
  startMs: number;
}

/** What is under way on one connection: the request being answered, and those that wait behind it (pipelining). */
interface Connection {
  readonly current: UnderWay;
  readonly queued: UnderWay[];
}

const CONNECTION = Symbol('gunicorn-otel.connection');
const BODY_BYTES = Symbol('gunicorn-otel.body-bytes');
type Tracked = Socket & { [CONNECTION]?: Connection };
type Counted = ServerResponse & { [BODY_BYTES]?: number; _contentLength?: number | null; req: CountedRequest };
type CountedRequest = IncomingMessage & { [BODY_BYTES]?: number };

// Held here: a channel without a strong reference may be collected, subscribers included (Node 20).
const requestStart = channel('http.server.request.start');
const responseFinish = channel('http.server.response.finish');
// Bound, so that an app's fake timers do not change what we measure.
const now = performance.now.bind(performance);

/** `error.type` of a request whose connection ended before the response did. */
export const ABORTED = 'aborted';

/**
 * Begins to watch.
 *
 * @param ignored - a server whose requests do not count: our own, where it runs in this thread
 * @returns `stop`, and `abandon`, which counts what is still under way as `errorType`; for the end of the process
 * @throws never
 */
export function watchHttp(
  requests: RequestTable,
  writer: SnapshotWriter,
  failures: Failures,
  ignored?: () => unknown,
): { stop(): void; abandon(errorType: string): void } {
  const connections = new Set<Connection>();

  const onStart = guarded(({ request, response, socket, server }: HttpMessage) => {
    if (ignored !== undefined && server === ignored()) return;
    const startMs = now();
    const { current, queued } = (socket as Tracked)[CONNECTION] ?? open(socket);
    const { method, url: target } = request;
    if (current.response === undefined) fill(current, response as Counted, method, target, startMs);
    else queued.push({ response: response as Counted, method, target, startMs });
    requests.begin(method);
    writer.touched();
    writer.beforeHandler(startMs);
  });

  const onFinish = guarded(({ response, socket }: HttpMessage) => {
    const connection = (socket as Tracked)[CONNECTION];
    if (connection === undefined) return;
    const endMs = now();
    const { current, queued } = connection;
    if (current.response === response) {
      count(current, endMs, '');
      const next = queued.shift();
      fill(current, next?.response, next?.method, next?.target, next?.startMs);
    } else {
      const index = queued.findIndex((waiting) => waiting.response === response);
      if (index === -1) return;
      for (const waiting of queued.splice(index, 1)) count(waiting, endMs, '');
    }
    writer.changed(endMs);
  });

  const guardedClose = guarded((connection: Connection) => close(connection, ABORTED));

  function open(socket: Socket): Connection {
    const connection: Connection = {
      current: { response: undefined, method: undefined, target: undefined, startMs: 0 },
      queued: [],
    };
    (socket as Tracked)[CONNECTION] = connection;
    connections.add(connection);
    socket.once('close', onSocketClose);
    return connection;
  }

  function onSocketClose(this: Tracked): void {
    guardedClose(this[CONNECTION]!);
  }

  // Node 20 and 22 tell nothing of a pipelined response whose connection died before its turn: it is counted here.
  function close(connection: Connection, errorType: string): void {
    connections.delete(connection);
    const { current, queued } = connection;
    if (current.response === undefined) return;
    const endMs = now();
    for (const request of [current, ...queued]) count(request, endMs, errorType);
    current.response = undefined;
    queued.length = 0;
    writer.changed(endMs);
  }

  function count({ response, method, target, startMs }: UnderWay, endMs: number, errorType: string): void {
    requests.end(
      method,
      target ?? '',
      errorType === '' || response!.headersSent ? response!.statusCode : 0,
      errorType,
      (endMs - startMs) / 1000,
      response!.req[BODY_BYTES] ?? 0,
      bodyBytes(response!, method),
    );
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
  responseFinish.subscribe(onFinish);
  return {
    stop() {
      requestStart.unsubscribe(onStart);
      responseFinish.unsubscribe(onFinish);
    },
    abandon(errorType) {
      for (const connection of connections) close(connection, errorType);
    },
  };
}

function fill(request: UnderWay, response: Counted | undefined, method?: string, target?: string, startMs = 0): void {
  request.response = response;
  request.method = method;
  request.target = target;
  request.startMs = startMs;
}

// A body given to end() before the headers went out is the Content-Length that Node itself worked out; everything
// else came by write(), or by end() behind it. HEAD, 204 and 304 have no body, whatever the app wrote.
function bodyBytes(response: Counted, method: string | undefined): number {
  const { statusCode } = response;
  if (method === 'HEAD' || statusCode === 204 || statusCode === 304) return 0;
  return response[BODY_BYTES] ?? (response.writableFinished ? (response._contentLength ?? 0) : 0);
}

let countsBodyBytes = false;

// Node keeps no count of body bytes. Three methods, put in front of those that the public classes inherit, add up what
// goes through them and pass everything on; a plain `res.end(body)` and a request without a body pay next to nothing.
function countBodyBytes(): void {
  if (countsBodyBytes) return;
  countsBodyBytes = true;
  const { IncomingMessage, ServerResponse } = createRequire(import.meta.url)('node:http') as typeof import('node:http');

  shadow(IncomingMessage.prototype, 'push', (inherited) => {
    return function push(this: CountedRequest, chunk: unknown, encoding: unknown) {
      // A client's incoming message has a status; only servers' requests are counted.
      if (chunk !== null && this.statusCode === null) add(this, chunk, encoding);
      return inherited.call(this, chunk, encoding);
    };
  });
  shadow(ServerResponse.prototype, 'write', (inherited) => {
    return function write(this: Counted, chunk: unknown, encoding: unknown, callback: unknown) {
      if (!this.writableEnded) add(this, chunk, encoding);
      return inherited.call(this, chunk, encoding, callback);
    };
  });
  shadow(ServerResponse.prototype, 'end', (inherited) => {
    return function end(this: Counted, chunk: unknown, encoding: unknown, callback: unknown) {
      if (this.headersSent && !this.writableEnded) add(this, chunk, encoding);
      return inherited.call(this, chunk, encoding, callback);
    };
  });
}

type Method = { call(self: unknown, ...args: unknown[]): unknown };

// The inherited method is looked up at each call: a patch of the parent class that comes later holds as it would without us.
function shadow(prototype: object, name: string, make: (inherited: Method) => Method): void {
  const parent = Object.getPrototypeOf(prototype) as Record<string, Method>;
  const value = make({ call: (self, ...args) => parent[name]!.call(self, ...args) });
  Object.defineProperty(prototype, name, { value, writable: true, configurable: true, enumerable: false });
}

function add(message: { [BODY_BYTES]?: number }, chunk: unknown, encoding: unknown): void {
  if (typeof chunk === 'string') {
    const known = typeof encoding === 'string' && Buffer.isEncoding(encoding) ? encoding : 'utf8';
    message[BODY_BYTES] = (message[BODY_BYTES] ?? 0) + Buffer.byteLength(chunk, known);
  } else if (chunk instanceof Uint8Array) {
    message[BODY_BYTES] = (message[BODY_BYTES] ?? 0) + chunk.byteLength;
  }
}
