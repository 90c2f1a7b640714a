/** /metrics: what of a scrape is wanted, and in which form. Those who want the same at the same time get the same bytes. */
import type { IncomingMessage } from 'node:http';
import { CODINGS, type Encoded, encode } from './content-coding.ts';
import { PLAIN_TYPE } from './heads.ts';
import { CONTENT_TYPES, type Coding, codingFor, type Format, formatFor } from './negotiation.ts';
import type { Answer } from './server.ts';

/** What is wanted of a scrape. */
export interface Wanted {
  readonly format: Format;
  /** Of families or their samples; undefined: all. */
  readonly names: ReadonlySet<string> | undefined;
  /** Makes the answer of the text at once, for the text may be the scraper's own memory, which its next rendering writes to. */
  encode(text: string | Buffer): Encoded;
}

/** Gives the answer that `encode` has made, or the text itself where that is nobody's memory. */
export type Scrape = (wanted: Wanted) => Promise<string | Buffer | Encoded>;

/** Of `name[]` in a query. */
export const MAX_NAMES = 200;

/** @returns the route; scrapes that want the same share one call of `scrape` while it runs */
export function scrapeRoute(scrape: Scrape): (req: IncomingMessage) => Promise<Answer> {
  const running = new Map<string, Promise<string | Buffer | Encoded>>();
  return async ({ url = '', headers }) => {
    const names = namesIn(url);
    if (names && names.length > MAX_NAMES) {
      return { status: 400, type: PLAIN_TYPE, body: `name[] may be given ${MAX_NAMES} times, not ${names.length}\n` };
    }
    const format = formatFor(headers.accept);
    const coding = codingFor(String(headers['accept-encoding'] ?? ''), CODINGS);
    const key = JSON.stringify([format, coding, names]);
    let body = running.get(key);
    if (!body) {
      body = startScrape(scrape, format, coding, names).finally(() => running.delete(key));
      running.set(key, body);
    }
    return {
      status: 200,
      type: CONTENT_TYPES[format],
      body: await body,
      headers: { Vary: 'Accept, Accept-Encoding' },
    };
  };
}

// Asynchronous: one that throws rejects, for all who wait for it.
async function startScrape(scrape: Scrape, format: Format, coding: Coding, names: string[] | undefined) {
  const body = await scrape({ format, names: names && new Set(names), encode: (text) => encode(text, coding) });
  return typeof body === 'object' && 'coding' in body ? body : encode(body, coding);
}

// In one order, for they stand for what is shared.
function namesIn(url: string): string[] | undefined {
  const query = url.split('?').slice(1).join('?');
  const names = new URLSearchParams(query).getAll('name[]');
  return names.length === 0 ? undefined : [...new Set(names)].sort();
}
