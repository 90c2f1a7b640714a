/**
 * OTel's own OTLP exporters, which read OTEL_EXPORTER_OTLP_* themselves: endpoint, headers, compression, certificates,
 * timeout, temporality. Only which of the three it is stands here.
 */
import type { PushMetricExporter } from '@opentelemetry/sdk-metrics';
import { loadOptional } from '../optional-package.ts';
import { report } from '../report.ts';

interface OtlpModule {
  readonly OTLPMetricExporter: new () => PushMetricExporter;
}

const DEFAULT_PROTOCOL = 'http/protobuf';
const PROTOCOL_VARIABLES = ['OTEL_EXPORTER_OTLP_METRICS_PROTOCOL', 'OTEL_EXPORTER_OTLP_PROTOCOL'];
const PACKAGES: Readonly<Record<string, { name: string; load: () => Promise<unknown> }>> = {
  'http/protobuf': {
    name: '@opentelemetry/exporter-metrics-otlp-proto',
    load: () => import('@opentelemetry/exporter-metrics-otlp-proto'),
  },
  'http/json': {
    name: '@opentelemetry/exporter-metrics-otlp-http',
    load: () => import('@opentelemetry/exporter-metrics-otlp-http'),
  },
  grpc: {
    name: '@opentelemetry/exporter-metrics-otlp-grpc',
    load: () => import('@opentelemetry/exporter-metrics-otlp-grpc'),
  },
};

/**
 * @param env - says the protocol; everything else the exporter reads from process.env
 * @returns undefined, and one line, when its package is not there
 * @throws what the exporter's constructor throws
 */
export async function createOtlpExporter(env: NodeJS.ProcessEnv): Promise<PushMetricExporter | undefined> {
  const { name, load } = PACKAGES[protocolOf(env)]!;
  const loaded = (await loadOptional(name, load, 'OTEL_METRICS_EXPORTER=otlp')) as OtlpModule | undefined;
  return loaded && new loaded.OTLPMetricExporter();
}

function protocolOf(env: NodeJS.ProcessEnv): string {
  const variable = PROTOCOL_VARIABLES.find((each) => env[each]?.trim());
  const protocol = variable ? env[variable]!.trim().toLowerCase() : DEFAULT_PROTOCOL;
  if (Object.hasOwn(PACKAGES, protocol)) return protocol;
  const accepted = Object.keys(PACKAGES).join(', ');
  report('warn', `${variable}=${JSON.stringify(protocol)} is not one of ${accepted}; ${DEFAULT_PROTOCOL} is used`);
  return DEFAULT_PROTOCOL;
}
