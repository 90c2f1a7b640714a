/** Numbers as people read them in a narrow column. What is not known is `-`. */

const UNKNOWN = '-';
const SCALES = ['', 'k', 'M', 'G', 'T'];
const KIB = 1024;

/** 0, 0.04, 24.5, 417, 12.5k. */
export function rateText(perSecond: number | null): string {
  if (perSecond === null) return UNKNOWN;
  if (perSecond === 0) return '0';
  if (perSecond < 0.1) return perSecond.toFixed(2);
  return perSecond < 99.95 ? perSecond.toFixed(1) : scaled(perSecond, 1000, SCALES);
}

/** 0.42ms, 8ms, 1.25s, 42s. */
export function durationText(seconds: number | null): string {
  if (seconds === null) return UNKNOWN;
  const ms = seconds * 1000;
  if (ms < 9.995) return `${trimmed(ms)}ms`;
  if (ms < 999.5) return `${ms.toFixed(0)}ms`;
  return seconds < 9.995 ? `${trimmed(seconds)}s` : `${seconds.toFixed(0)}s`;
}

/** 812B, 57.3M, 1.2G: in powers of 1024. */
export function bytesText(bytes: number | null): string {
  if (bytes === null) return UNKNOWN;
  return scaled(bytes, KIB, ['B', 'K', 'M', 'G', 'T']);
}

/** 45s, 3m20s, 2h05m, 12d. */
export function ageText(seconds: number | null): string {
  if (seconds === null) return UNKNOWN;
  const whole = Math.max(0, Math.floor(seconds));
  const two = (value: number) => String(value).padStart(2, '0');
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${two(whole % 60)}s`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)}h${two(Math.floor((whole % 3600) / 60))}m`;
  return `${Math.floor(whole / 86_400)}d`;
}

/** 12%: of one core, so it may be more than 100%. */
export function percentText(percent: number | null): string {
  return percent === null ? UNKNOWN : `${percent.toFixed(percent > 0 && percent < 9.95 ? 1 : 0)}%`;
}

/** The number in full. */
export function countText(count: number | null): string {
  return count === null ? UNKNOWN : String(count);
}

/** 2026-01-31 12:00:59, UTC. @param atMs - Unix ms; what no date can be is unknown */
export function momentText(atMs: number | null): string {
  const date = new Date(atMs ?? Number.NaN);
  return Number.isNaN(date.getTime()) ? UNKNOWN : date.toISOString().replace('T', ' ').replace(/\..*$/, '');
}

function scaled(value: number, step: number, units: readonly string[]): string {
  let rest = value;
  let unit = 0;
  // 999.6 is 1000 when it is rounded, and 1.0k is shorter.
  while (rest >= step - 0.5 && unit < units.length - 1) {
    rest /= step;
    unit += 1;
  }
  return `${rest.toFixed(unit > 0 && rest < 99.95 ? 1 : 0)}${units[unit]}`;
}

function trimmed(value: number): string {
  return value.toFixed(2).replace(/\.?0+$/, '') || '0';
}
