/**
 * Every setting, as one table: the variable that sets it, what it accepts, its default and its meaning.
 * A bad value never stops the app: it becomes one line of `problems` and the setting keeps its default.
 */
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { LOG_LEVELS, type LogLevel } from './report.ts';

/** Frozen. Every duration is in the unit its name says; 0 means what the row below says. */
export interface Settings {
  readonly metricsPort: number;
  readonly bindAddress: string;
  readonly multiprocDirectory: string;
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
  readonly gaugeModes: Readonly<Record<string, string>>;
  readonly unresponsiveAfterMs: number;
}

/** One row. `parse` gives undefined for what it does not accept; `accepts` says what it does, for the line. */
export interface Setting<T = unknown> {
  readonly variable: string;
  /** The OTel variable of the same meaning, read when `variable` is not set. */
  readonly otelVariable?: string;
  readonly fallback: T;
  readonly accepts: string;
  readonly meaning: string;
  readonly parse: (text: string) => T | undefined;
}

type SettingsTable = { readonly [K in keyof Settings]: Setting<Settings[K]> };

/** Where the value of a setting came from. */
export type SettingOrigin = 'option' | 'default' | (string & {});

export interface ReadSettings {
  readonly settings: Settings;
  readonly origins: { readonly [K in keyof Settings]: SettingOrigin };
  /** One clear line per value that was not accepted: variable, value, what is accepted, what holds instead. */
  readonly problems: readonly string[];
}

/** Seconds; the OTel advice for HTTP durations and the original's buckets, united. */
const DURATION_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60];
const BOOLEANS = new Map([
  ['true', true],
  ['false', false],
]);
const UNIT_MS = { ms: 1, s: 1000, m: 60_000 } as const;
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Every setting, by the name it has in code; `--help` and the docs print this table. */
export const SETTINGS: SettingsTable = {
  metricsPort: {
    variable: 'PROMETHEUS_METRICS_PORT',
    otelVariable: 'OTEL_EXPORTER_PROMETHEUS_PORT',
    fallback: 9090,
    ...integer(0, 65_535),
    meaning: 'port of the endpoint; 0: any free port',
  },
  bindAddress: {
    variable: 'PROMETHEUS_BIND_ADDRESS',
    otelVariable: 'OTEL_EXPORTER_PROMETHEUS_HOST',
    fallback: '0.0.0.0',
    accepts: 'a host name or an IP address of this machine',
    parse: (text) => (/^[\w.:%-]+$/.test(text) ? text : undefined),
    meaning: 'address the endpoint listens on',
  },
  multiprocDirectory: {
    variable: 'PROMETHEUS_MULTIPROC_DIR',
    fallback: join(tmpdir(), 'prometheus_multiproc'),
    accepts: 'a directory this user can write to',
    parse: parseDirectory,
    meaning: 'where the processes of a group meet; made when it is not there',
  },
  expectedWorkers: {
    variable: 'GUNICORN_WORKERS',
    fallback: 0,
    ...integer(0, 100_000),
    meaning: 'workers that should be alive; /healthz says degraded below it; 0: any number will do',
  },
  sdkDisabled: {
    variable: 'OTEL_SDK_DISABLED',
    fallback: false,
    accepts: 'true or false',
    parse: (text) => BOOLEANS.get(text.toLowerCase()),
    meaning: 'true: this package does nothing at all',
  },
  logLevel: {
    variable: 'OTEL_LOG_LEVEL',
    fallback: 'info',
    ...oneOf(...LOG_LEVELS),
    meaning: 'from which level on this package writes lines to stderr',
  },
  labels: {
    variable: 'GUNICORN_OTEL_LABELS',
    fallback: 'standard',
    ...oneOf('standard', 'detailed'),
    meaning: 'detailed: adds method and endpoint to the per-worker request families',
  },
  durationBuckets: {
    variable: 'GUNICORN_OTEL_DURATION_BUCKETS',
    fallback: DURATION_BUCKETS,
    accepts: 'up to 50 increasing numbers of seconds, separated by commas',
    parse: parseBuckets,
    meaning: 'upper bounds of the request duration histograms, in seconds',
  },
  flushIntervalMs: {
    variable: 'GUNICORN_OTEL_FLUSH_INTERVAL',
    fallback: 10,
    ...duration('ms', 1),
    meaning: 'under load, the longest a completed request stays unpublished (what a SIGKILL can lose)',
  },
  observableIntervalMs: {
    variable: 'GUNICORN_OTEL_OBSERVABLE_INTERVAL',
    fallback: 5000,
    ...duration('s', 100),
    meaning: "the callbacks of the app's observable instruments run at most once in this time",
  },
  exitedRetentionMs: {
    variable: 'GUNICORN_OTEL_EXITED_RETENTION',
    fallback: 300_000,
    ...duration('s', 0),
    meaning: 'how long the counters of an exited worker stay visible under its worker_id',
  },
  maxEndpoints: {
    variable: 'GUNICORN_OTEL_MAX_ENDPOINTS',
    fallback: 100,
    ...integer(1, 10_000),
    meaning: 'different endpoints a process tells apart; what comes after is `other`',
  },
  maxSeries: {
    variable: 'GUNICORN_OTEL_MAX_SERIES',
    fallback: 2000,
    ...integer(1, 1_000_000),
    meaning: 'label sets per metric for the life of a process; what comes after is one overflow series',
  },
  scrapeTimeoutMs: {
    variable: 'GUNICORN_OTEL_SCRAPE_TIMEOUT',
    fallback: 10_000,
    ...duration('s', 100),
    meaning: 'a scrape that takes longer is answered with 503',
  },
  workerIds: { variable: 'GUNICORN_OTEL_WORKER_ID', fallback: 'unique', ...oneOf('unique', 'slot'), meaning: '' },
  gaugeModes: {
    variable: 'GUNICORN_OTEL_GAUGE_MODES',
    fallback: {},
    accepts: '',
    parse: (t) => Object.fromEntries(t.split(',').map((p) => p.split('='))),
    meaning: '',
  },
  unresponsiveAfterMs: {
    variable: 'GUNICORN_OTEL_UNRESPONSIVE_AFTER',
    fallback: 5000,
    ...duration('s', 2000),
    meaning: '',
  },
};

/**
 * Reads every setting: option, then variable, then its OTel twin, then default.
 *
 * @param env - usually process.env; an empty string counts as not set, as OTel has it
 * @param options - programmatic values; undefined counts as not given
 * @throws never
 */
export function readSettings(env: NodeJS.ProcessEnv, options: Partial<Settings> = {}): ReadSettings {
  const settings: Record<string, unknown> = {};
  const origins: Record<string, SettingOrigin> = {};
  const problems: string[] = [];
  for (const [key, setting] of Object.entries(SETTINGS) as [keyof Settings, Setting][]) {
    settings[key] = setting.fallback;
    origins[key] = 'default';
    const refused: string[] = [];
    if (options[key] !== undefined) {
      const value = setting.parse(asText(key, options[key]));
      if (value !== undefined) {
        settings[key] = value;
        origins[key] = 'option';
        continue;
      }
      refused.push(`the option ${key}: ${asText(key, options[key])} is not ${setting.accepts}`);
    }
    for (const variable of [setting.variable, setting.otelVariable]) {
      const text = variable && env[variable]?.trim();
      if (!variable || !text) continue;
      const value = setting.parse(text);
      if (value === undefined) {
        refused.push(`${variable}=${JSON.stringify(text)} is not ${setting.accepts}`);
        continue;
      }
      settings[key] = value;
      origins[key] = variable;
      break;
    }
    const holds = origins[key] === 'default' ? 'the default holds' : `${origins[key]} holds instead`;
    problems.push(...refused.map((problem) => `${problem}; ${holds}: ${settings[key]}`));
  }
  return {
    settings: Object.freeze(settings) as unknown as Settings,
    origins: origins as ReadSettings['origins'],
    problems,
  };
}

// Options are numbers in the unit of their name; they go through the same parser as text from the environment.
function asText(key: string, option: unknown): string {
  return key.endsWith('Ms') && typeof option === 'number' ? `${option}ms` : String(option);
}

function integer(min: number, max: number) {
  return {
    accepts: `a whole number from ${min} to ${max}`,
    parse: (text: string) => {
      const value = Number(text);
      return /^\d+$/.test(text) && value >= min && value <= max ? value : undefined;
    },
  };
}

function oneOf<T extends string>(...values: readonly T[]) {
  return {
    accepts: `one of ${values.join(', ')}`,
    parse: (text: string) => values.find((value) => value === text.toLowerCase()),
  };
}

// A bare number counts in `unit`, the one the default is told in; ms, s and m may be written behind it.
function duration(unit: keyof typeof UNIT_MS, minMs: number) {
  return {
    accepts: `a time such as 500ms, 5s or 2m (a bare number counts ${unit}), ${minMs} to ${MAX_TIMER_MS} ms`,
    parse: (text: string) => {
      const match = /^(\d+(?:\.\d+)?)\s*(ms|s|m)?$/.exec(text);
      if (!match) return undefined;
      const valueMs = Number(match[1]) * UNIT_MS[(match[2] as keyof typeof UNIT_MS) ?? unit];
      return valueMs >= minMs && valueMs <= MAX_TIMER_MS ? valueMs : undefined;
    },
  };
}

function parseDirectory(text: string): string | undefined {
  try {
    return text.includes('\0') ? undefined : resolve(text);
  } catch {
    // A relative path in a working directory that is gone.
    return undefined;
  }
}

function parseBuckets(text: string): number[] | undefined {
  const bounds = text.split(',').map(Number);
  const increasing = bounds.every((bound, i) => Number.isFinite(bound) && bound > (bounds[i - 1] ?? 0));
  return increasing && bounds.length <= 50 ? bounds : undefined;
}
