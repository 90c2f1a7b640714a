/** The client of the system tests for HTTP/2: whole requests on one session. */
import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect, type OutgoingHttpHeaders } from 'node:http2';
import { atEnd, type Owner } from './processes.ts';

/** A session that lasts as long as its test; with https its server's certificate is not asked for. */
export async function openSession(owner: Owner, url: string): Promise<ClientHttp2Session> {
  const session = connect(url, { rejectUnauthorized: false });
  atEnd(owner, () => session.destroy());
  await once(session, 'connect');
  return session.on('error', () => {});
}

/** One request, answered; a body is sent as it is. */
export async function ask(
  session: ClientHttp2Session,
  path: string,
  body?: Buffer,
): Promise<{ status: number; body: string; trailers: OutgoingHttpHeaders }> {
  const stream = session.request({ ':path': path, ':method': body ? 'POST' : 'GET' }, { endStream: !body });
  if (body) stream.end(body);
  const answer = { status: 0, body: '', trailers: {} as OutgoingHttpHeaders };
  stream.on('response', (response) => {
    answer.status = Number(response[':status']);
  });
  stream.on('trailers', (trailers) => {
    answer.trailers = trailers;
  });
  stream.setEncoding('utf8').on('data', (text: string) => {
    answer.body += text;
  });
  await once(stream, 'close');
  return answer;
}

/** One request that is left to itself, whatever becomes of it. */
export function leave(session: ClientHttp2Session, path: string): ClientHttp2Stream {
  return session.request({ ':path': path }).on('error', () => {});
}
