/** An endpoint of a test's own in this process, plain or with TLS, and clients that say what they like to it. */
import { once } from 'node:events';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { type AddressInfo, connect as connectPlain, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Refusal } from '../src/server/refusals.ts';
import { createMetricsServer, type Health, type MetricsServer, type ServerOptions } from '../src/server/server.ts';
import { makeCertificate, NO_OPENSSL } from './certificates.ts';
import { atEnd, freshDirectory, type Owner, until } from './processes.ts';

/** What is scraped and what is healthy unless told. */
export const LONG = '# a comment that repeats itself\n'.repeat(100);
export const HEALTH: Health = { status: 'degraded', workers: 1, expectedWorkers: 4 };
/** What each is tried with; without openssl only the first. */
export const PROTOCOLS = NO_OPENSSL ? (['http'] as const) : (['http', 'https'] as const);

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
  readonly text: string;
}

/** What came on a raw connection so far. */
export interface Raw {
  readonly socket: Socket;
  readonly received: { text: string };
  /** Resolves when nothing more can come. */
  closed(): Promise<unknown>;
}

export interface Served {
  readonly server: MetricsServer;
  readonly port: number;
  /** By reason, how often somebody was refused. */
  readonly refused: Map<Refusal, number>;
  send(method: string, path: string, headers?: object): Promise<Answer>;
  get(path: string, headers?: object): Promise<Answer>;
  /** A connection as far as HTTP can be said on it. */
  open(text?: string): Promise<Raw>;
  /** One as TCP has it, whatever the protocol. */
  knock(text?: string | Buffer): Promise<Raw>;
  connections(): Promise<number>;
  /** How many were read so far. */
  requests(): number;
}

/** @param protocol - http unless told */
export async function serve(
  owner: Owner,
  options: Partial<ServerOptions> = {},
  protocol: 'http' | 'https' = 'http',
): Promise<Served> {
  const refused = new Map<Refusal, number>();
  const server = createMetricsServer({
    scrape: async () => LONG,
    health: () => HEALTH,
    onRefused: (reason) => refused.set(reason, (refused.get(reason) ?? 0) + 1),
    ...(protocol === 'https' && { tls: { requestCert: false, rejectUnauthorized: false } }),
    ...options,
  });
  if ('setSecureContext' in server) server.setSecureContext(makeCertificate(freshDirectory(owner), 'endpoint'));
  let requests = 0;
  server.on('request', () => {
    requests += 1;
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const sockets = new Set<Socket>();
  atEnd(owner, () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  const raw = async (socket: Socket, ready: string, text: string | Buffer | undefined): Promise<Raw> => {
    sockets.add(socket);
    const received = { text: '' };
    let isClosed = false;
    socket.on('error', () => {});
    socket.on('close', () => {
      isClosed = true;
    });
    socket.on('data', (bytes) => {
      received.text += bytes.toString('latin1');
    });
    await once(socket, ready);
    if (text !== undefined) socket.write(text);
    return {
      socket,
      received,
      closed: () =>
        until(
          () => isClosed,
          () => `the end of ${received.text}`,
        ),
    };
  };
  const open: Served['open'] = (text) =>
    protocol === 'http'
      ? raw(connectPlain(port, '127.0.0.1'), 'connect', text)
      : raw(connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false }), 'secureConnect', text);
  const send: Served['send'] = (method, path, headers = {}) => answerOn(open, method, path, headers);
  return {
    server,
    port,
    refused,
    send,
    get: (path, headers) => send('GET', path, headers),
    open,
    knock: (text) => raw(connectPlain(port, '127.0.0.1'), 'connect', text),
    requests: () => requests,
    connections: () => new Promise((resolve) => server.getConnections((_error, count) => resolve(count))),
  };
}

// The bytes as they came: fetch would ask for gzip and unpack it by itself.
async function answerOn(open: Served['open'], method: string, path: string, headers: object): Promise<Answer> {
  const { socket } = await open();
  socket.removeAllListeners('data');
  const sent = httpRequest({
    method,
    path,
    headers: { connection: 'close', ...headers },
    createConnection: () => socket,
  }).end();
  const [response] = await once(sent, 'response');
  const bytes = Buffer.concat(await response.toArray());
  return { status: response.statusCode, headers: response.headers, bytes, text: bytes.toString() };
}
