/** Catches the lines that this package says in the process of a test, by the way an app would: OTel's diag. */
import { DiagLogLevel, diag } from '@opentelemetry/api';

/** @returns every line from now on, as it comes; of OTel's own packages those that an exporter thread would show */
export function catchLines(): string[] {
  const lines: string[] = [];
  const say = (line: string, ...more: unknown[]) => void lines.push([line, ...more].join(' '));
  const info = (line: string) => line.startsWith('gunicorn-otel: ') && say(line);
  const logger = { error: say, warn: say, info, debug: () => {}, verbose: () => {} };
  diag.setLogger(logger, { logLevel: DiagLogLevel.INFO, suppressOverrideMessage: true });
  return lines;
}
