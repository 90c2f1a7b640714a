/** How the page writes numbers and times: short, in few widths, and a dash for what nobody knows. */

/** Written where there is no number. */
export const UNKNOWN = '–';

type Known = number | null | undefined;

export interface Format {
  /** How many: 1,234. */
  count(value: Known): string;
  /** Per second: 0, 0.3, 12.5, 1,234. */
  rate(value: Known): string;
  /** A time that something took, from seconds: 0.4 ms, 87 ms, 1.25 s. */
  duration(seconds: Known): string;
  /** Decimal units: 85.2 MB. */
  bytes(value: Known): string;
  percent(value: Known): string;
  /** How long ago, or for how long, in its two largest units: 3 d 4 h. */
  span(seconds: Known): string;
  /** A moment, from unix ms, to the second, with its day when that is not the day of `nowMs`. */
  clock(atMs: number, nowMs?: number): string;
}

const BYTE_UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];
const SPANS: readonly (readonly [unit: string, seconds: number])[] = [
  ['d', 86_400],
  ['h', 3600],
  ['min', 60],
  ['s', 1],
];
// Characters that show nothing, or change the place of others: what is written with them is no longer what one reads.
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/**
 * @param locale - a BCP 47 tag; the reader's own when undefined
 * @throws never
 */
export function formatOf(locale?: string): Format {
  const whole = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
  const tenths = new Intl.NumberFormat(locale, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
  const hundredths = new Intl.NumberFormat(locale, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  const time = new Intl.DateTimeFormat(locale, {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  });
  const day = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short' });
  const known = (write: (value: number) => string) => (value: Known) =>
    value === null || value === undefined || !Number.isFinite(value) ? UNKNOWN : write(value);

  const short = (value: number) => (value !== 0 && value < 99.95 ? tenths : whole).format(value);
  // What is there is not written as if it were not.
  const little = (value: number) => (value > 0 && value < 0.05 ? `< ${tenths.format(0.1)}` : short(value));
  return {
    count: known((value) => whole.format(value)),
    rate: known(little),
    duration: known((seconds) => {
      if (seconds >= 0.9995) return `${(seconds < 99.995 ? hundredths : whole).format(seconds)} s`;
      return `${(seconds < 0.00995 ? tenths : whole).format(seconds * 1000)} ms`;
    }),
    bytes: known((value) => {
      const power = Math.min(BYTE_UNITS.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, value)) / 3)));
      return `${(power === 0 ? whole : tenths).format(value / 1000 ** power)} ${BYTE_UNITS[power]}`;
    }),
    percent: known((value) => `${little(value)} %`),
    span: known((seconds) => {
      let rest = Math.max(0, Math.floor(seconds));
      const parts = SPANS.map(([unit, size]) => {
        const amount = Math.floor(rest / size);
        rest -= amount * size;
        return { unit, amount };
      });
      const first = parts.findIndex(({ amount }) => amount > 0);
      if (first < 0) return `0 s`;
      return parts
        .slice(first, first + 2)
        .filter(({ amount }) => amount > 0)
        .map(({ unit, amount }) => `${whole.format(amount)} ${unit}`)
        .join(' ');
    }),
    clock(atMs, nowMs = atMs) {
      if (!Number.isFinite(atMs) || Math.abs(atMs) > 8.64e15) return UNKNOWN;
      const today = day.format(atMs) === day.format(nowMs);
      return `${today ? '' : `${day.format(atMs)} `}${time.format(atMs)}`;
    },
  };
}

/** A name that others have chosen, with what cannot be seen in it written out: `\u{202e}`. */
export function visible(name: string): string {
  return name.replace(UNSEEN, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);
}
