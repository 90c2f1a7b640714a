/** What came of a soak, and how it is told. */
import type { Done } from './chaos.ts';
import type { Holding } from './holdings.ts';

const MIB = 2 ** 20;

export interface Outcome {
  readonly seed: number;
  readonly seconds: number;
  readonly history: readonly Done[];
  /** How many members have ended. */
  readonly ends: Readonly<Record<'worker' | 'child' | 'thread', number>>;
  readonly requests: { readonly sent: number; readonly answered: number; readonly counted: number };
  /** Answers that went with those that were killed; see counts.ts. */
  readonly lost: {
    readonly judged: number;
    readonly members: number;
    readonly answers: number;
    readonly lastMs: readonly number[];
  };
  readonly restarts: number;
  readonly durationsMs: readonly number[];
  readonly outagesMs: readonly number[];
  /** Scrapes while there was no exporter, since it was ended. */
  readonly refused: number;
  readonly held: readonly Holding[];
  readonly stderr: string;
  /** Empty when all is well. */
  readonly violations: readonly string[];
}

/** The outcome in a few lines. */
export function report(outcome: Outcome): string {
  const { seed, seconds, history, ends, requests, lost, restarts, durationsMs, outagesMs, refused, held } = outcome;
  const sorted = [...durationsMs].sort((a, b) => a - b);
  const at = (part: number) => ms(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0);
  const outages = [...outagesMs].sort((a, b) => a - b);
  return [
    `soak of ${seconds} s, SOAK_SEED=${seed}`,
    `actions  ${history.length}: ${tally(history.map(({ name }) => name))}`,
    `ends     ${ends.worker} workers, ${ends.child} children, ${ends.thread} threads; ${restarts} restarts counted`,
    `requests ${requests.sent} sent, ${requests.answered} answered, ${requests.counted} counted`,
    `lost     ${lost.answers} answers of ${lost.members} of the ${lost.judged} that ended, the oldest ${ms(Math.max(0, ...lost.lastMs))} before`,
    `scrapes  ${durationsMs.length}: p50 ${at(0.5)}, p99 ${at(0.99)}, slowest ${at(1)}`,
    `exporter ${outages.length} times ended and back, after ${outages.map(ms).join(', ')}; ${refused} scrapes without it`,
    ...held.map(
      ({ kind, of, early, late }) => `${`${kind} of ${of}`.padEnd(24)} ${of_(kind, early)} -> ${of_(kind, late)}`,
    ),
    `said     ${tally(linesOf(outcome.stderr)).replaceAll('; ', '\n         ')}`,
    ...(outcome.violations.length === 0
      ? ['no violation']
      : [`${outcome.violations.length} violations`, ...outcome.violations]),
  ].join('\n');
}

// This package's own lines, without what differs from one to the next.
function linesOf(stderr: string): string[] {
  const lines = stderr.split('\n').filter((line) => line.startsWith('gunicorn-otel: '));
  return lines.map((line) => line.slice('gunicorn-otel: '.length).replaceAll(/\d+/g, 'N').replaceAll(';', ','));
}

function tally(names: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts]
    .sort(([, a], [, b]) => b - a)
    .map(([name, count]) => `${count} ${name}`)
    .join('; ');
}

function of_(kind: string, value: number | undefined): string {
  if (value === undefined) return '-';
  return kind === 'RSS' || kind === 'heap' ? `${(value / MIB).toFixed(1)} MiB` : String(value);
}

function ms(value: number): string {
  return `${Math.round(value)} ms`;
}
