/** What somebody who wrote a name that nobody knows may have meant. */

// One slip in three letters, so that a swap of neighbours (two) is seen in a short word; more, and another name is as likely meant.
const LETTERS_PER_SLIP = 3;
const MAX_SLIPS = 3;

/**
 * The known name that is nearest to what was written; case and underscores count for nothing, so that when_ready is
 * whenReady.
 *
 * @returns undefined when none is near
 */
export function nearestName(written: string, known: readonly string[]): string | undefined {
  const bare = bareName(written);
  const allowed = Math.min(MAX_SLIPS, Math.max(1, Math.floor(bare.length / LETTERS_PER_SLIP)));
  const distances = known.map((name) => ({ name, slips: slips(bare, bareName(name), allowed) }));
  const [nearest] = distances.filter((one) => one.slips <= allowed).sort((a, b) => a.slips - b.slips);
  return nearest?.name;
}

function bareName(name: string): string {
  return name.toLowerCase().replaceAll('_', '');
}

// Levenshtein's distance; a swap of neighbours counts two.
function slips(from: string, to: string, allowed: number): number {
  if (Math.abs(from.length - to.length) > allowed) return Number.POSITIVE_INFINITY;
  let row = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (let i = 1; i <= from.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= to.length; j += 1) {
      const replaced = row[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[to.length]!;
}
