/**
 * Body bytes of requests and responses, of which Node keeps no count. Three methods, put in front of those that the
 * public classes inherit, add up what goes through them and pass everything on; a plain `res.end(body)` and a request
 * without a body pay next to nothing.
 */
// Imported and never required: instrumentations hook require(), and miss for good what was required too early for them.
import { IncomingMessage, ServerResponse } from 'node:http';
import { shadow } from './shadow.ts';

const BODY_BYTES = Symbol('gunicorn-otel.body-bytes');

type Counted = ServerResponse & { [BODY_BYTES]?: number; _contentLength?: number | null };
type CountedRequest = IncomingMessage & { [BODY_BYTES]?: number };

/** Bytes of a request's body that were read so far. */
export function requestBytes(request: IncomingMessage): number {
  return (request as CountedRequest)[BODY_BYTES] ?? 0;
}

/**
 * Bytes of a response's body that were written. A body given to end() before the headers went out is the Content-Length
 * that Node itself worked out; everything else came by write(), or by end() behind it. HEAD, 204 and 304 have no body,
 * whatever the app wrote.
 */
export function responseBytes(response: ServerResponse, method: string | undefined): number {
  const { statusCode } = response;
  if (method === 'HEAD' || statusCode === 204 || statusCode === 304) return 0;
  const counted = response as Counted;
  return counted[BODY_BYTES] ?? (response.writableFinished ? (counted._contentLength ?? 0) : 0);
}

let countsBodyBytes = false;

/** Begins to count, once per process or thread. @throws never */
export function countBodyBytes(): void {
  if (countsBodyBytes) return;
  countsBodyBytes = true;
  // What is inherited is looked up at each call, so that a patch of a parent class that comes later holds as it would
  // without us; each in its own place, which the compiler can see through: one that all three share costs 0.2 µs.
  const readable = Object.getPrototypeOf(IncomingMessage.prototype) as Inherited;
  const outgoing = Object.getPrototypeOf(ServerResponse.prototype) as Inherited;

  shadow(IncomingMessage.prototype, function push(this: CountedRequest, chunk: unknown, encoding: unknown) {
    // A client's incoming message has a status; only servers' requests are counted.
    if (chunk !== null && this.statusCode === null) add(this, chunk, encoding);
    return readable.push.call(this, chunk, encoding);
  });
  shadow(ServerResponse.prototype, function write(this: Counted, chunk: unknown, encoding: unknown, callback: unknown) {
    if (!this.writableEnded) add(this, chunk, encoding);
    return outgoing.write.call(this, chunk, encoding, callback);
  });
  shadow(ServerResponse.prototype, function end(this: Counted, chunk: unknown, encoding: unknown, callback: unknown) {
    if (this.headersSent && !this.writableEnded) add(this, chunk, encoding);
    return outgoing.end.call(this, chunk, encoding, callback);
  });
}

type Inherited = Readonly<Record<'push' | 'write' | 'end', (...args: unknown[]) => unknown>>;

function add(message: { [BODY_BYTES]?: number }, chunk: unknown, encoding: unknown): void {
  if (typeof chunk === 'string') {
    const known = typeof encoding === 'string' && Buffer.isEncoding(encoding) ? encoding : 'utf8';
    message[BODY_BYTES] = (message[BODY_BYTES] ?? 0) + Buffer.byteLength(chunk, known);
  } else if (chunk instanceof Uint8Array) {
    message[BODY_BYTES] = (message[BODY_BYTES] ?? 0) + chunk.byteLength;
  }
}
