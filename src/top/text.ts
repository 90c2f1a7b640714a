/** Names that anybody may have chosen, made fit for a terminal: nothing in them that it acts on, and no wider than they may be. */

const REPLACEMENT = '\ufffd';
const ELLIPSIS = '…';
// Controls (escape sequences begin with one), format characters (those that turn the direction of a line among them),
// separators of lines, halves of surrogate pairs.
const NOT_PRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;
// Marks are heaped on one letter until they reach over other lines.
const HEAPED_MARKS = /(\p{M}{3})\p{M}+/gu;
const COMBINING = /[\p{Mn}\p{Me}]/u;
const EMOJI_SELECTOR = 0xfe0f;
// East Asian Wide and Fullwidth, and what is shown as emoji, of Unicode 16; what is not assigned in between counts as wide.
const WIDE: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x231a, 0x231b],
  [0x2329, 0x232a],
  [0x23e9, 0x23f3],
  [0x25fd, 0x25fe],
  [0x2614, 0x2615],
  [0x2630, 0x2637],
  [0x2648, 0x2653],
  [0x267f, 0x267f],
  [0x268a, 0x268f],
  [0x2693, 0x2693],
  [0x26a1, 0x26a1],
  [0x26aa, 0x26ab],
  [0x26bd, 0x26be],
  [0x26c4, 0x26c5],
  [0x26ce, 0x26ce],
  [0x26d4, 0x26d4],
  [0x26ea, 0x26ea],
  [0x26f2, 0x26f5],
  [0x26fa, 0x26fd],
  [0x2705, 0x2705],
  [0x270a, 0x270b],
  [0x2728, 0x2728],
  [0x274c, 0x274e],
  [0x2753, 0x2757],
  [0x2795, 0x2797],
  [0x27b0, 0x27bf],
  [0x2b1b, 0x2b1c],
  [0x2b50, 0x2b55],
  [0x2e80, 0xa4cf],
  [0xa960, 0xa97f],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe10, 0xfe6f],
  [0xff01, 0xff60],
  [0xffe0, 0xffe6],
  [0x16fe0, 0x18fff],
  [0x1aff0, 0x1b2ff],
  [0x1d300, 0x1d37f],
  [0x1f000, 0x1faff],
  [0x20000, 0x3fffd],
];

/** The text as one line that a terminal only shows: what it would act on is U+FFFD, marks are three to a letter at most. */
export function printable(text: string): string {
  return text.replaceAll(NOT_PRINTABLE, REPLACEMENT).replaceAll(HEAPED_MARKS, '$1');
}

/**
 * How many columns a printable text takes at most. Terminals disagree about what several code points make up together
 * (families, flags): each counts for itself here, so that a line is never wider than thought.
 */
export function widthOf(text: string): number {
  let width = 0;
  for (const character of text) width += columnsOf(character);
  return width;
}

/** The text if it fits, else its beginning and `…`; '' in no column at all. */
export function cut(text: string, columns: number): string {
  if (columns < 1) return '';
  let width = 0;
  let kept = '';
  // What fits with an ellipsis behind it.
  let beginning = '';
  for (const character of text) {
    width += columnsOf(character);
    if (width > columns) return beginning + ELLIPSIS;
    kept += character;
    if (width < columns) beginning = kept;
  }
  return text;
}

/** The text cut or filled up with spaces to so many columns. */
export function pad(text: string, columns: number, align: 'left' | 'right'): string {
  const fitting = cut(text, columns);
  const space = ' '.repeat(columns - widthOf(fitting));
  return align === 'left' ? fitting + space : space + fitting;
}

function columnsOf(character: string): number {
  const code = character.codePointAt(0)!;
  if (code < 0x300) return 1;
  // It makes what is before it an emoji, which is wide.
  if (code === EMOJI_SELECTOR) return 1;
  if (COMBINING.test(character)) return 0;
  return WIDE.some(([first, last]) => code >= first && code <= last) ? 2 : 1;
}
