/** Catches the lines that this package says in the process of a test, by the way an app would: OTel's diag. */
import { DiagLogLevel, diag } from '@opentelemetry/api';

/** @returns every line from now on, as it comes */
export function catchLines(): string[] {
  const lines: string[] = [];
  const say = (line: string, ...more: unknown[]) => void lines.push([line, ...more].join(' '));
  diag.setLogger(
    { error: say, warn: say, info: say, debug: () => {}, verbose: () => {} },
    {
      logLevel: DiagLogLevel.INFO,
      suppressOverrideMessage: true,
    },
  );
  return lines;
}
