/**
 * Body bytes of requests and responses, of which Node keeps no count. Three methods, put in front of those that the
 * public classes inherit, add up what goes through them and pass everything on; a plain `res.end(body)` and a request
 * without a body pay next to nothing.
 */
// Imported and never required: instrumentations hook require(), and miss for good what was required too early for them.
import { IncomingMessage, ServerResponse } from 'node:http';
import { shadow } from './shadow.ts';
import { isUncached } from './uncached.ts';
import { answeredWith, latestOn, type UnderWay } from './under-way.ts';

/** What Node keeps of a response without saying so: the head, once it is made, and what it has worked out for it. */
interface Kept {
  readonly _header?: string | null;
  readonly _contentLength?: number | null;
}

/**
 * Bytes of a response's body that were written. A body given to end() before the headers went out is the Content-Length
 * that Node itself worked out; everything else came by write(), or by end() behind it. HEAD, 204 and 304 have no body,
 * whatever the app wrote.
 *
 * @param hasFinished - whether that is known; false: the response is asked
 */
export function responseBytes(
  { response, method, writtenBytes }: UnderWay,
  statusCode: number,
  hasFinished: boolean,
): number {
  if (method === 'HEAD' || statusCode === 204 || statusCode === 304) return 0;
  if (writtenBytes > 0) return writtenBytes;
  if (!hasFinished && !response.writableFinished) return 0;
  const length = isUncached() ? Reflect.get(response, '_contentLength') : (response as Kept)._contentLength;
  return (length as Kept['_contentLength']) ?? 0;
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

  shadow(IncomingMessage.prototype, function push(this: IncomingMessage, chunk: unknown, encoding: unknown) {
    // A body is read to its end before the next request is: the last one that has come is the one it is of.
    const underWay = chunk === null ? undefined : latestOn(this.socket);
    if (underWay?.request === this) underWay.requestBytes += bytesOf(chunk, encoding);
    return readable.push.call(this, chunk, encoding);
  });
  shadow(
    ServerResponse.prototype,
    function write(this: ServerResponse, chunk: unknown, encoding: unknown, callback: unknown) {
      if (!this.writableEnded) written(this, chunk, encoding);
      return outgoing.write.call(this, chunk, encoding, callback);
    },
  );
  shadow(
    ServerResponse.prototype,
    function end(this: ServerResponse & Kept, chunk: unknown, encoding: unknown, callback: unknown) {
      // What `headersSent` looks at, and end() will: the answer to the one is there for the other.
      if (this._header && !this.writableEnded) written(this, chunk, encoding);
      return outgoing.end.call(this, chunk, encoding, callback);
    },
  );
}

type Inherited = Readonly<Record<'push' | 'write' | 'end', (...args: unknown[]) => unknown>>;

function written(response: ServerResponse, chunk: unknown, encoding: unknown): void {
  const underWay = answeredWith(response);
  if (underWay) underWay.writtenBytes += bytesOf(chunk, encoding);
}

function bytesOf(chunk: unknown, encoding: unknown): number {
  if (typeof chunk === 'string') {
    const known = typeof encoding === 'string' && Buffer.isEncoding(encoding) ? encoding : 'utf8';
    return Buffer.byteLength(chunk, known);
  }
  return chunk instanceof Uint8Array ? chunk.byteLength : 0;
}
