/**
 * Requests that become something else: an upgrade (WebSocket) and CONNECT of HTTP/1, which no channel tells. The rule: such
 * a request counts once, and is over when it is answered; how long its connection then lives is not a request's duration.
 */
import type { IncomingMessage } from 'node:http';
import { performance } from 'node:perf_hooks';
import type { Duplex } from 'node:stream';
import { ABORTED } from './http.ts';
import { lookOn } from './looked-on.ts';
import { marksOf, recordException } from './marks.ts';
import type { HttpOptions, HttpWatch } from './request-source.ts';
import { hear } from './servers.ts';

interface Upgrade {
  readonly request: IncomingMessage;
  readonly method: string | undefined;
  readonly target: string;
  readonly startMs: number;
  /** The beginning of what the app has written, as far as it is needed. */
  answer: string;
  letGo(): void;
}

/** As Node marks it; not in its types. */
type Upgrading = IncomingMessage & { readonly upgrade?: boolean };

// Bound, so that an app's fake timers do not change what we measure.
const now = performance.now.bind(performance);
const STATUS = /^HTTP\/1\.\d (\d{3})/;
const VERSION = 'HTTP/1.';
const NEEDED_LENGTH = 'HTTP/1.1 101'.length;

/** Begins to watch. @throws never */
export function watchUpgrades({ requests, writer, failures }: HttpOptions): HttpWatch {
  const underWay = new Set<Upgrade>();
  /** An app may hand one request on from server to server. */
  const seen = new WeakSet<IncomingMessage>();
  let latest: Upgrade | undefined;
  let abandoned: string | undefined;
  const forget = () => {
    latest = undefined;
  };

  const onUpgrade = failures.guarded('request', (request: Upgrading, socket: Duplex) => {
    // Of HTTP/2 it is a stream, and what is not marked by Node has come as an ordinary request.
    if (request.httpVersionMajor !== 1 || !request.upgrade || seen.has(request)) return;
    seen.add(request);
    const { method } = request;
    const startMs = now();
    // Where CONNECT leads to is no path of this server's.
    const target = method === 'CONNECT' ? '' : (request.url ?? '');
    const upgrade: Upgrade = { request, method, target, startMs, answer: '', letGo() {} };
    underWay.add(upgrade);
    requests.begin(method);
    writer.touched();
    if (abandoned !== undefined || socket.destroyed) return end(upgrade, 0, abandoned ?? ABORTED);
    // What is thrown before the next tick comes out of its handler.
    latest = upgrade;
    process.nextTick(forget);
    const written = failures.guarded('request', (chunk: unknown, encoding: unknown) => {
      if (underWay.has(upgrade)) answers(upgrade, chunk, encoding);
    });
    const destroyed = failures.guarded('request', () => end(upgrade, 0, ABORTED));
    upgrade.letGo = lookOn(socket, {
      _write: ([chunk, encoding]) => written(chunk, encoding),
      _writev: ([chunks]) => {
        for (const { chunk, encoding } of chunks as { chunk: unknown; encoding: unknown }[]) written(chunk, encoding);
      },
      _destroy: () => destroyed(undefined, undefined),
    });
    writer.beforeHandler(startMs);
  });

  function answers(upgrade: Upgrade, chunk: unknown, encoding: unknown): void {
    upgrade.answer += beginning(chunk, encoding);
    const { answer } = upgrade;
    if (answer.length < NEEDED_LENGTH && VERSION.startsWith(answer.slice(0, VERSION.length))) return;
    // What is no answer of HTTP's has no status.
    end(upgrade, Number(STATUS.exec(answer)?.[1] ?? 0), '');
  }

  function end(upgrade: Upgrade, status: number, errorType: string): void {
    if (!underWay.delete(upgrade)) return;
    const { request, method, target, startMs } = upgrade;
    upgrade.letGo();
    const endMs = now();
    const marks = marksOf(request);
    requests.end(method, target, status, marks?.errorType ?? errorType, (endMs - startMs) / 1000, 0, 0, marks?.route);
    writer.changed(endMs);
  }

  const stopHearing = hear({ upgrade: onUpgrade as never, connect: onUpgrade as never });
  return {
    stop: stopHearing,
    abandon(errorType) {
      abandoned = errorType;
      for (const upgrade of underWay) end(upgrade, 0, errorType);
    },
    thrown(error) {
      if (latest && underWay.has(latest)) recordException(latest.request, error);
    },
  };
}

// As much as the status line needs, of whatever an app may write to a socket.
function beginning(chunk: unknown, encoding: unknown): string {
  if (typeof chunk === 'string') {
    const known = typeof encoding === 'string' && Buffer.isEncoding(encoding) ? encoding : 'utf8';
    return Buffer.from(chunk.slice(0, 4 * NEEDED_LENGTH), known).toString('latin1', 0, NEEDED_LENGTH);
  }
  const { buffer, byteOffset, byteLength } = chunk as Uint8Array;
  return Buffer.from(buffer, byteOffset, Math.min(byteLength, NEEDED_LENGTH)).toString('latin1');
}
