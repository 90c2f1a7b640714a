/** How an HTTP/2 stream of a server has ended: what the request's error is, as far as its status does not tell. */
import type { ServerHttp2Stream } from 'node:http2';
import { errorTypeOf } from './error-type.ts';
import { ABORTED } from './http.ts';

// RFC 9113, section 7, by code; in the spelling of node:http2.
const RESETS = [
  'NO_ERROR',
  'PROTOCOL_ERROR',
  'INTERNAL_ERROR',
  'FLOW_CONTROL_ERROR',
  'SETTINGS_TIMEOUT',
  'STREAM_CLOSED',
  'FRAME_SIZE_ERROR',
  'REFUSED_STREAM',
  'CANCEL',
  'COMPRESSION_ERROR',
  'CONNECT_ERROR',
  'ENHANCE_YOUR_CALM',
  'INADEQUATE_SECURITY',
  'HTTP_1_1_REQUIRED',
].map((name) => `NGHTTP2_${name}`);
const OTHER_RESET = 'ERR_HTTP2_STREAM_ERROR';

/**
 * To be asked when the stream is destroyed, before Node has forgotten its session.
 *
 * @param error - that it is destroyed with; null or undefined: none
 * @param reset - the code of the server's own reset; 0: it made none
 * @returns error.type; '' for a response that has ended well
 */
export function errorTypeOfStream(stream: ServerHttp2Stream, error: unknown, reset: number): string {
  if (isAnswered(stream)) return '';
  const lost = stream.session?.destroyed !== false;
  if (error !== null && error !== undefined) {
    // A connection that breaks is the client's leaving, as it is with HTTP/1.
    return lost && typeof error === 'object' && 'syscall' in error ? ABORTED : errorTypeOf(error);
  }
  // Node itself resets what a lost connection leaves.
  if (reset !== 0 && !lost) return RESETS[reset] ?? OTHER_RESET;
  return ABORTED;
}

// `aborted`: it was closed before the app had ended it. A stream that closes with its last frame may not have told that
// this frame is written; one whose connection is lost never will.
function isAnswered(stream: ServerHttp2Stream): boolean {
  if (stream.aborted) return false;
  if (stream.writableFinished) return true;
  return stream.closed && stream.rstCode === 0 && stream.writableEnded && stream.session?.destroyed === false;
}
