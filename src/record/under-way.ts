/**
 * The requests of HTTP/1 that are under way, kept with their connection: whoever sees one of them again finds what is
 * known of it there, and asks nothing of the app's own objects, which Express on Node 20 makes dear to ask
 * (docs/decisions/054-few-questions.md).
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Method and target are those it came with: routers and middleware change them. */
export interface UnderWay {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly method: string | undefined;
  readonly target: string;
  readonly startMs: number;
  /** Of its body, as read so far. */
  requestBytes: number;
  /** Of its answer's body, by what was given to write(), and to end() behind the head. */
  writtenBytes: number;
}

/** What is under way on one connection: the request being answered, and those that wait behind it (pipelining). */
export interface Connection {
  current: UnderWay | undefined;
  readonly queued: UnderWay[];
}

/** Where a socket has what is under way on it; this copy's own. */
export const CONNECTION = Symbol('gunicorn-otel.connection');

// Those that have waited, by what they are answered with: there may be thousands on a connection, which nobody is to go over
// for each piece of a body.
const waited = new WeakMap<ServerResponse, UnderWay>();

/** A connection's socket; without the record of one that is no watched server's. */
export type Tracked = Socket & { [CONNECTION]?: Connection };

/** A request has come: it is answered when those before it are. */
export function join(connection: Connection, underWay: UnderWay): void {
  if (connection.current === undefined) {
    connection.current = underWay;
    return;
  }
  connection.queued.push(underWay);
  waited.set(underWay.response, underWay);
}

/** The request that has come last, if it is not answered yet. */
export function latestOn(socket: Socket | null | undefined): UnderWay | undefined {
  const { current, queued } = (socket as Tracked | null | undefined)?.[CONNECTION] ?? {};
  return queued?.at(-1) ?? current;
}

/** The request that is, or will be, answered with this. */
export function answeredWith(response: ServerResponse): UnderWay | undefined {
  // One that waits behind another has no socket of its own yet.
  const connection = (response.req?.socket as Tracked | null | undefined)?.[CONNECTION];
  return connection?.current?.response === response ? connection.current : connection && waited.get(response);
}
