/** A server and what secures it: certificates are replaced while it listens, whom it asks for one is fixed when it is made. */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { addressOf } from '../server/connections.ts';
import type { Answer, Guard, MetricsServer, ServerOptions } from '../server/server.ts';
import { isAdmitted } from './client-admission.ts';
import type { Gate } from './credentials.ts';
import type { Security } from './security.ts';

// What is being answered when a server gives way to another is given this long to end.
const LAST_ANSWERS_MS = 5000;
const IDLE_LOOKS = 2;
const IDLE_LOOK_MS = 1000;

const NOT_ADMITTED: Answer = {
  status: 403,
  type: 'text/plain; charset=utf-8',
  body: 'your certificate, or the name in it, is not let in\n',
  headers: { Connection: 'close' },
  refused: 'unauthorized',
};

/** Whether one server can be both: plain or https, and in the latter case who has to have a certificate. */
export function isSameKind(one: Security, other: Security): boolean {
  return JSON.stringify(kindOf(one)) === JSON.stringify(kindOf(other));
}

/** Does not listen by itself. */
export class SecuredServer {
  readonly server: MetricsServer;
  #security: Security;
  /** The authority that each connection is let in by: it is fixed when that begins, long before its handshake may be. */
  readonly #authorities = new Map<string, unknown>();
  #isOver = false;

  constructor(
    security: Security,
    gate: Gate,
    createServer: (secured: Pick<ServerOptions, 'guard' | 'headers' | 'tls'>) => MetricsServer,
  ) {
    this.#security = security;
    const tls = kindOf(security);
    const guard: Guard = async (req) => (this.#admits(req) ? gate.guard(req) : NOT_ADMITTED);
    const admits = (socket: TLSSocket) => this.#isAdmitted(socket);
    this.server = createServer({
      guard,
      headers: () => this.#security.headers,
      ...(tls && { tls: { ...tls, admits } }),
    });
    if (tls) this.server.on('connection', (socket: Socket) => this.#note(socket));
  }

  /** What is in force. */
  get security(): Security {
    return this.#security;
  }

  /** Puts this in force: for new connections what is in their handshake, for all of them the rest. @param security - of the same kind */
  use(security: Security): void {
    const before = this.#security.tls;
    this.#security = security;
    const { tls } = security;
    if (!tls || !('setSecureContext' in this.server)) return;
    this.server.setSecureContext(tls.context);
    if (before && before.context.ca !== tls.context.ca) this.#dropIdle(IDLE_LOOKS);
  }

  /** Listens no more at once, and lets what is being answered end. */
  close(): void {
    this.server.close();
    this.server.closeIdleConnections();
    setTimeout(() => {
      // Who is in his handshake is none of those.
      this.#isOver = true;
      this.server.closeAllConnections();
    }, LAST_ANSWERS_MS).unref();
  }

  /** Ends everything at once. */
  stop(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  // The authority that has let them in may be one that is not trusted any more: those who are come again.
  #dropIdle(times: number): void {
    this.server.closeIdleConnections();
    if (times > 1) setTimeout(() => this.#dropIdle(times - 1), IDLE_LOOK_MS).unref();
  }

  #note(socket: Socket): void {
    const address = addressOf(socket);
    this.#authorities.set(address, this.#security.tls?.context.ca);
    socket.once('close', () => this.#authorities.delete(address));
  }

  #admits({ socket }: IncomingMessage): boolean {
    if (this.#isOver) return false;
    return !(socket instanceof TLSSocket) || this.#isAdmitted(socket);
  }

  #isAdmitted(socket: TLSSocket): boolean {
    const { tls } = this.#security;
    if (this.#isOver) return false;
    if (tls && this.#authorities.get(addressOf(socket)) !== tls.context.ca) return false;
    return tls === undefined || isAdmitted(socket, tls.admission);
  }
}

function kindOf({ tls }: Security): { requestCert: boolean; rejectUnauthorized: boolean } | undefined {
  if (!tls) return undefined;
  const { isAsked, isRequired, isVerified } = tls.admission;
  return { requestCert: isAsked, rejectUnauthorized: isRequired && isVerified };
}
