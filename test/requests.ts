/** The clients of the system tests: whole requests, each on its own connection unless told, and raw connections. */
import assert from 'node:assert/strict';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';

const TIMEOUT_MS = 30_000;

export interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: string;
}

/** One request; body chunks are sent one by one, with chunked encoding unless content-length is among the headers. */
export function request(
  url: string,
  { body = [], ...options }: https.RequestOptions & { body?: (string | Buffer)[] } = {},
): Promise<Answer> {
  const client = url.startsWith('https:') ? https : http;
  return new Promise((resolve, reject) => {
    const outgoing = client.request(url, { agent: false, timeout: TIMEOUT_MS, ...options }, (incoming) => {
      let text = '';
      incoming.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      incoming.once('error', reject);
      incoming.once('end', () => resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: text }));
    });
    outgoing.once('error', reject);
    outgoing.once('timeout', () => outgoing.destroy(new Error(`no answer in time from ${url}`)));
    for (const chunk of body) outgoing.write(chunk);
    outgoing.end();
  });
}

/** The given number of requests, one after another; returns the bodies. */
export async function requests(url: string, count: number, options: http.RequestOptions = {}): Promise<string[]> {
  const bodies: string[] = [];
  while (bodies.length < count) {
    const answer = await request(url, options);
    assert.equal(answer.status, 200);
    bodies.push(answer.body);
  }
  return bodies;
}

export interface Connection {
  socket: net.Socket;
  received: { text: string };
}

/** A raw connection, on which the text is sent as it is. */
export function connect(port: number, text: string): Promise<Connection> {
  const socket = net.connect(port, '127.0.0.1');
  const received = { text: '' };
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    received.text += chunk;
  });
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.once('connect', () => socket.write(text, () => resolve({ socket, received })));
  });
}
