/** A client that says something else every time, as fast as it can. */
import { once } from 'node:events';
import net from 'node:net';

const PIPELINED = 200;
const CONNECTIONS = 50;
// What may not get into the exposition as it is, and what is longer than any name.
const ODD = ['"', '\n', '\\', '{}', ' ', '\u{1f40d}', '\0', `${'x'.repeat(300)}`];

/** The nth word that no app knows: letters only, so that nothing takes it for an id; some with odd characters behind. */
export function word(n: number): string {
  let text = '';
  for (let rest = n + 26 ** 3; rest > 0; rest = Math.floor(rest / 26))
    text = 'abcdefghijklmnopqrstuvwxyz'[rest % 26] + text;
  return n % 50 === 49 ? text + ODD[Math.floor(n / 50) % ODD.length] : text;
}

/** Sends so many requests, pipelined on one connection, and waits for all their answers; a text lacks its end. */
export async function pipeline(
  port: number,
  count: number,
  requestLineAndHeaders: (n: number) => string,
): Promise<void> {
  const socket = net.connect(port, '127.0.0.1').setEncoding('latin1');
  let sent = 0;
  let answers = 0;
  const send = () => {
    const batch = Array.from({ length: Math.min(PIPELINED, count - sent) }, (_, i) => requestLineAndHeaders(sent + i));
    sent += batch.length;
    socket.write(batch.map((text) => `${text}\r\nHost: test\r\n\r\n`).join(''));
  };
  // What ends the headers of an answer without a body may come in two pieces.
  let last = '';
  await new Promise<void>((resolve, reject) => {
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`closed after ${answers} answers`)));
    socket.on('connect', send);
    socket.on('data', (text: string) => {
      const pieces = (last + text).split('\r\n\r\n');
      answers += pieces.length - 1;
      last = pieces.at(-1)!.slice(-3);
      if (answers === count) resolve();
      else if (answers === sent) send();
    });
  });
  socket.destroy();
}

/** Sends each text on a connection of its own, many at a time, and waits until the server has closed them all. */
export async function connections(port: number, count: number, text: (n: number) => string): Promise<void> {
  let next = 0;
  const one = async () => {
    while (next < count) {
      const socket = net.connect(port, '127.0.0.1').resume();
      socket.on('error', () => {});
      socket.write(text(next));
      next += 1;
      await once(socket, 'close');
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, one));
}
