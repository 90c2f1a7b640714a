/** Heads of answers: what each of them says for safety's sake, also where there is no request to answer. */
import { STATUS_CODES } from 'node:http';

/** Of an answer in plain text. */
export const PLAIN_TYPE = 'text/plain; charset=utf-8';

/** On every answer; a route may say otherwise for its own. */
export const SAFE_HEADERS: Readonly<Record<string, string>> = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
};

/** A whole answer as text, for a connection on which nothing else will be said. */
export function lastAnswer(status: number, text: string, headers: Readonly<Record<string, string>> = {}): string {
  const body = `${text}\n`;
  const lines = Object.entries({
    ...SAFE_HEADERS,
    ...headers,
    'Content-Type': PLAIN_TYPE,
    'Content-Length': String(Buffer.byteLength(body)),
    Connection: 'close',
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`;
}
