/** What an instrument is made with, as the SDK and everybody behind it can take it: an app may give anything. */
import { type MetricOptions, ValueType } from '@opentelemetry/api';
import type { MetricKind } from '../snapshot/series-table.ts';
import { shortText } from './attributes.ts';

/** Buckets of one histogram; who advises more gets the default ones. */
export const MAX_BOUNDS = 200;
const MAX_DESCRIPTION_LENGTH = 1024;

/** What the app may make an instrument of. */
export type InstrumentKind = Exclude<MetricKind, 'event'>;

/** Which numbers an instrument takes. One NaN or Infinity would stay in a sum for ever, and in the sums of everybody. */
export const TAKES: Readonly<Record<InstrumentKind, (value: number) => boolean>> = {
  counter: isAmount,
  histogram: isAmount,
  updowncounter: Number.isFinite,
  gauge: () => true,
};

export interface InstrumentTerms {
  readonly name: string;
  readonly options: MetricOptions;
  /** What was not taken as given, as a sentence's end. */
  readonly problem: string | undefined;
}

/** @throws whatever the app's getters throw, and for what has no text */
export function instrumentTerms(givenName: unknown, given: unknown): InstrumentTerms {
  const name = textOf(givenName);
  const { description, unit, valueType, advice } = (given ?? {}) as MetricOptions;
  const bounds = advice?.explicitBucketBoundaries as unknown;
  const advised = bounds !== undefined && bounds !== null;
  const taken = advised ? boundsOf(bounds) : undefined;
  return {
    name,
    options: {
      description: textOf(description).slice(0, MAX_DESCRIPTION_LENGTH),
      unit: textOf(unit),
      valueType: valueType === ValueType.INT ? ValueType.INT : ValueType.DOUBLE,
      ...(taken && { advice: { explicitBucketBoundaries: taken } }),
    },
    problem: advised && !taken ? `the bounds of ${name} are no list of at most ${MAX_BOUNDS} numbers` : undefined,
  };
}

/** What to say of a value that an instrument does not take. */
export function valueProblem(name: string, value: unknown): string {
  return `${name} was given ${typeof value === 'number' ? value : `a ${typeof value}`}`;
}

/** Any value as a text of bounded length; undefined and null as ''. @throws for an object that has none */
export function textOf(value: unknown): string {
  return value === undefined || value === null ? '' : shortText(String(value));
}

// Numbers in text, as they come from an environment, are numbers.
function boundsOf(given: unknown): number[] | undefined {
  if (!Array.isArray(given) || given.length > MAX_BOUNDS) return undefined;
  const bounds = given.map(Number);
  return bounds.some(Number.isNaN) ? undefined : [...new Set(bounds)].sort((a, b) => a - b);
}

// A counter that went down would be a restarted one for whoever reads it.
function isAmount(value: number): boolean {
  return value >= 0 && value < Number.POSITIVE_INFINITY;
}
