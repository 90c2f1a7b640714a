/** Where the capture of `gunicorn-otel top` at 80 columns is shown, and in which form. */
import { join } from 'node:path';
import { ROOT } from './processes.ts';

/** The documents that show it. */
export const CAPTURED = [join(ROOT, 'README.md'), join(ROOT, 'docs/cli.md')];

/** Where in them: what is before it, and it. */
export const CAPTURE = /(<!-- top-80 -->\n```\n)(.*?)```/s;

/** The capture, of the rows that are empty one left. */
export function withoutGaps(capture: string): string {
  return capture.replaceAll(/\n{3,}/g, '\n\n');
}
