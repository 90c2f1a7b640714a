/** Keeps the endpoint open: listens, tries again while it cannot, follows what secures it, and tells where it is. */
import { renameSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Settings } from '../config.ts';
import { messageOf } from '../errors.ts';
import { report } from '../report.ts';
import { Gate } from '../security/credentials.ts';
import { isSameKind, SecuredServer } from '../security/secured-server.ts';
import type { Security } from '../security/security.ts';
import { WatchedSecurity } from '../security/watched-security.ts';
import type { MetricsServer, ServerOptions } from '../server/server.ts';

/** Where the endpoint is, for people and tools: in the group directory under this name. */
export const EXPORTER_FILE = 'exporter.json';

// A leader that has just died holds its port for a moment, one that a sidecar has taken the lead from for a second: that is no
// line yet, and its successor is not to wait for long.
const TAKEN = 'EADDRINUSE';
const RETRIES_MS = [50, 100, 200, 400, 400, 400, 400];
const RETRY_MS = 1000;
const LOOK_MS = 1000;

export interface EndpointOptions {
  /** Of the group; undefined where there is none. */
  readonly directory?: string;
  readonly settings: Settings;
  /** Makes a server that does not listen yet; another one where https, or who needs a certificate, has changed. */
  readonly createServer: (secured: Pick<ServerOptions, 'guard' | 'headers' | 'tls'>) => MetricsServer;
}

export interface Endpoint {
  /** The one that listens, or is to; undefined before there is any. */
  readonly server: MetricsServer | undefined;
  /** From now on it keeps no process alive. */
  unref(): void;
  stop(): void;
}

/**
 * Begins to listen; a port that is taken, or a certificate or web configuration that cannot be read, is tried again until it
 * can be had.
 *
 * @param onListening - told the URL each time the endpoint begins to listen
 */
export function openEndpoint(
  { directory, settings, createServer }: EndpointOptions,
  onListening: (url: string) => void,
): Endpoint {
  const watched = new WatchedSecurity(settings);
  const gate = new Gate();
  let secured: SecuredServer | undefined;
  let port = settings.metricsPort;
  let retry: NodeJS.Timeout | undefined;
  let looks: NodeJS.Timeout | undefined;
  let referenced = true;
  let refused: string | undefined;
  let refusals = 0;
  let isStopped = false;

  const listen = () => {
    if (isStopped) return;
    // An error may also come from a server that listens, when a connection could not be accepted.
    if (secured?.server.listening) return;
    // Read anew each time: the files may be put there, or put right, at any time.
    const security = watched.read();
    if (security.problem !== undefined) return refuse(security.problem, security.problem);
    use(security);
    secured!.server.listen({ port, host: settings.bindAddress, exclusive: true });
  };
  const use = (security: Security) => {
    gate.use(security.access);
    if (!secured || !isSameKind(secured.security, security)) open(new SecuredServer(security, gate, createServer));
    secured!.use(security);
  };
  const open = (next: SecuredServer) => {
    secured?.close();
    secured = next;
    const { server } = next;
    if (!referenced) server.unref();
    server.on('error', (error: NodeJS.ErrnoException) => {
      // One that listens says so of a connection that it could not accept.
      if (secured === next && !server.listening) refuse(error.code, refusal(error, settings));
    });
    server.on('listening', () => tell(next));
  };
  // Said once per reason; at once, where it does not go by itself.
  const refuse = (reason: string | undefined, line: string) => {
    if (isStopped) return;
    const again = RETRIES_MS[refusals];
    if ((again === undefined || reason !== TAKEN) && refused !== reason) {
      report('warn', `${line}; ${RETRYING}`);
      refused = reason;
    }
    refusals += 1;
    retry = setTimeout(listen, again ?? RETRY_MS);
    if (!referenced) retry.unref();
  };
  const tell = ({ server, security }: SecuredServer) => {
    refused = undefined;
    refusals = 0;
    // Any port will do once: who has found it is to find it again.
    port = (server.address() as AddressInfo).port;
    const url = `${security.tls ? 'https' : 'http'}://${urlHost(settings.bindAddress)}:${port}/metrics`;
    if (directory) writeExporterFile(directory, { url, port, pid: process.pid });
    report('info', `metrics of ${directory ? `process ${process.pid} and its workers` : 'the fleet'} are at ${url}`);
    if (watched.hasFiles) looks ??= setInterval(look, LOOK_MS).unref();
    onListening(url);
  };
  const look = () => {
    if (!secured?.server.listening) return;
    const security = watched.look();
    if (!security) return;
    use(security);
    // Another kind of server, which takes the place of the one that was there.
    if (!secured.server.listening) listen();
  };
  listen();

  return {
    get server() {
      return secured?.server;
    },
    unref() {
      referenced = false;
      secured?.server.unref();
      retry?.unref();
    },
    stop() {
      isStopped = true;
      clearTimeout(retry);
      clearInterval(looks);
      secured?.stop();
    },
  };
}

const RETRYING = 'the app runs on, metrics are collected, and the endpoint opens by itself once it can';

function refusal({ code, message }: NodeJS.ErrnoException, { metricsPort, bindAddress }: Settings): string {
  if (code === TAKEN)
    return `port ${metricsPort} is taken on ${bindAddress}: set PROMETHEUS_METRICS_PORT to a free one`;
  if (code === 'EACCES')
    return `port ${metricsPort} needs rights this user has not: set PROMETHEUS_METRICS_PORT above 1023`;
  return `cannot listen on ${bindAddress}:${metricsPort} (${code ?? message}): check PROMETHEUS_BIND_ADDRESS and PROMETHEUS_METRICS_PORT`;
}

function writeExporterFile(directory: string, content: object): void {
  const path = join(directory, EXPORTER_FILE);
  try {
    writeFileSync(`${path}.new`, `${JSON.stringify(content)}\n`, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  } catch (error) {
    // The directory goes when the process ends, which this thread learns last.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    report('warn', `${path} cannot be written: ${messageOf(error)}`);
  }
}

// What one can open in a browser: nobody connects to "all addresses".
function urlHost(bindAddress: string): string {
  if (bindAddress === '0.0.0.0') return '127.0.0.1';
  if (bindAddress === '::') return '[::1]';
  return bindAddress.includes(':') ? `[${bindAddress}]` : bindAddress;
}
