/** Keeps the endpoint open: listens, tries again while it cannot, and tells people and tools where it is. */
import { renameSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Settings } from '../config.ts';
import { messageOf } from '../errors.ts';
import { report } from '../report.ts';
import type { MetricsServer } from '../server/server.ts';
import { readTls } from '../server/tls.ts';

/** Where the endpoint is, for people and tools: in the group directory under this name. */
export const EXPORTER_FILE = 'exporter.json';

// A leader that has just died holds its port for a moment: that is no line, and its successor is not to wait for long.
const RETRIES_MS = [50, 100, 200, 400];
const RETRY_MS = 1000;

export interface EndpointOptions {
  /** Of the group; undefined where there is none. */
  readonly directory?: string;
  readonly settings: Settings;
  readonly server: MetricsServer;
}

/**
 * Begins to listen; a port that is taken or a certificate that cannot be read is tried again until it can be had.
 *
 * @param onListening - told the URL each time the endpoint begins to listen
 */
export function openEndpoint(
  { directory, settings, server }: EndpointOptions,
  onListening: (url: string) => void,
): { unref(): void; stop(): void } {
  let retry: NodeJS.Timeout | undefined;
  let referenced = true;
  let refused: string | undefined;
  let refusals = 0;

  const listen = () => {
    // An error may also come from a server that listens, when a connection could not be accepted.
    if (server.listening) return;
    if ('setSecureContext' in server) {
      // Read anew each time: the files may be put there, or put right, at any time.
      const tls = readTls(settings);
      if (tls.problem !== undefined) return refuse(tls.problem, tls.problem);
      server.setSecureContext(tls.context);
    }
    server.listen({ port: settings.metricsPort, host: settings.bindAddress, exclusive: true });
  };
  // Said once per reason.
  const refuse = (reason: string | undefined, line: string) => {
    const again = RETRIES_MS[refusals];
    if (again === undefined && refused !== reason) {
      report('warn', `${line}; ${RETRYING}`);
      refused = reason;
    }
    refusals += 1;
    retry = setTimeout(listen, again ?? RETRY_MS);
    if (!referenced) retry.unref();
  };
  server.on('error', (error: NodeJS.ErrnoException) => refuse(error.code, refusal(error, settings)));
  server.on('listening', () => {
    refused = undefined;
    refusals = 0;
    const { port } = server.address() as AddressInfo;
    const protocol = 'setSecureContext' in server ? 'https' : 'http';
    const url = `${protocol}://${urlHost(settings.bindAddress)}:${port}/metrics`;
    if (directory) writeExporterFile(directory, { url, port, pid: process.pid });
    report('info', `metrics of ${directory ? `process ${process.pid} and its workers` : 'the fleet'} are at ${url}`);
    onListening(url);
  });
  listen();

  return {
    unref() {
      referenced = false;
      server.unref();
      retry?.unref();
    },
    stop() {
      clearTimeout(retry);
      server.close();
      server.closeAllConnections();
    },
  };
}

const RETRYING = 'the app runs on, metrics are collected, and the endpoint opens by itself once it can';

function refusal({ code, message }: NodeJS.ErrnoException, { metricsPort, bindAddress }: Settings): string {
  if (code === 'EADDRINUSE')
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
