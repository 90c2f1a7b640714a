/** The endpoint: GET and HEAD of a few paths, a failed scrape is never a 200, and nobody is kept waiting for ever. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import { gzipSync } from 'node:zlib';
import { messageOf } from '../errors.ts';
import { report } from '../report.ts';

export interface Health {
  readonly status: 'ok' | 'degraded';
  /** Workers alive, and how many there should be (0: any number). */
  readonly workers: number;
  readonly expectedWorkers: number;
}

export interface ServerOptions {
  /** Bytes may be the scraper's own memory, which its next collection writes to: they are compressed or copied at once. */
  readonly scrape: () => Promise<string | Buffer>;
  readonly health: () => Health;
  /** Further paths that are answered, by path: the page and its data. */
  readonly routes?: Readonly<Record<string, () => Promise<Answer>>>;
  /** Asks who asks; without one everybody is answered. */
  readonly guard?: Guard;
  /** Makes it https; certificate and key are set with setSecureContext before it listens, and may be set again later. */
  readonly tls?: {
    /** Clients are asked for a certificate. */
    readonly requestCert: boolean;
    /** Only clients are answered whose certificate is signed by the context's `ca`. */
    readonly rejectUnauthorized: boolean;
  };
  /** Of every answer, asked for each time; they come before those of the same name that an answer has by itself. */
  readonly headers?: () => Readonly<Record<string, string>>;
}

export type MetricsServer = Server | TlsServer;

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
}

/** @returns the answer for who may not ask; undefined lets him. @throws never */
export type Guard = (req: IncomingMessage) => Promise<Answer | undefined>;

const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';
const PLAIN_TYPE = 'text/plain; charset=utf-8';
// Below this a compressed answer is no smaller on the wire.
const MIN_GZIP_BYTES = 1024;
// The default takes more than twice the time, longer than all else of a large scrape, for a seventh less bytes.
const GZIP_LEVEL = 1;
const REQUEST_TIMEOUT_MS = 10_000;
const MAX_CONNECTIONS = 100;
const MAX_REQUESTS_PER_CONNECTION = 1000;
const IDLE_TIMEOUT_MS = 30_000;

/** @returns a server that does not listen yet */
export function createMetricsServer(options: ServerOptions): MetricsServer {
  const routes: Record<string, () => Promise<Answer>> = {
    '/metrics': async () => ({ status: 200, type: METRICS_TYPE, body: await options.scrape() }),
    '/healthz': async () => ({ status: 200, type: 'application/json', body: `${JSON.stringify(options.health())}\n` }),
    ...options.routes,
  };
  const handle = (req: IncomingMessage, res: ServerResponse) => {
    // A client that goes away while it is answered is its own affair.
    res.on('error', () => {});
    for (const [name, value] of Object.entries(options.headers?.() ?? {})) res.setHeader(name, value);
    answer(routes, options.guard, req, res).catch((error) => {
      report('error', `${req.url} could not be answered: ${messageOf(error)}`);
      res.destroy();
    });
  };
  const limits = { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS };
  const { tls } = options;
  const server = tls
    ? createTlsServer(
        {
          ...limits,
          handshakeTimeout: REQUEST_TIMEOUT_MS,
          ...tls,
        },
        handle,
      )
    : createServer(limits, handle);
  server.maxConnections = MAX_CONNECTIONS;
  server.maxRequestsPerSocket = MAX_REQUESTS_PER_CONNECTION;
  // Nothing was sent or read for so long: a client that does not take its answer gives its place to another.
  server.timeout = IDLE_TIMEOUT_MS;
  return server;
}

async function answer(
  routes: Record<string, () => Promise<Answer>>,
  guard: Guard | undefined,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const refusal = await guard?.(req);
  if (refusal) return send(req, res, refusal);
  const path = (req.url ?? '/').split('?', 1)[0]!;
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
  if (!route) {
    await send(req, res, plain(404, `not here; there are ${Object.keys(routes).join(' and ')}`));
  } else if (req.method !== 'GET' && req.method !== 'HEAD') {
    res.setHeader('Allow', 'GET, HEAD');
    await send(req, res, plain(405, 'GET and HEAD only'));
  } else {
    await send(req, res, await route().catch(failed));
  }
}

function failed(error: { code?: string; cause?: unknown }): Answer {
  const late = error.code === 'GUNICORN_OTEL_ERR_SCRAPE_TIMEOUT';
  const why = [messageOf(error), ...(error.cause ? [messageOf(error.cause)] : [])].join(': ');
  report('error', `a scrape failed: ${why}`);
  return plain(late ? 503 : 500, why);
}

function plain(status: number, text: string): Answer {
  return { status, type: PLAIN_TYPE, body: `${text}\n` };
}

async function send(req: IncomingMessage, res: ServerResponse, { status, type, body, headers }: Answer): Promise<void> {
  let bytes = typeof body === 'string' ? Buffer.from(body) : body;
  res.statusCode = status;
  res.setHeader('Content-Type', type);
  res.setHeader('Cache-Control', 'no-store');
  res.setHeader('X-Content-Type-Options', 'nosniff');
  res.setHeader('Vary', 'Accept-Encoding');
  for (const [name, value] of Object.entries(headers ?? {})) if (!res.hasHeader(name)) res.setHeader(name, value);
  if (bytes.length >= MIN_GZIP_BYTES && acceptsGzip(req.headers['accept-encoding'])) {
    // Not the asynchronous one: its threads are the process's, and the app may keep them busy. The answer, which is rarely
    // more than an eighth, lies in a chunk of 16 KB unless told, until V8 collects its old objects.
    bytes = gzipSync(bytes, { level: GZIP_LEVEL, chunkSize: Math.max(MIN_GZIP_BYTES, bytes.length >> 3) });
    res.setHeader('Content-Encoding', 'gzip');
  } else if (bytes === body) {
    bytes = Buffer.from(bytes);
  }
  res.setHeader('Content-Length', bytes.length);
  res.end(req.method === 'HEAD' ? undefined : bytes);
}

// RFC 9110, 12.5.3: a coding is refused by q=0, and `*` stands for those not named.
function acceptsGzip(header: string | string[] | undefined): boolean {
  const weights = new Map<string, number>();
  for (const part of String(header ?? '')
    .toLowerCase()
    .split(',')) {
    const [coding = '', ...parameters] = part.split(';').map((text) => text.trim());
    const quality = parameters.find((parameter) => parameter.startsWith('q='));
    weights.set(coding, quality ? Number(quality.slice(2)) : 1);
  }
  return (weights.get('gzip') ?? weights.get('*') ?? 0) > 0;
}
