/** A line of the terminal as data: what is written in it and in what tone, until it is painted. */
import { cut, widthOf } from './text.ts';

/** Tones are never the only mark of anything: there is a word or a sign beside them. */
export type Tone = 'bold' | 'dim' | 'good' | 'warn' | 'bad' | 'bar';

export interface Span {
  /** Printable. */
  readonly text: string;
  readonly tone?: Tone;
}

export type Line = readonly Span[];

// Select Graphic Rendition, ECMA-48 8.3.117; without colours what is not one is left.
const COLOURED: Readonly<Record<Tone, string>> = { bold: '1', dim: '2', good: '32', warn: '33', bad: '31;1', bar: '7' };
const COLOURLESS: Readonly<Record<Tone, string>> = { bold: '1', dim: '2', good: '', warn: '1', bad: '1', bar: '7' };

/** The line, its end cut where it is longer than so many columns. */
export function fitLine(line: Line, columns: number): Line {
  const fitting: Span[] = [];
  let left = columns;
  for (const [i, span] of line.entries()) {
    const width = widthOf(span.text);
    const more = line.slice(i + 1).some(({ text }) => text !== '');
    if (width <= left - (more ? 1 : 0)) fitting.push(span);
    else {
      // What is behind a span that just fits is not seen: the ellipsis says so.
      fitting.push({ ...span, text: cut(width <= left ? `${span.text} ` : span.text, left) });
      return fitting;
    }
    left -= width;
  }
  return fitting;
}

/** What is written in the line. */
export function textOfLine(line: Line): string {
  return line.map(({ text }) => text).join('');
}

/** The line as bytes for a terminal. @param colours - false: bold, dim and reversed are all there is */
export function paint(line: Line, colours: boolean): string {
  const codes = colours ? COLOURED : COLOURLESS;
  return line.map(({ text, tone }) => (tone && codes[tone] ? `\u001b[${codes[tone]}m${text}\u001b[0m` : text)).join('');
}
