/**
 * The client of these benches: raw connections that cost next to nothing, so that the server is what is measured, and a
 * loop that is closed: each connection sends its next request when it has its answer.
 */
import { connect, type Socket } from 'node:net';

const CONNECTIONS = 32;
const BUFFER_BYTES = 16 * 1024;
const GOOD = 'HTTP/1.1 200 ';

/** Asks one thing at a time. */
export interface RawConnection {
  readonly socket: Socket;
  send(request: string): void;
}

/** The bytes of one request. */
export function requestFor(path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: bench\r\n\r\n`;
}

/**
 * Connects.
 *
 * @param onAnswer - called with each whole answer; all answers of a server must be of one length, learnt from the first
 * @param onError - the connection failed, or the first answer was not 200
 */
export function rawConnection(
  port: number,
  onAnswer: () => void,
  onError: (error: Error) => void,
): Promise<RawConnection> {
  let length = 0;
  let received = 0;
  // Into the same bytes each time: no garbage in the client.
  const buffer = Buffer.alloc(BUFFER_BYTES);
  const callback = (bytes: number) => {
    received += bytes;
    if (length === 0) {
      length = received;
      const status = buffer.toString('latin1', 0, GOOD.length);
      if (status !== GOOD) onError(new Error(`answered with ${status}`));
    }
    if (received >= length) {
      received = 0;
      onAnswer();
    }
    return true;
  };
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true, onread: { buffer, callback } }, () =>
      resolve({ socket, send: (request) => void socket.write(request, 'latin1') }),
    );
    socket.on('error', onError);
  });
}

/**
 * Sends so many requests, by 32 connections that are made anew.
 *
 * @param requests - their bytes, sent in turn
 * @returns how many seconds they took; connecting is not counted
 */
export async function closedLoop(port: number, requests: readonly string[], count: number): Promise<number> {
  let sent = 0;
  let answered = 0;
  const { promise, resolve, reject } = withResolvers();
  const connections = await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      const connection: RawConnection = await rawConnection(
        port,
        () => {
          answered += 1;
          if (sent < count) connection.send(requests[sent++ % requests.length]!);
          else if (answered === count) resolve();
        },
        reject,
      );
      return connection;
    }),
  );
  const startMs = performance.now();
  for (const { send } of connections) if (sent < count) send(requests[sent++ % requests.length]!);
  await promise;
  const seconds = (performance.now() - startMs) / 1000;
  for (const { socket } of connections) socket.destroy();
  return seconds;
}

function withResolvers() {
  let resolve!: () => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
