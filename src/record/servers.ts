/**
 * Servers of HTTP, met with their first connection: what they tell, told on to whoever watches. The rule: a server has our
 * listeners once for all its life, whatever begins and stops to watch, and none of them changes what an event does.
 */
import type { IncomingMessage, Server } from 'node:http';
import type { Http2Server } from 'node:http2';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { accompany } from './companions.ts';

/** Nothing in here may throw. */
export interface ServerEvents {
  clientError(error: Error, socket: Socket): void;
  tlsClientError(error: Error): void;
  secureConnection(socket: Socket): void;
  upgrade(request: IncomingMessage, socket: Duplex): void;
  connect(request: IncomingMessage, socket: Duplex): void;
  /** A server that speaks HTTP/2 is there: listeners for that can be added. */
  http2(server: Http2Server): void;
}

const adopted = new WeakSet<object>();
const heard: Partial<ServerEvents> = {};

/** Begins to hear; one at a time for each event. @returns stop */
export function hear(events: Partial<ServerEvents>): () => void {
  Object.assign(heard, events);
  return () => {
    for (const event of Object.keys(events) as (keyof ServerEvents)[]) {
      if (heard[event] === events[event]) delete heard[event];
    }
  };
}

/** Listens to a server, unless that is done already. */
export function adopt(server: Server): void {
  if (adopted.has(server)) return;
  adopted.add(server);
  // Each has a default that a listener would replace: an answer of Node's own, an upgrade that is not made.
  accompany(server, {
    clientError: (error: Error, socket: Socket) => heard.clientError?.(error, socket),
    upgrade: (request: IncomingMessage, socket: Duplex) => heard.upgrade?.(request, socket),
    connect: (request: IncomingMessage, socket: Duplex) => heard.connect?.(request, socket),
  });
  if ('setSecureContext' in server) {
    // Neither has a default that a listener would replace: Node listens to both itself.
    server.on('tlsClientError', (error: Error) => heard.tlsClientError?.(error));
    server.on('secureConnection', (socket: Socket) => heard.secureConnection?.(socket));
  }
  if ('updateSettings' in server) heard.http2?.(server as unknown as Http2Server);
}
