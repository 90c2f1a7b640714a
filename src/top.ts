/** `gunicorn-otel top`: a group at a glance, in a terminal as it changes, elsewhere once. Prints to what it is given. */
import { setTimeout as delay } from 'node:timers/promises';
import type { ReadStream, WriteStream } from 'node:tty';
import { live } from './top/live.ts';
import { type Access, type Look, look } from './top/look.ts';
import { plainText } from './top/plain.ts';
import { Screen } from './top/screen.ts';
import { firstView } from './top/view.ts';
import { foundTarget, namedTarget } from './top-target.ts';

// Rates are over the time between two looks.
const BETWEEN_LOOKS_MS = 1000;

export interface TopOptions {
  /** As told; undefined: that of the group that lives here. */
  readonly url?: string;
  readonly intervalMs: number;
  /** A column's name. */
  readonly sort?: string;
  readonly once: boolean;
  readonly json: boolean;
  /** Of the text; none told: all. */
  readonly tables: readonly ('workers' | 'routes')[];
  readonly access: Access;
}

/** Where it reads keys and writes to; `isTTY` of the two decides what it does. */
export interface TopSurroundings {
  readonly stdin: ReadStream;
  readonly stdout: WriteStream;
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
}

/** How it has ended: undefined well, else what is to be said and whether the command line was wrong. */
export type TopEnd = { readonly problem: string; readonly misused: boolean } | undefined;

/** Runs until the person quits, or has written once. @throws never */
export async function top(options: TopOptions, { stdin, stdout, env, cwd }: TopSurroundings): Promise<TopEnd> {
  const target = options.url === undefined ? foundTarget(env, cwd) : namedTarget(options.url);
  if ('problem' in target) return target;
  const { url, missing } = target;
  const lookOnce = () => look(url, options.access);
  const first = await lookOnce();
  if ('trouble' in first) {
    return { problem: missing ? `${first.trouble}; ${missing}` : first.trouble, misused: false };
  }
  const view = firstView(options.sort);
  if (stdout.isTTY && env['TERM'] !== 'dumb' && !options.once && !options.json) {
    // https://no-color.org: set and not empty.
    const open = (listeners: ConstructorParameters<typeof Screen>[3]) =>
      new Screen(stdin, stdout, !env['NO_COLOR'], listeners);
    const { intervalMs } = options;
    await live({ first: first.status, url: url.origin, view, intervalMs, look: lookOnce, open });
    return undefined;
  }
  await delay(BETWEEN_LOOKS_MS);
  const second = await lookOnce();
  if ('trouble' in second) return { problem: second.trouble, misused: false };
  stdout.write(options.json ? `${JSON.stringify(second.document, null, 2)}\n` : textOf(second));
  return undefined;

  function textOf({ status }: Extract<Look, { status: unknown }>): string {
    const tables = options.tables.length > 0 ? options.tables : (['workers', 'routes', 'events'] as const);
    return plainText(status, url.origin, view, tables, stdout.isTTY ? stdout.columns : Number.POSITIVE_INFINITY);
  }
}
