/** What a scrape must show of metrics that have more series than they may, whichever of them have their own names. */
import assert from 'node:assert/strict';
import type { Sample } from './exposition.ts';
import { seriesOf } from './model-reference.ts';
import type { Labels } from './model-shop.ts';

/** Label of what is too much. */
export const OVERFLOW = 'otel_metric_overflow';

/**
 * Fails unless each metric has at most so many series and the overflow, nothing but the overflow shows more than was
 * counted under its labels, and all of them together show what was counted.
 *
 * @param expected - what would be shown without a cap, by seriesOf
 * @param maxSeries - per metric
 * @param rounding - by how much a sum may differ
 */
export function holdsCapped(
  shown: readonly Sample[],
  expected: ReadonlyMap<string, number>,
  maxSeries: number,
  rounding: number,
): void {
  const of = (text: string) => text.slice(0, text.indexOf('['));
  const families = new Set([...shown.map(seriesOfSample), ...expected.keys()].map(of));
  for (const name of families) {
    const wanted = [...expected].filter(([series]) => of(series) === name);
    const samples = shown.filter((sample) => sample.name === name);
    for (const le of new Set([
      ...samples.map(({ labels }) => labels['le']),
      ...wanted.map(([series]) => leOf(series)),
    ])) {
      const part = samples.filter(({ labels }) => labels['le'] === le);
      const named = part.filter(({ labels }) => labels[OVERFLOW] === undefined);
      const whole = wanted.filter(([series]) => leOf(series) === le);
      const what = `${name} ${le ?? ''}`;
      assert.ok(named.length <= maxSeries && part.length - named.length <= 1, `${what} has ${part.length} series`);
      if (whole.length <= maxSeries) assert.equal(part.length, whole.length, `${what} has room for all`);
      const total = whole.reduce((sum, [, value]) => sum + value, 0);
      const counted = part.reduce((sum, { value }) => sum + value, 0);
      assert.ok(isClose(counted, total, rounding), `${what} are ${counted} together, not ${total}`);
      for (const sample of name === 'shop_queue' ? [] : named) {
        const most = expected.get(seriesOfSample(sample)) ?? assert.fail(`nobody counted ${seriesOfSample(sample)}`);
        assert.ok(
          sample.value <= most || isClose(sample.value, most, rounding),
          `${seriesOfSample(sample)} of ${most}`,
        );
      }
    }
  }
}

/** Whether two sums of the same numbers may be one: they were not added in the same order. */
export function isClose(actual: number, expected: number, rounding: number): boolean {
  return Math.abs(actual - expected) <= Math.max(1, Math.abs(expected)) * rounding;
}

function seriesOfSample({ name, labels }: { name: string; labels: Labels }): string {
  return seriesOf(name, labels);
}

function leOf(series: string): string | undefined {
  return /\["le","([^"]+)"\]/.exec(series)?.[1];
}
