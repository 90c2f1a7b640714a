/** Medians and spread of measurements, and the order in which variants take turns. */

/** @returns the value below which this part of all lies, by nearest rank; NaN of none */
export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.round((sorted.length - 1) * part)] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** "median (quartile to quartile)". */
export function spread(values: readonly number[], digits = 2): string {
  const [low, middle, high] = [0.25, 0.5, 0.75].map((part) => quantile(values, part).toFixed(digits));
  return `${middle} (${low} to ${high})`;
}

/** Variants take turns, every other round in the other order: what drifts drifts for all of them. */
export function turns<T>(variants: readonly T[], round: number): readonly T[] {
  return round % 2 === 0 ? variants : [...variants].reverse();
}

/** In any order. Where each process has one place for its whole life, what a place costs would be taken for a variant's doing. */
export function shuffled<T>(variants: readonly T[]): readonly T[] {
  const places = variants.map((variant) => ({ variant, at: Math.random() }));
  return places.sort((a, b) => a.at - b.at).map(({ variant }) => variant);
}
