/**
 * The lines this package says to people: to OTel's diag logger when the app has set one, else to stderr.
 * Never to stdout, never through `console`, never twice for one state; a line that cannot be written is dropped.
 */
import { writeSync } from 'node:fs';

/** Levels in the order of OTEL_LOG_LEVEL, quietest first. */
export const LOG_LEVELS = ['none', 'error', 'warn', 'info', 'debug', 'verbose', 'all'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
type Severity = 'error' | 'warn' | 'info' | 'debug';

// The registry where every copy of @opentelemetry/api 1.x keeps its globals.
export const OTEL_API_REGISTRY = Symbol.for('opentelemetry.js.api.1');

// Of a URL; other packages tell them as they are, parsed or not.
const LOGIN = /\/\/[^\s/@]+@/g;

let threshold: number | undefined;
let diagIsOurs = false;

/** Sets from which level on lines are written to stderr; until then it is OTEL_LOG_LEVEL's, or info. */
export function setLogLevel(level: LogLevel): void {
  threshold = LOG_LEVELS.indexOf(level);
}

/** A logger for OTel's diag that says its lines as ours; for a thread where nobody else sets one. */
export function diagLogger(): Record<Severity | 'verbose', (message: string) => void> {
  diagIsOurs = true;
  const say = (severity: Severity) => (message: string) => report(severity, message);
  return { error: say('error'), warn: say('warn'), info: say('info'), debug: say('debug'), verbose: say('debug') };
}

/**
 * Says one line.
 *
 * @param line - what, where, and what to do; no line break, no prefix
 * @throws never
 */
export function report(severity: Severity, line: string): void {
  try {
    // Only a plain value is looked at: reading through our own lazy accessor would load the API.
    const registry = Object.getOwnPropertyDescriptor(globalThis, OTEL_API_REGISTRY)?.value;
    const told = `gunicorn-otel: ${line.replaceAll(LOGIN, '//***@')}`;
    if (registry?.diag && !diagIsOurs) registry.diag[severity](told);
    else if (LOG_LEVELS.indexOf(severity) <= (threshold ?? levelOfEnvironment())) writeSync(2, `${told}\n`);
  } catch {
    // stderr closed or full (EAGAIN on a pipe): the app must not feel it, and there is nowhere left to say it.
  }
}

// What is said before settings are read: a sleeping process reads none.
function levelOfEnvironment(): number {
  const level = LOG_LEVELS.indexOf(process.env['OTEL_LOG_LEVEL']?.trim().toLowerCase() as LogLevel);
  return level === -1 ? LOG_LEVELS.indexOf('info') : level;
}
