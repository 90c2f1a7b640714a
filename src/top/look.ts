/** One look at an endpoint's /status.json: whoever answers is not trusted, and whatever fails is one line. */
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { messageOf } from '../errors.ts';
import type { Status } from '../status-document.ts';
import { readStatus } from './status.ts';
import { printable } from './text.ts';

const DEADLINE_MS = 10_000;
// Of 200 workers and 500 routes with the longest names it is not a tenth of that.
const MAX_BODY_BYTES = 16 * 1024 * 1024;

/** How it is asked; the files' paths, and no secret. */
export interface Access {
  readonly user?: string;
  /** Of GUNICORN_OTEL_PASSWORD; before the file. */
  readonly password?: string;
  readonly passwordFile?: string;
  readonly bearerFile?: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** What was seen: the status, and the document it was read from; or why there is none, in one printable line. */
export type Look = { readonly status: Status; readonly document: unknown } | { readonly trouble: string };

// What people can do about it, by the error's code.
const ADVICE: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens there',
  ENOTFOUND: 'there is no such host',
  ECONNRESET: 'it ended the connection: https for http, or no client certificate that it takes (--cert, --key)?',
  EPROTO: 'it does not speak TLS as we do: http for https, or a client certificate is missing (--cert, --key)?',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is its own: name it with --ca',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is signed by nobody known here: name who did with --ca',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is signed by nobody known here: name who did with --ca',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate is signed by nobody known here: name who did with --ca',
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: 'it asks for a client certificate: --cert, --key',
};
const BY_STATUS: Readonly<Record<number, string>> = {
  401: 'no name, password or token that it takes: --user with GUNICORN_OTEL_PASSWORD or --password-file, or --bearer-file',
  403: 'it lets this user or certificate not in',
  404: 'it is none of gunicorn-otel, or of a version before this',
  503: 'it is too busy, or only starting',
};

/** Looks once. @param url - of the status document. @throws never */
export async function look(url: URL, access: Access, deadlineMs = DEADLINE_MS): Promise<Look> {
  try {
    const { status, body } = await get(url, optionsOf(access), deadlineMs);
    if (status !== 200) {
      const why = BY_STATUS[status];
      return { trouble: printable(`${url.href} answers ${status}${why ? `: ${why}` : ''}`) };
    }
    const document: unknown = JSON.parse(body);
    const read = readStatus(document);
    return typeof read === 'string' ? { trouble: `${url.href}: ${read}` } : { status: read, document };
  } catch (error) {
    return { trouble: printable(`${url.href}: ${whyOf(error, deadlineMs)}`) };
  }
}

// Read at every look: tokens and certificates are exchanged for new ones.
function optionsOf({ user, password, passwordFile, bearerFile, ca, cert, key }: Access): https.RequestOptions {
  const secret = (path: string) => readFileSync(path, 'utf8').replace(/\r?\n$/, '');
  const headers: Record<string, string> = { accept: 'application/json', 'user-agent': 'gunicorn-otel top' };
  if (bearerFile !== undefined) headers['authorization'] = `Bearer ${secret(bearerFile)}`;
  else if (user !== undefined) {
    const login = `${user}:${password ?? secret(passwordFile!)}`;
    headers['authorization'] = `Basic ${Buffer.from(login).toString('base64')}`;
  }
  return {
    agent: false,
    headers,
    ...(ca !== undefined && { ca: readFileSync(ca) }),
    ...(cert !== undefined && { cert: readFileSync(cert) }),
    ...(key !== undefined && { key: readFileSync(key) }),
  };
}

function get(url: URL, options: https.RequestOptions, deadlineMs: number): Promise<{ status: number; body: string }> {
  const client = url.protocol === 'https:' ? https : http;
  const signal = AbortSignal.timeout(deadlineMs);
  return new Promise((resolve, reject) => {
    const request = client.get(url, { ...options, signal }, (response) => {
      const chunks: Buffer[] = [];
      let sizeBytes = 0;
      response.on('data', (chunk: Buffer) => {
        sizeBytes += chunk.length;
        chunks.push(chunk);
        if (sizeBytes > MAX_BODY_BYTES) request.destroy(new Error(`it answers more than ${MAX_BODY_BYTES} bytes`));
      });
      response.once('error', reject);
      response.once('end', () => {
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') });
      });
    });
    request.once('error', reject);
  });
}

function whyOf(error: unknown, deadlineMs: number): string {
  const { code, name } = error as NodeJS.ErrnoException;
  // Of AbortSignal.timeout(), whatever Node makes of it on the way.
  if (name === 'AbortError' || name === 'TimeoutError') return `no answer within ${deadlineMs / 1000} s`;
  if (error instanceof SyntaxError) return 'what it answers is no JSON';
  // Node says nothing else of a header that cannot be sent: a file with more than one line.
  if (code === 'ERR_INVALID_CHAR') return 'password or token has characters that no header can have';
  const message = messageOf(error) || code || 'it failed';
  const advice = code === undefined ? undefined : ADVICE[code];
  return advice ? `${advice} (${code})` : message;
}
