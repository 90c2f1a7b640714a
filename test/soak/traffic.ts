/** A modest load on every member of a fleet, and clients that behave badly; each request and answer is in the ledger. */
import http from 'node:http';
import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { request } from '../requests.ts';
import type { Fleet } from './fleet.ts';
import type { Ledger } from './ledger.ts';
import { between, oneOf, type Random, weighted } from './random.ts';

const CLIENTS = 12;
// Longer than any loop is blocked. A connection that was on its way to a killed worker is never answered nor closed, by
// Node's own doing.
const PATIENCE_MS = 12_000;
const MAX_PAUSE_MS = 60;

const REQUESTS: readonly { weight: number; path: string; method?: string; body?: string[] }[] = [
  { weight: 10, path: '/' },
  { weight: 4, path: '/later?15' },
  { weight: 2, path: '/upload', method: 'POST', body: ['a'.repeat(3000), 'b'.repeat(3000)] },
  { weight: 1, path: '/fails' },
  { weight: 1, path: '/nothing/here' },
];

/** Paths that only clients ask for who are never answered. */
export const UNANSWERED_PATHS: readonly string[] = ['/never', '/swallow', '/large'];

export interface Traffic {
  /** Waits until the last answer is read or given up. */
  stop(): Promise<void>;
}

/** Clients that ask one member after another, on kept-alive connections. */
export function startTraffic(fleet: Fleet, ledger: Ledger, random: Random): Traffic {
  let stopped = false;
  const client = async () => {
    const agent = new http.Agent({ keepAlive: true, maxFreeSockets: 4 });
    while (!stopped) {
      await delay(between(random, 0, MAX_PAUSE_MS));
      const member = oneOf(random, fleet.living());
      if (!member) continue;
      const { path, method = 'GET', body = [] } = weighted(random, REQUESTS);
      ledger.sent += 1;
      const url = `http://127.0.0.1:${member.port}${path}`;
      const answer = await request(url, { agent, method, body, timeout: PATIENCE_MS }).catch(() => undefined);
      if (answer) ledger.answer(answer.body, performance.now());
    }
    agent.destroy();
  };
  const all = Promise.all(Array.from({ length: CLIENTS }, client));
  return {
    async stop() {
      stopped = true;
      await all;
    },
  };
}

/** Goes away before it is answered. */
export async function abort(port: number, ledger: Ledger, afterMs: number): Promise<void> {
  ledger.sent += 1;
  await rawly(port, 'GET /never HTTP/1.1\r\nHost: test\r\n\r\n', () => delay(afterMs));
}

/** Sends a body byte by byte, and goes away before its end. */
export async function writeSlowly(port: number, ledger: Ledger, forMs: number): Promise<void> {
  ledger.sent += 1;
  await rawly(port, 'POST /swallow HTTP/1.1\r\nHost: test\r\nContent-Length: 100000\r\n\r\n', async (socket) => {
    const end = performance.now() + forMs;
    while (performance.now() < end && !socket.destroyed) {
      socket.write('x');
      await delay(50);
    }
  });
}

/** Takes nothing of a large answer for a while, and then goes away. */
export async function readSlowly(port: number, ledger: Ledger, forMs: number): Promise<void> {
  ledger.sent += 1;
  await rawly(port, 'GET /large HTTP/1.1\r\nHost: test\r\n\r\n', async (socket) => {
    socket.pause();
    await delay(forMs);
  });
}

/** A connection that sends a text, behaves as it does, and is cut. */
export async function rawly(port: number, text: string, behave: (socket: net.Socket) => Promise<void>): Promise<void> {
  const socket = net.connect(port, '127.0.0.1');
  // That the other side ends is what these clients are there for.
  socket.on('error', () => {});
  socket.write(text);
  await behave(socket);
  socket.destroy();
}
