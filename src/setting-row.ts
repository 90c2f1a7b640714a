/** What a setting is: the values a process runs by, and the row of the table that says how each of them is set. */
import type { LogLevel } from './report.ts';

/** How the values that processes recorded with a gauge become one: the names that Python users know. */
export const GAUGE_MODES = [
  'all',
  'liveall',
  'min',
  'livemin',
  'max',
  'livemax',
  'sum',
  'livesum',
  'mostrecent',
  'livemostrecent',
] as const;
export type GaugeMode = (typeof GAUGE_MODES)[number];

/**
 * Frozen. Every duration is in the unit its name says; a text that is '' is not set; what 0 means is in the row of the
 * setting.
 */
export interface Settings {
  readonly metricsPort: number;
  readonly bindAddress: string;
  readonly multiprocDirectory: string;
  readonly group: string;
  readonly expectedWorkers: number;
  readonly sdkDisabled: boolean;
  readonly logLevel: LogLevel;
  readonly labels: 'standard' | 'detailed';
  readonly durationBuckets: readonly number[];
  readonly flushIntervalMs: number;
  readonly observableIntervalMs: number;
  readonly exitedRetentionMs: number;
  readonly maxEndpoints: number;
  readonly maxSeries: number;
  readonly scrapeTimeoutMs: number;
  readonly workerIds: 'unique' | 'slot';
  readonly httpSource: 'channels' | 'instrumentation-http';
  /** By the name of a metric as scraped; `*` is for those not named. What is not in it is `liveall`. */
  readonly gaugeModes: Readonly<Record<string, GaugeMode>>;
  readonly unresponsiveAfterMs: number;
  /** As told: relative to the working directory, or absolute. */
  readonly configFile: string;
  readonly sslCertfile: string;
  readonly sslKeyfile: string;
  readonly sslClientCafile: string;
  readonly sslClientAuthRequired: boolean;
  /** As told: relative to the working directory, or absolute. */
  readonly webConfigFile: string;
  readonly redisEnabled: boolean;
  readonly redisHost: string;
  readonly redisPort: number;
  readonly redisDb: number;
  readonly redisUsername: string;
  readonly redisPassword: string;
  readonly redisTls: boolean;
  readonly redisUrl: string;
  readonly redisKeyPrefix: string;
  readonly redisTtlMs: number;
  readonly redisForwardIntervalMs: number;
  readonly serviceName: string;
  /** Decoded. */
  readonly resourceAttributes: Readonly<Record<string, string>>;
  readonly resourceDetectors: readonly string[];
  /** What was told, `none` included. */
  readonly metricsExporters: readonly ('prometheus' | 'otlp' | 'console' | 'none')[];
  readonly metricExportIntervalMs: number;
  readonly metricExportTimeoutMs: number;
  /** What is in the one and not in the other is counted: `http`, `runtime-node`; other names are for other tools. */
  readonly enabledInstrumentations: readonly string[];
  readonly disabledInstrumentations: readonly string[];
}

/** What a setting takes: `parse` gives undefined for what it does not accept; `accepts` says what it does, for people. */
export interface Accepted<T> {
  readonly accepts: string;
  readonly parse: (text: string) => T | undefined;
  /** The text that `parse` makes the value of; String(value) where there is none. */
  format?(value: T): string;
}

/** One row. */
export interface Setting<T = unknown> extends Accepted<T> {
  readonly variable: string;
  /** The OTel variable of the same meaning, read when `variable` is not set. */
  readonly otelVariable?: string;
  readonly fallback: T;
  /** What holds in the place of the default when what was set is not understood: what keeps others out must not be off by a slip. */
  readonly ifWrong?: T;
  readonly meaning: string;
  /** Never shown as it is: neither the value nor, of a URL, the password in it. */
  readonly secret?: true | 'password-of-url';
}

export type SettingsTable = { readonly [K in keyof Settings]: Setting<Settings[K]> };

const MASK = '***';

/** The value as text that its setting would accept again. @throws whatever a value that is not of its type throws */
export function textOf(setting: Setting, value: unknown): string {
  if (typeof value === 'string') return value;
  return setting.format ? setting.format(value) : String(value);
}

/** The text of a setting's value as people may see it. */
export function shown(setting: Setting, text: string): string {
  if (!setting.secret || text === '') return text;
  // What was refused may have its password anywhere.
  if (setting.secret === true || setting.parse(text) === undefined) return MASK;
  const { protocol, username, password, host, pathname } = new URL(text);
  const login = password ? `${username}:${MASK}@` : username && `${username}@`;
  return `${protocol}//${login}${host}${pathname}`;
}
