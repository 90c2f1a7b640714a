/** Sets runs of the same tests side by side, those without the preload and those with it. */
import type { Outcomes } from './outcomes.ts';

/** A test that came out otherwise, and how it came out in each run. */
export interface Contrast {
  readonly title: string;
  readonly without: readonly string[];
  readonly preloaded: readonly string[];
}

export interface Comparison {
  /** Tests that had another outcome with the preload, in any of its runs, than in all runs without. */
  readonly differences: readonly Contrast[];
  /** Tests that come out now this way and now that without us. */
  readonly flaky: readonly Contrast[];
}

const ABSENT = 'not run';

/** @param without - one at least, as `preloaded` */
export function compare(without: readonly Outcomes[], preloaded: readonly Outcomes[]): Comparison {
  const titles = new Set([...without, ...preloaded].flatMap((outcomes) => [...outcomes.keys()]));
  const contrasts = [...titles].map((title): Contrast => {
    const of = (runs: readonly Outcomes[]) => runs.map((outcomes) => outcomes.get(title) ?? ABSENT);
    return { title, without: of(without), preloaded: of(preloaded) };
  });
  const isFlaky = ({ without: all }: Contrast) => new Set(all).size > 1;
  return {
    flaky: contrasts.filter(isFlaky),
    differences: contrasts.filter(
      (contrast) => !isFlaky(contrast) && contrast.preloaded.some((outcome) => outcome !== contrast.without[0]),
    ),
  };
}
