/** The files of the page at `/`: read when the first one is asked for, all of them at once, so that they are of one version. */
import { readFileSync } from 'node:fs';
import { messageOf } from '../errors.ts';
import { report } from '../report.ts';
import type { Answer } from './server.ts';

/** What the page may do: load itself, and ask where it comes from. Nothing inline, nothing from elsewhere, in no frame. */
export const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const DIRECTORY = new URL(`../page/`, import.meta.url);
const HTML = 'text/html; charset=utf-8';
const CSS = 'text/css; charset=utf-8';
const SCRIPT = 'text/javascript; charset=utf-8';
const SCRIPTS = [
  'attention',
  'element',
  'format',
  'history',
  'judge',
  'overview',
  'page',
  'poller',
  'routes-table',
  'sorted-table',
  'sparkline',
  'theme',
  'timeline',
  'workers-table',
];
/** Path -> its file beside us, and what it is. */
const FILES: Readonly<Record<string, readonly [file: string, type: string]>> = {
  '/': ['index.html', HTML],
  '/page.css': ['page.css', CSS],
  ...Object.fromEntries(SCRIPTS.map((name) => [`/${name}.js`, [`${name}.js`, SCRIPT] as const])),
};
const HEADERS = { 'Content-Security-Policy': PAGE_POLICY, 'Referrer-Policy': 'no-referrer' };

/**
 * @param directory - where the files are, with a slash at its end
 * @returns what answers each path of the page. While a file cannot be read each of them is a 500 that says so, which is also
 * reported, once, until they could be read
 */
export function pageRoutes(directory: URL = DIRECTORY): Record<string, () => Promise<Answer>> {
  let bodies: ReadonlyMap<string, Buffer> | undefined;
  let isTold = false;
  const answer = async (path: string, type: string): Promise<Answer> => {
    try {
      // In one turn, and never again: below 60 KB, and no thread of the process's pool, which the app may keep busy.
      bodies ??= new Map(Object.entries(FILES).map(([at, [file]]) => [at, readFileSync(new URL(file, directory))]));
      return { status: 200, type, body: bodies.get(path)!, headers: HEADERS };
    } catch (error) {
      const line = `the page cannot be shown, a file of this package cannot be read: ${messageOf(error)}; install it again`;
      if (!isTold) report('error', line);
      isTold = true;
      return { status: 500, type: 'text/plain; charset=utf-8', body: `${line}\n` };
    }
  };
  return Object.fromEntries(Object.entries(FILES).map(([path, [, type]]) => [path, () => answer(path, type)]));
}
