/** The one error class of this package. Callers match on `code`; messages may change in any release. */

/** Every code this package gives an error, told in docs/errors.md. */
export const ERROR_CODES = [
  'GUNICORN_OTEL_ERR_DIRECTORY',
  'GUNICORN_OTEL_ERR_SNAPSHOT_TORN',
  'GUNICORN_OTEL_ERR_SNAPSHOT_FOREIGN',
  'GUNICORN_OTEL_ERR_SNAPSHOT_VERSION',
  'GUNICORN_OTEL_ERR_SCRAPE',
  'GUNICORN_OTEL_ERR_SCRAPE_TIMEOUT',
] as const;

export type GunicornOtelErrorCode = (typeof ERROR_CODES)[number];

/** An error of this package; `cause` is what it was made from, where there is one. */
export class GunicornOtelError extends Error {
  readonly code: GunicornOtelErrorCode;

  constructor(code: GunicornOtelErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'GunicornOtelError';
    this.code = code;
  }
}

/** What an unknown thrown value says, as one line. @throws never, whatever was thrown */
export function messageOf(error: unknown): string {
  return textOf(error).replaceAll(/\s*[\r\n]\s*/g, ' ');
}

function textOf(error: unknown): string {
  try {
    return String(error instanceof Error ? error.message : error);
  } catch {
    // An object without a prototype, or with a toString that throws.
    return 'an error that cannot be told';
  }
}
