/**
 * What the exporter has counted of itself, kept in the group's directory for the one that comes after it, in whichever
 * process: its counters are not to fall either. What is shown is written down before.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Point } from '../catalogue/families.ts';

/** Name of the file in a group's directory; JSON, a number for each series. */
export const COUNTS_FILE = 'exporter-counts.json';

/** One per exporter, and one exporter at a time per group. */
export class LastingCounts {
  readonly #path: string;
  /** Of all exporters before this one; read when something is shown first, when the one before shows nothing any more. */
  #before: ReadonlyMap<string, number> | undefined;
  readonly #shown = new Map<string, number>();
  #written = '';

  /** @param directory - of the group */
  constructor(directory: string) {
    this.#path = join(directory, COUNTS_FILE);
  }

  /** The points of a counter, what was counted before included. @param metric - its name @param points - of this exporter */
  goOn(metric: string, points: readonly Point[]): Point[] {
    this.#before ??= read(this.#path);
    const counts = new Map([...this.#before].filter(([key]) => metricOf(key) === metric));
    for (const { labels, value } of points) {
      const key = JSON.stringify([metric, labels]);
      counts.set(key, (counts.get(key) ?? 0) + Number(value));
    }
    return [...counts].map(([key, value]) => {
      // Several may show one moment, and one of them a later one meanwhile.
      this.#shown.set(key, Math.max(value, this.#shown.get(key) ?? 0));
      return { labels: (JSON.parse(key) as [string, Record<string, string>])[1], value };
    });
  }

  /** Writes down what goOn has given. @throws never */
  keep(): void {
    const text = JSON.stringify([...this.#shown]);
    if (text === this.#written) return;
    try {
      writeFileSync(`${this.#path}.new`, text, { mode: 0o600 });
      renameSync(`${this.#path}.new`, this.#path);
      this.#written = text;
    } catch {
      // Directory gone or disk full: the members tell of that. It is tried again with what is shown next.
    }
  }
}

function read(path: string): ReadonlyMap<string, number> {
  try {
    const entries = JSON.parse(readFileSync(path, 'utf8')) as [string, number][];
    return new Map(entries.filter(([key, value]) => metricOf(key) !== undefined && Number.isFinite(value)));
  } catch {
    // There was none before this one, or somebody has damaged it: counting begins anew.
    return new Map();
  }
}

function metricOf(key: string): string | undefined {
  const [metric, labels] = JSON.parse(key) as [unknown, unknown];
  return typeof metric === 'string' && typeof labels === 'object' && labels !== null ? metric : undefined;
}
