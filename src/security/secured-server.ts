/** A server and what secures it: certificates are replaced while it listens, whom it asks for one is fixed when it is made. */
import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
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
  body: 'the name in your certificate is not one of those that are let in\n',
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

  constructor(
    security: Security,
    gate: Gate,
    createServer: (secured: Pick<ServerOptions, 'guard' | 'headers' | 'tls'>) => MetricsServer,
  ) {
    this.#security = security;
    const tls = kindOf(security);
    const guard: Guard = async (req) => (this.#admits(req) ? gate.guard(req) : NOT_ADMITTED);
    this.server = createServer({ guard, headers: () => this.#security.headers, ...(tls && { tls }) });
    // Before HTTP has the connection: who is not let in does not get to ask.
    this.server.prependListener('secureConnection', (socket: TLSSocket) => {
      if (!this.#isAdmitted(socket)) socket.destroy();
    });
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
    setTimeout(() => this.server.closeAllConnections(), LAST_ANSWERS_MS).unref();
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

  #admits({ socket }: IncomingMessage): boolean {
    return !(socket instanceof TLSSocket) || this.#isAdmitted(socket);
  }

  #isAdmitted(socket: TLSSocket): boolean {
    const { tls } = this.#security;
    return tls === undefined || isAdmitted(socket, tls.admission);
  }
}

function kindOf({ tls }: Security): { requestCert: boolean; rejectUnauthorized: boolean } | undefined {
  if (!tls) return undefined;
  const { isAsked, isRequired, isVerified } = tls.admission;
  return { requestCert: isAsked, rejectUnauthorized: isRequired && isVerified };
}
