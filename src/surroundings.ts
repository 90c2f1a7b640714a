/** What settings ask of the machine: directory, port, certificate, packages. Each is tried and let go again. */
import { createServer } from 'node:net';
import { isEnabled, type Settings } from './config.ts';
import { installCommand } from './optional-package.ts';
import { readSecurity } from './security/security.ts';
import { directoryProblem } from './snapshot/trial.ts';

/** One line about what was found, for people. */
export interface Finding {
  readonly severity: 'problem' | 'warning';
  readonly line: string;
}

// By the protocol that OTEL_EXPORTER_OTLP_METRICS_PROTOCOL, or OTEL_EXPORTER_OTLP_PROTOCOL, names.
const OTLP_PACKAGES: ReadonlyMap<string, string> = new Map([
  ['http/protobuf', '@opentelemetry/exporter-metrics-otlp-proto'],
  ['http/json', '@opentelemetry/exporter-metrics-otlp-http'],
  ['grpc', '@opentelemetry/exporter-metrics-otlp-grpc'],
]);

const OF_ANYBODY = { isAsked: false, isRequired: false, isVerified: false };

/** What would stand in the way of a start with these settings. @throws never */
export async function findings(
  settings: Settings,
  env: NodeJS.ProcessEnv,
  resolvePackage: (name: string) => unknown,
): Promise<Finding[]> {
  if (settings.sdkDisabled) return [warning('OTEL_SDK_DISABLED is true: nothing of this package will run')];
  const isOpen = settings.metricsExporters.includes('prometheus');
  return [
    ...directory(settings),
    ...(isOpen ? [...security(settings), ...(await port(settings))] : []),
    ...redis(settings, resolvePackage),
    ...otlp(settings, env, resolvePackage),
    ...runtime(settings, resolvePackage),
  ];
}

/** Who is answered by the endpoint of these settings, for people; none when it will not open. @throws never */
export function endpointLines(settings: Settings): string[] {
  if (settings.sdkDisabled || !settings.metricsExporters.includes('prometheus')) return [];
  const read = readSecurity(settings);
  if (read.problem !== undefined) return [];
  const { tls, access, headers } = read;
  const { users, tokens, rateLimit } = access;
  const { isAsked, isRequired, isVerified, names } = tls?.admission ?? { ...OF_ANYBODY, names: [] };
  const certificate = `${isRequired ? 'with' : 'who may have'} a certificate${isVerified ? ' of the authority' : ''}`;
  const credentials = [
    ...(users.size > 0 ? [`with the password of ${[...users.keys()].join(' or ')}`] : []),
    ...(tokens.size > 0 ? [`with the token ${[...tokens.keys()].join(' or ')}`] : []),
  ];
  return [
    tls ? `https, with a certificate until ${day(tls.endsMs)}` : 'plain HTTP',
    ...(isAsked ? [`answers clients ${certificate}`] : []),
    ...(names.length > 0 ? [`and in it the name ${names.join(' or ')}`] : []),
    ...(credentials.length > 0 ? [`answers who comes ${credentials.join(', or ')}`] : []),
    ...(!isRequired && credentials.length === 0 ? ['answers everybody'] : []),
    ...(rateLimit ? [`${rateLimit.burst} requests at once, then one every ${rateLimit.intervalMs} ms`] : []),
    ...Object.entries(headers).map(([name, value]) => `sends ${name}: ${value}`),
  ];
}

function directory({ multiprocDirectory }: Settings): Finding[] {
  const why = directoryProblem(multiprocDirectory);
  return why ? [problem(`PROMETHEUS_MULTIPROC_DIR=${multiprocDirectory} cannot be used (${why})`)] : [];
}

function security(settings: Settings): Finding[] {
  const read = readSecurity(settings);
  if (read.problem !== undefined) return [problem(`${read.problem}; the endpoint will not open`)];
  const { tls, access } = read;
  const found: Finding[] = [];
  if (tls && tls.endsMs < Date.now()) {
    const from = settings.sslCertfile
      ? `PROMETHEUS_SSL_CERTFILE=${settings.sslCertfile}`
      : `the certificate of GUNICORN_OTEL_WEB_CONFIG_FILE=${settings.webConfigFile}`;
    found.push(problem(`${from} ended on ${day(tls.endsMs)}`));
  }
  if (!tls && access.users.size + access.tokens.size > 0) {
    const file = `GUNICORN_OTEL_WEB_CONFIG_FILE=${settings.webConfigFile}`;
    found.push(warning(`${file} has users or tokens and no tls_server_config: passwords are sent for all to read`));
  }
  if (settings.sslClientCafile && !settings.sslClientAuthRequired) {
    found.push(
      warning('PROMETHEUS_SSL_CLIENT_CAFILE means nothing while PROMETHEUS_SSL_CLIENT_AUTH_REQUIRED is not true'),
    );
  }
  return found;
}

function day(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

function port({ metricsPort, bindAddress }: Settings): Promise<Finding[]> {
  const where = `${bindAddress}:${metricsPort}`;
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', ({ code, message }: NodeJS.ErrnoException) => {
      // The service itself has it when it runs.
      if (code === 'EADDRINUSE') resolve([warning(`${where} is taken, maybe by this very service`)]);
      else
        resolve([
          problem(`PROMETHEUS_BIND_ADDRESS, PROMETHEUS_METRICS_PORT: ${where} cannot be had (${code ?? message})`),
        ]);
    });
    server.listen({ port: metricsPort, host: bindAddress, exclusive: true }, () => server.close(() => resolve([])));
  });
}

function redis(settings: Settings, resolvePackage: (name: string) => unknown): Finding[] {
  if (!settings.redisEnabled) return [];
  const { redisTtlMs, redisForwardIntervalMs } = settings;
  const found = isInstalled('redis', resolvePackage)
    ? []
    : [problem(`REDIS_ENABLED is true and the package redis is not installed: ${installCommand('redis')}`)];
  if (redisTtlMs > 0 && redisTtlMs <= redisForwardIntervalMs) {
    found.push(warning('REDIS_TTL_SECONDS is not longer than REDIS_FORWARD_INTERVAL: three intervals are used'));
  }
  return found;
}

function otlp({ metricsExporters }: Settings, env: NodeJS.ProcessEnv, resolvePackage: (name: string) => unknown) {
  if (!metricsExporters.includes('otlp')) return [];
  const set = ['OTEL_EXPORTER_OTLP_METRICS_PROTOCOL', 'OTEL_EXPORTER_OTLP_PROTOCOL'].find((name) => env[name]?.trim());
  const protocol = set ? env[set]!.trim().toLowerCase() : 'http/protobuf';
  const name = OTLP_PACKAGES.get(protocol);
  if (!name)
    return [problem(`${set}=${JSON.stringify(protocol)} is not one of ${[...OTLP_PACKAGES.keys()].join(', ')}`)];
  if (isInstalled(name, resolvePackage)) return [];
  return [problem(`OTEL_METRICS_EXPORTER has otlp and its package is not installed: ${installCommand(name)}`)];
}

function runtime(settings: Settings, resolvePackage: (name: string) => unknown): Finding[] {
  const name = '@opentelemetry/instrumentation-runtime-node';
  if (!isEnabled('runtime-node', settings) || isInstalled(name, resolvePackage)) return [];
  return [
    problem(
      `OTEL_NODE_ENABLED_INSTRUMENTATIONS has runtime-node and its package is not installed: ${installCommand(name)}`,
    ),
  ];
}

function isInstalled(name: string, resolvePackage: (name: string) => unknown): boolean {
  try {
    resolvePackage(name);
    return true;
  } catch (error) {
    // Any other code is about a package that is there.
    return (error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND';
  }
}

function problem(line: string): Finding {
  return { severity: 'problem', line };
}

function warning(line: string): Finding {
  return { severity: 'warning', line };
}
