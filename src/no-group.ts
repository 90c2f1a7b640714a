/** What is said where no group is found in a directory: whoever has mistyped it is to see that in the line. */
import { readdirSync } from 'node:fs';

const WHY: Readonly<Record<string, string>> = { ENOENT: 'is not there', ENOTDIR: 'is no directory' };

/** @param what - is missing; @param base - where groups meet. @returns a line, or the beginning of one. @throws never */
export function noneIn(base: string, what = 'group'): string {
  const why = problemOf(base);
  return `no ${what} lives in ${base}${why && `, which ${why}`}`;
}

function problemOf(base: string): string {
  try {
    readdirSync(base);
    return '';
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    return WHY[code] ?? `cannot be read (${code})`;
  }
}
