/** Holds scrape after scrape against the promise that totals never go back: each series by itself, as rate() sees it. */
import assert from 'node:assert/strict';
import { parseExposition, type Sample } from './exposition.ts';

export interface NeverFallsOptions {
  /** Which series may go, for good: of workers whose ids do not come back, when their retention is over. None, unless told. */
  readonly mayGo?: (sample: Sample) => boolean;
  /** Families that begin with one of these are not looked at. */
  readonly except?: readonly string[];
}

/** @returns a function to be called with the text of each scrape, in order; it fails where a series has fallen, gone or come back */
export function neverFalls({ mayGo = () => false, except = [] }: NeverFallsOptions = {}): (text: string) => Sample[] {
  let last = new Map<string, Sample>();
  const gone = new Set<string>();
  return (text) => {
    const samples = parseExposition(text);
    const cumulative = namesOfCumulative(text);
    const now = new Map<string, Sample>();
    for (const sample of samples) {
      if (!cumulative.has(sample.name) || except.some((family) => sample.name.startsWith(family))) continue;
      now.set(`${sample.name} ${JSON.stringify(sample.labels)}`, sample);
    }
    for (const [series, sample] of last) {
      const { value } = sample;
      const next = now.get(series);
      if (next) assert.ok(next.value >= value, `${series} fell from ${value} to ${next.value}`);
      else if (mayGo(sample)) gone.add(series);
      else assert.fail(`${series} has gone, it was ${value}`);
    }
    for (const series of now.keys()) assert.ok(!gone.has(series), `${series} has come back`);
    last = now;
    return samples;
  };
}

function namesOfCumulative(text: string): Set<string> {
  const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)];
  return new Set(
    types.flatMap(([, name, type]) => {
      if (type === 'counter') return [name!];
      return type === 'histogram' ? [`${name}_bucket`, `${name}_count`, `${name}_sum`] : [];
    }),
  );
}
