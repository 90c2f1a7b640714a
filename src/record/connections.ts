/**
 * Connections of HTTP servers, and the errors on them that belong to no request: what could not be parsed, headers that
 * came too late, TLS that failed. Node's own answer to them stays what it is: a `clientError` listener would replace it,
 * so the error is read off the closed socket, and listened for only while the app listens too.
 */
import { channel } from 'node:diagnostics_channel';
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { isHttpServer } from '../http-server.ts';
import { accompany } from './companions.ts';
import { errorTypeOf } from './error-type.ts';

export interface ConnectionsOptions {
  /** An HTTP connection is there: a plain one, or one whose TLS has been agreed on. */
  readonly open: (socket: never) => void;
  /** Whether no request is under way on it. */
  readonly isIdle: (socket: never) => boolean;
  /** An error that belongs to no request. */
  readonly onError: (errorType: string) => void;
  readonly ignored: (() => unknown) | undefined;
  readonly guarded: <T>(body: (message: T) => void) => (message: unknown) => void;
}

export interface Connections {
  /** What ended a connection, as error.type: '' where it was no error of its own, or has been told already. */
  closed(socket: Socket): string;
  stop(): void;
}

// Held here: a channel without a strong reference may be collected, subscribers included (Node 20).
const serverSocket = channel('net.server.socket');
// The parser's errors and Node's timeouts. A reset is not among them: clients and load balancers drop idle connections.
const OWN_ERROR = /^(?:HPE_|ERR_HTTP_)/;
// The client left in the middle of a message: with a request under way, that is an abort like any other.
const CUT_SHORT = 'HPE_INVALID_EOF_STATE';

/** Begins to watch. @throws never */
export function watchConnections({ open, isIdle, onError, ignored, guarded }: ConnectionsOptions): Connections {
  const known = new WeakSet<object>();
  /** Errors that the app's own clientError listener was told of, by socket. */
  const told = new WeakMap<Socket, string>();
  let stopped = false;

  const onSocket = guarded(({ socket }: { socket: Socket & { server?: Server } }) => {
    const { server } = socket;
    if (!server || !isHttpServer(server) || server === ignored?.()) return;
    if (!known.has(server)) adopt(server);
    // A TLS connection is HTTP's only when it is agreed on, and is another object then.
    if (!('setSecureContext' in server)) open(socket as never);
  });

  function adopt(server: Server): void {
    known.add(server);
    accompany(server, { clientError: guarded2(onClientError) });
    if (!('setSecureContext' in server)) return;
    // Neither has a default that a listener would replace: node:https listens to both itself.
    server.on(
      'tlsClientError',
      guarded2((error: Error) => !stopped && onError(errorTypeOf(error))),
    );
    server.on(
      'secureConnection',
      guarded2((socket: Socket) => !stopped && open(socket as never)),
    );
  }

  function onClientError(error: Error, socket: Socket): void {
    const errorType = errorTypeOf(error);
    if (stopped || !OWN_ERROR.test(errorType) || told.has(socket)) return;
    told.set(socket, errorType);
    if (isIdle(socket as never)) onError(errorType);
  }

  function guarded2<A, B>(body: (first: A, second: B) => void): (first: A, second: B) => void {
    return (first, second) => guarded(() => body(first, second))(undefined);
  }

  serverSocket.subscribe(onSocket);
  return {
    closed(socket) {
      const { errored } = socket as Socket & { errored?: Error | null };
      const errorType = told.get(socket) ?? (errored ? errorTypeOf(errored) : '');
      if (!OWN_ERROR.test(errorType)) return '';
      if (!isIdle(socket as never)) return errorType === CUT_SHORT ? '' : errorType;
      if (!told.has(socket)) onError(errorType);
      return errorType;
    },
    stop() {
      stopped = true;
      serverSocket.unsubscribe(onSocket);
    },
  };
}
