/**
 * Connections of HTTP servers, and the errors on them that belong to no request: what could not be parsed, headers that
 * came too late, TLS that failed. Node's own answer to them stays what it is: a `clientError` listener would replace it,
 * so the error is read off the closed socket, and listened for only while the app listens too.
 */
import { channel } from 'node:diagnostics_channel';
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { isHttpServer } from '../first-server.ts';
import { errorTypeOf } from './error-type.ts';
import { adopt, hear } from './servers.ts';

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

/** Begins to watch; there is one at a time. @throws never */
export function watchConnections({ open, isIdle, onError, ignored, guarded }: ConnectionsOptions): Connections {
  /** Errors that the app's own clientError listener was told of, by socket, and whether they have been counted. */
  const told = new WeakMap<Socket, { errorType: string; counted: boolean }>();

  const onSocket = guarded(({ socket }: { socket: Socket & { server?: Server } }) => {
    const { server } = socket;
    if (!server || !isHttpServer(server) || server === ignored?.()) return;
    adopt(server);
    // A TLS connection is HTTP's only when it is agreed on, and is another object then.
    if (!('setSecureContext' in server)) open(socket as never);
  });

  function onClientError(error: Error, socket: Socket): void {
    const errorType = errorTypeOf(error);
    if (!OWN_ERROR.test(errorType) || told.has(socket)) return;
    const counted = isIdle(socket as never);
    told.set(socket, { errorType, counted });
    if (counted) onError(errorType);
  }

  function guardedAll<A extends unknown[]>(body: (...args: A) => void): (...args: A) => void {
    return (...args) => guarded(() => body(...args))(undefined);
  }

  const stopHearing = hear({
    clientError: guardedAll(onClientError),
    tlsClientError: guardedAll((error: Error) => onError(errorTypeOf(error))),
    secureConnection: guardedAll((socket: Socket) => open(socket as never)),
  });
  serverSocket.subscribe(onSocket);
  return {
    closed(socket) {
      const { errored } = socket as Socket & { errored?: Error | null };
      const known = told.get(socket);
      const errorType = known?.errorType ?? (errored ? errorTypeOf(errored) : '');
      if (!OWN_ERROR.test(errorType)) return '';
      if (!isIdle(socket as never)) return errorType === CUT_SHORT ? '' : errorType;
      // Also what came while a request was under way that has been answered since: the error was behind it.
      if (!known?.counted) onError(errorType);
      return errorType;
    },
    stop() {
      stopHearing();
      serverSocket.unsubscribe(onSocket);
    },
  };
}
