/** Holds src/top/text.ts, top-line.ts and top-format.ts: what strangers have named is harmless, and no wider than it may be. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ageText, bytesText, countText, durationText, momentText, percentText, rateText } from '../src/top/format.ts';
import { fitLine, paint, textOfLine } from '../src/top/line.ts';
import { cut, pad, printable, widthOf } from '../src/top/text.ts';

const anyText = fc.string({ unit: 'binary', maxLength: 40 });
const columns = fc.integer({ min: 0, max: 60 });

describe('a name', () => {
  it('has nothing in it that a terminal would act on', () => {
    assert.equal(printable('a\u001b[31mb\u0007\u009b1m\u007f\r\nc'), 'a\ufffd[31mb\ufffd\ufffd1m\ufffd\ufffd\ufffdc');
    // Turned around, what follows would be read from the right.
    assert.equal(printable('a\u202eb\u2028c\u200bd'), 'a\ufffdb\ufffdc\ufffdd');
    assert.equal(printable('half \ud83d of a pair'), 'half \ufffd of a pair');
    fc.assert(
      fc.property(anyText, (text) => {
        assert.doesNotMatch(printable(text), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u);
        assert.equal(printable(printable(text)), printable(text));
      }),
    );
  });

  it('has at most three marks on a letter', () => {
    assert.equal(printable(`e${'\u0301'.repeat(500)}x`), 'e\u0301\u0301\u0301x');
  });

  it('is as wide as terminals show it', () => {
    const widths: Record<string, number> = {
      '': 0,
      'GET /orders/:id': 15,
      'cafe\u0301': 4,
      注文: 4,
      한글: 4,
      '／ａ': 4,
      ｱ: 1,
      '🚀': 2,
      '…': 1,
      '€': 1,
    };
    for (const [text, width] of Object.entries(widths)) assert.equal(widthOf(text), width, text);
  });

  it('is cut by width and not by letters', () => {
    assert.equal(cut('orders', 6), 'orders');
    assert.equal(cut('orders', 5), 'orde…');
    assert.equal(cut('orders', 1), '…');
    assert.equal(cut('orders', 0), '');
    // A wide letter that would be cut in half is left out.
    assert.equal(cut('注文注文', 4), '注…');
    assert.equal(cut('注文注文', 5), '注文…');
    assert.equal(cut('注文', 4), '注文');
  });

  it('cut or filled up has the width it is to have', () => {
    fc.assert(
      fc.property(anyText, columns, fc.constantFrom('left' as const, 'right' as const), (text, width, align) => {
        const name = printable(text);
        assert.ok(widthOf(cut(name, width)) <= width);
        assert.equal(widthOf(pad(name, width, align)), width);
        if (widthOf(name) <= width) assert.equal(cut(name, width), name);
      }),
    );
  });
});

describe('a line', () => {
  it('is cut where the terminal ends, over all of its spans', () => {
    const line = [{ text: 'shop' }, { text: '  ' }, { text: 'degraded', tone: 'bad' as const }];
    assert.equal(textOfLine(fitLine(line, 14)), 'shop  degraded');
    assert.equal(textOfLine(fitLine(line, 13)), 'shop  degrad…');
    assert.equal(textOfLine(fitLine(line, 4)), 'sho…');
    fc.assert(
      fc.property(fc.array(anyText, { maxLength: 6 }), columns, (texts, width) => {
        const spans = texts.map((text) => ({ text: printable(text) }));
        const fitting = textOfLine(fitLine(spans, width));
        assert.ok(widthOf(fitting) <= width, fitting);
        if (widthOf(textOfLine(spans)) <= width) assert.equal(fitting, textOfLine(spans));
      }),
    );
  });

  it('has no colour where none is wanted', () => {
    const line = [{ text: 'a', tone: 'good' as const }, { text: 'b', tone: 'bad' as const }, { text: 'c' }];
    assert.equal(paint(line, true), '\u001b[32ma\u001b[0m\u001b[31;1mb\u001b[0mc');
    assert.equal(paint(line, false), 'a\u001b[1mb\u001b[0mc');
  });
});

describe('a number', () => {
  const texts: [(value: number | null) => string, Record<string, number | null>][] = [
    [rateText, { '-': null, '0': 0, '0.04': 0.04, '24.5': 24.5, '417': 417.2, '1.0k': 999.7, '12.5k': 12_500 }],
    [durationText, { '-': null, '0ms': 0, '0.42ms': 0.00042, '8ms': 0.008, '999ms': 0.999, '1.25s': 1.25, '60s': 60 }],
    [bytesText, { '-': null, '812B': 812, '1.0K': 1024, '57.2M': 60_000_000, '117M': 123_000_000, '1.1G': 1.2e9 }],
    [ageText, { '-': null, '0s': 0.9, '59s': 59.9, '3m20s': 200, '2h05m': 7500, '12d': 12.4 * 86_400 }],
    [percentText, { '-': null, '0%': 0, '0.4%': 0.4, '12%': 12.4, '380%': 380 }],
    [countText, { '-': null, '0': 0, '123456789': 123_456_789 }],
    [momentText, { '-': null, '2026-01-31 12:00:00': 1_769_860_800_000 }],
  ];
  for (const [format, values] of texts) {
    it(`by ${format.name} is short, and one that is not known is told from 0`, () => {
      for (const [text, value] of Object.entries(values)) assert.equal(format(value), text);
    });
  }

  it('of whatever size is never wider than its column by much, and throws nothing', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e300, noNaN: true }), (value) => {
        for (const [format] of texts) assert.doesNotMatch(format(value), /NaN|undefined|Infinity/);
        if (value < 1e14) assert.ok(rateText(value).length <= 6, rateText(value));
      }),
    );
  });
});
