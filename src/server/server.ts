/** The endpoint: GET and HEAD of a few paths, a failed scrape is never a 200, and nobody is kept waiting for ever. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { messageOf } from '../errors.ts';
import { report } from '../report.ts';
import { Connections } from './connections.ts';
import { CODINGS, type Encoded, encode } from './content-coding.ts';
import { Deliveries, type Patience } from './deliveries.ts';
import { lastAnswer, PLAIN_TYPE, SAFE_HEADERS } from './heads.ts';
import { type Scrape, scrapeRoute } from './metrics-route.ts';
import { codingFor } from './negotiation.ts';
import type { Refusal } from './refusals.ts';

export interface Health {
  readonly status: 'ok' | 'degraded';
  /** Workers alive, and how many there should be (0: any number). */
  readonly workers: number;
  readonly expectedWorkers: number;
}

export interface ServerOptions {
  readonly scrape: Scrape;
  readonly health: () => Health;
  /** Further paths that are answered, by path: the page and its data. */
  readonly routes?: Readonly<Record<string, () => Promise<Answer>>>;
  /** Asks who asks; without one everybody is answered. */
  readonly guard?: Guard;
  /** Told each time that somebody is not answered, or not to the end. */
  readonly onRefused?: (reason: Refusal) => void;
  /** How long a client may take for an answer; see deliveries.ts unless told. */
  readonly patience?: Patience;
  /** Makes it https; certificate and key are set with setSecureContext before it listens, and may be set again later. */
  readonly tls?: {
    /** Clients are asked for a certificate. */
    readonly requestCert: boolean;
    /** Only clients are answered whose certificate is signed by the context's `ca`. */
    readonly rejectUnauthorized: boolean;
    /** Asked of each new connection, before HTTP has it; undefined: all are let in. */
    readonly admits?: (socket: TLSSocket) => boolean;
  };
  /** Of every answer, asked for each time; they come before those of the same name that an answer has by itself. */
  readonly headers?: () => Readonly<Record<string, string>>;
}

export type MetricsServer = Server | TlsServer;

export interface Answer {
  readonly status: number;
  readonly type: string;
  /** Bytes may be written to again when they have been handed over: they are compressed or copied at once. */
  readonly body: string | Buffer | Encoded;
  readonly headers?: Readonly<Record<string, string>>;
  /** Where it is no answer but a refusal: what it is counted as. */
  readonly refused?: Refusal;
}

/** @returns the answer for who may not ask; undefined lets him. @throws never */
export type Guard = (req: IncomingMessage) => Promise<Answer | undefined>;

type Route = (req: IncomingMessage) => Promise<Answer>;

const HEAD_TIMEOUT_MS = 10_000;
// Node looks for those that are late every 30 s unless told.
const LOOK_FOR_LATE_MS = 2000;
const MAX_HEAD_BYTES = 8192;
const MAX_REQUESTS_PER_CONNECTION = 1000;
// Of a connection on which nothing is done at all, in whatever state.
const IDLE_TIMEOUT_MS = 30_000;

/** What is told to who sends something else than a request, by the parser's code; 400 is the answer to all others. */
const MISTAKES: Readonly<Record<string, readonly [status: number, text: string]>> = {
  HPE_HEADER_OVERFLOW: [431, `the head of a request may have ${MAX_HEAD_BYTES} bytes`],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'the head of a request did not come in time'],
};

/** @returns a server that does not listen yet */
export function createMetricsServer(options: ServerOptions): MetricsServer {
  const { tls, onRefused = () => {} } = options;
  const routes: Record<string, Route> = {
    '/metrics': scrapeRoute(options.scrape),
    '/healthz': async () => ({ status: 200, type: 'application/json', body: `${JSON.stringify(options.health())}\n` }),
    ...options.routes,
  };
  const limits = {
    requestTimeout: HEAD_TIMEOUT_MS,
    headersTimeout: HEAD_TIMEOUT_MS,
    connectionsCheckingInterval: LOOK_FOR_LATE_MS,
    maxHeaderSize: MAX_HEAD_BYTES,
    // Node's own answer to that would lack the headers of ours.
    requireHostHeader: false,
  };
  const server = tls
    ? createTlsServer({
        ...limits,
        handshakeTimeout: HEAD_TIMEOUT_MS,
        ...tls,
      })
    : createServer(limits);
  if (tls?.admits) {
    server.prependListener('secureConnection', (socket: TLSSocket) => {
      if (tls.admits!(socket)) return;
      onRefused('unauthorized');
      socket.destroy();
    });
  }
  const connections = new Connections(server, onRefused);
  const deliveries = new Deliveries(onRefused, options.patience);
  const handle = (req: IncomingMessage, res: ServerResponse) => {
    // A client that goes away while it is answered is its own affair.
    res.on('error', () => {});
    for (const [name, value] of Object.entries(options.headers?.() ?? {})) res.setHeader(name, value);
    if (!connections.begin(req, res)) return;
    answerOf(routes, options.guard, deliveries, req, res)
      .then((wanted) => {
        const answer = fitting(deliveries, req, wanted);
        if (answer.refused) onRefused(answer.refused);
        if (answer.status >= 400) connections.giveWay(req, res);
        send(deliveries, req, res, answer);
      })
      .catch((error) => {
        report('error', `${req.url} could not be answered: ${messageOf(error)}`);
        res.destroy();
      });
  };
  server.on('request', handle);
  // Nobody is told to go on with a body that nobody reads.
  server.on('checkContinue', handle);
  server.on('checkExpectation', handle);
  server.on('connect', (_req: IncomingMessage, socket: Socket) => hangUp(socket, 405, 'GET and HEAD only', ALLOW));
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (isWithoutLeave(error, socket)) {
      onRefused('unauthorized');
      return void socket.destroy();
    }
    if (error.code === 'ECONNRESET' || error.code === 'EPIPE') return void socket.destroy();
    onRefused('malformed');
    // In the middle of an answer, or before TLS is agreed on, nothing can be said.
    if (!socket.writable || connections.stateOf(socket) !== 'idle') return void socket.destroy();
    const [status, text] = MISTAKES[error.code ?? ''] ?? [400, 'this is no HTTP request'];
    hangUp(socket, status, text);
  });
  server.maxRequestsPerSocket = MAX_REQUESTS_PER_CONNECTION;
  server.timeout = IDLE_TIMEOUT_MS;
  return server;
}

// Node says of a certificate that it does not take what it says of a client that goes away.
function isWithoutLeave({ code }: NodeJS.ErrnoException, socket: Socket): boolean {
  const { authorizationError } = socket as Partial<TLSSocket>;
  return Boolean(authorizationError) || code === 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE';
}

// Without a user in it, which RFC 9110, 4.2.4, takes for an error.
const ABSOLUTE_FORM = /^https?:\/\/[^/?#@]+(?=[/?]|$)/i;
const NO_BYTES = Buffer.alloc(0);
const ALLOW = { Allow: 'GET, HEAD' };

const BUSY: Answer = {
  ...plain(503, 'as many are being answered as there may be', { 'Retry-After': '1' }),
  refused: 'busy',
};

function hangUp(socket: Socket, status: number, text: string, headers?: Readonly<Record<string, string>>): void {
  // Who has gone away does not read it.
  socket.on('error', () => {});
  socket.write(lastAnswer(status, text, headers));
  socket.destroySoon();
}

async function answerOf(
  routes: Record<string, Route>,
  guard: Guard | undefined,
  deliveries: Deliveries,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<Answer> {
  // Waiting is bounded by what is waited for.
  req.socket.setTimeout(0);
  const refusal = await guard?.(req);
  if (refusal) return refusal;
  if (req.headers.host === undefined && req.httpVersion === '1.1')
    return { ...plain(400, 'a request names its host'), refused: 'malformed' };
  const path = pathOf(req.url ?? '/');
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
  if (!route) return plain(404, `not here; there are ${named(routes).join(' and ')}`);
  if (req.method !== 'GET' && req.method !== 'HEAD') return plain(405, 'GET and HEAD only', ALLOW);
  if (hasBody(req)) return plain(413, 'a request has no body here');
  if (!deliveries.begin(res)) return res.destroyed ? plain(503, 'nobody waits for it any more') : BUSY;
  return route(req).catch(failed);
}

// RFC 9112, 3.2.2: what a forward proxy sends is taken, too. Whose address it is asked under is of no account here.
function pathOf(target: string): string {
  return target.replace(ABSOLUTE_FORM, '').split('?', 1)[0] || '/';
}

// Those that somebody may mean to write; the files of a page are asked for by it.
function named(routes: Record<string, Route>): string[] {
  return Object.keys(routes).filter((path) => !/\.(?:js|css|html)$/.test(path));
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0;
}

function failed(error: { code?: string; cause?: unknown }): Answer {
  const late = error.code === 'GUNICORN_OTEL_ERR_SCRAPE_TIMEOUT';
  const why = [messageOf(error), ...(error.cause ? [messageOf(error.cause)] : [])].join(': ');
  report('error', `a scrape failed: ${why}`);
  return plain(late ? 503 : 500, why);
}

function plain(status: number, text: string, headers: Answer['headers'] = {}): Answer {
  return { status, type: PLAIN_TYPE, body: `${text}\n`, headers };
}

type EncodedAnswer = Answer & { readonly body: Encoded };

// As it goes over the wire, or the refusal where there is no room for it.
function fitting(deliveries: Deliveries, req: IncomingMessage, answer: Answer): EncodedAnswer {
  const body = encodedFor(req, answer.body);
  const fits = req.method === 'HEAD' || deliveries.hasRoomFor(body.bytes);
  return fits ? { ...answer, body } : { ...BUSY, body: encodedFor(req, BUSY.body) };
}

function send(deliveries: Deliveries, req: IncomingMessage, res: ServerResponse, answer: EncodedAnswer): void {
  const { status, type, headers } = answer;
  const { bytes, coding } = answer.body;
  res.statusCode = status;
  const all = {
    ...SAFE_HEADERS,
    Vary: 'Accept-Encoding',
    'Content-Type': type,
    ...(coding !== 'identity' && { 'Content-Encoding': coding }),
    'Content-Length': bytes.length,
    // A body that nobody reads must not be taken for the next request.
    ...(hasBody(req) && { Connection: 'close' }),
    ...headers,
  };
  for (const [name, value] of Object.entries(all)) if (!res.hasHeader(name)) res.setHeader(name, value);
  // A head is not always taken either.
  deliveries.pour(res, req.method === 'HEAD' ? NO_BYTES : bytes);
}

function encodedFor({ headers }: IncomingMessage, body: Answer['body']): Encoded {
  if (typeof body === 'object' && 'coding' in body) return body;
  return encode(body, codingFor(String(headers['accept-encoding'] ?? ''), CODINGS));
}
