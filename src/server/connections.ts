/**
 * Who is connected. Whoever connects finds a place while others do nothing with theirs: an endpoint that idle, half-open or
 * slow connections can fill is one that anybody can shut; see docs/decisions/049-connections-give-way.md.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Refusal } from './refusals.ts';

/** More than that are let in only to be looked at, for two turns of the loop. */
export const MAX_CONNECTIONS = 256;
// A listening socket's queue is let in at once, twice 511 of them here.
const MAX_FOR_A_MOMENT = 1024;

interface Connection {
  /** As it was accepted: TLS has a socket of its own on top. */
  readonly socket: Socket;
  /** The answer it waits for or takes. */
  response: ServerResponse | undefined;
  /** It closes when that is over. */
  isLast: boolean;
}

/** The connections of one server, in the order in which they came or were answered last. */
export class Connections {
  readonly #onRefused: (reason: Refusal) => void;
  readonly #open = new Map<Socket, Connection>();
  // The socket that requests come from, by the one that was accepted; the same without TLS.
  readonly #byOuter = new WeakMap<Socket, Connection>();
  readonly #byAddress = new Map<string, Connection>();
  #isTrimDue = false;

  constructor(server: Server | TlsServer, onRefused: (reason: Refusal) => void) {
    this.#onRefused = onRefused;
    server.maxConnections = MAX_FOR_A_MOMENT;
    server.on('drop', () => onRefused('connections'));
    server.on('connection', (socket: Socket) => this.#add(socket));
    // Nothing documented leads from one socket to the other, but they have one address.
    server.on('secureConnection', (outer: Socket) => {
      const connection = this.#byAddress.get(addressOf(outer));
      if (connection) this.#byOuter.set(outer, connection);
    });
  }

  /**
   * Begins to answer: until that is over the connection gives way to nobody.
   *
   * @returns false where one is being answered already: then nothing is to be answered, the connection closes behind that
   */
  begin({ socket }: IncomingMessage, response: ServerResponse): boolean {
    const connection = this.#byOuter.get(socket);
    if (!connection) return true;
    if (connection.response || connection.isLast) {
      this.#onRefused('pipelined');
      if (connection.response && !connection.isLast) closeBehind(connection.response, socket);
      connection.isLast = true;
      return false;
    }
    connection.response = response;
    response.once('close', () => {
      connection.response = undefined;
      if (this.#open.delete(connection.socket)) this.#open.set(connection.socket, connection);
    });
    return true;
  }

  /** It is not answered what it has asked for: it closes behind that, and gives way to a newcomer before. */
  giveWay({ socket }: IncomingMessage, response: ServerResponse): void {
    const connection = this.#byOuter.get(socket);
    if (!connection) return;
    if (!connection.isLast) closeBehind(response, socket);
    connection.isLast = true;
    connection.response = undefined;
  }

  /** What a connection is at; `unknown` while no request can come from it. @param socket - that requests come from */
  stateOf(socket: Socket): 'unknown' | 'idle' | 'answered' {
    const connection = this.#byOuter.get(socket);
    if (!connection) return 'unknown';
    return connection.response ? 'answered' : 'idle';
  }

  #add(socket: Socket): void {
    const connection: Connection = { socket, response: undefined, isLast: false };
    const address = addressOf(socket);
    this.#open.set(socket, connection);
    this.#byOuter.set(socket, connection);
    this.#byAddress.set(address, connection);
    socket.once('close', () => {
      this.#open.delete(socket);
      if (this.#byAddress.get(address) === connection) this.#byAddress.delete(address);
    });
    if (this.#open.size <= MAX_CONNECTIONS || this.#isTrimDue) return;
    this.#isTrimDue = true;
    // Many are accepted in one turn, and read in the next: what has been sent already is to count.
    setImmediate(() => setImmediate(() => this.#trim()));
  }

  #trim(): void {
    this.#isTrimDue = false;
    const idle = [...this.#open.values()].filter(({ response }) => response === undefined);
    // By what it was answered, not by what it has said: half a head is cheap.
    const excess = idle.slice(0, this.#open.size - MAX_CONNECTIONS);
    const isFull = this.#open.size - idle.length >= MAX_CONNECTIONS;
    for (const { socket } of excess) {
      this.#onRefused(isFull ? 'connections' : 'evicted');
      socket.destroy();
    }
  }
}

/** Which connection a socket is of, be it the one that was accepted or that of TLS on top. */
export function addressOf({ remoteAddress, remotePort, localAddress }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress}`;
}

// Nothing more is read from it either: there may be thousands behind.
function closeBehind(response: ServerResponse, socket: Socket): void {
  socket.pause();
  if (!response.headersSent) response.setHeader('Connection', 'close');
  response.once('finish', () => socket.destroySoon());
}
