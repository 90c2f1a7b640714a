/** What a client is answered with by what it says it takes (RFC 9110, 12.5). Never a refusal: who takes nothing of ours gets the default. */

/** Of a scrape. */
export type Format = 'text' | 'openmetrics';
/** Of the bytes of an answer. */
export type Coding = 'zstd' | 'gzip' | 'identity';

/** Content-Type by format. */
export const CONTENT_TYPES: Readonly<Record<Format, string>> = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
};

// The first is what everybody gets who does not prefer another.
const FORMATS = [
  { format: 'text', type: 'text/plain', version: '0.0.4' },
  { format: 'openmetrics', type: 'application/openmetrics-text', version: '1.0.0' },
] as const;

interface Choice {
  /** In small letters, without parameters. */
  readonly value: string;
  readonly parameters: ReadonlyMap<string, string>;
  /** 0 (not at all) to 1. */
  readonly weight: number;
}

/**
 * @param accept - the header; undefined and '' take anything
 * @returns OpenMetrics only where it is preferred to text format 0.0.4
 */
export function formatFor(accept: string | undefined): Format {
  const choices = choicesIn(accept);
  let best: Format = 'text';
  let bestWeight = 0;
  for (const offer of FORMATS) {
    const weight = weightOf(offer, choices);
    if (weight <= bestWeight) continue;
    best = offer.format;
    bestWeight = weight;
  }
  return best;
}

/**
 * @param acceptEncoding - the header; undefined and '' take no coding
 * @param offered - best first: it decides between those of one weight
 */
export function codingFor(acceptEncoding: string | undefined, offered: readonly Coding[]): Coding {
  const weights = new Map(choicesIn(acceptEncoding).map(({ value, weight }) => [value, weight]));
  // `*` stands for those not named, and is said by old clients: they get what all of them can read.
  const weightOfCoding = (coding: Coding) => weights.get(coding) ?? (coding === 'gzip' ? weights.get('*') : 0) ?? 0;
  let best: Coding = 'identity';
  // Not to be coded is worth something only to who says so.
  let bestWeight = weights.get('identity') ?? 0;
  for (const coding of offered) {
    const weight = weightOfCoding(coding);
    if (weight === 0 || weight < bestWeight || (weight === bestWeight && best !== 'identity')) continue;
    best = coding;
    bestWeight = weight;
  }
  return best;
}

// That of the most specific range it is in.
function weightOf({ type, version }: (typeof FORMATS)[number], choices: readonly Choice[]): number {
  const ranges = ['*/*', `${type.split('/')[0]}/*`, type];
  let weight = 0;
  let known = -1;
  for (const choice of choices) {
    const asked = choice.parameters.get('version');
    const charset = choice.parameters.get('charset')?.toLowerCase() ?? 'utf-8';
    if (asked !== undefined && asked !== version) continue;
    const place = charset === 'utf-8' ? ranges.indexOf(choice.value) : -1;
    const specific = place === -1 ? -1 : place + (asked === undefined ? 0 : 1);
    if (specific < known || place === -1) continue;
    weight = specific === known ? Math.max(weight, choice.weight) : choice.weight;
    known = specific;
  }
  return weight;
}

function choicesIn(header: string | undefined): Choice[] {
  return (header ?? '').split(',').map((part) => {
    const [value = '', ...rest] = part.split(';').map((text) => text.trim());
    const parameters = new Map(rest.map(parameterOf));
    return { value: value.toLowerCase(), parameters, weight: weightIn(parameters.get('q')) };
  });
}

function parameterOf(text: string): [string, string] {
  const [name = '', value = ''] = text.split('=', 2).map((side) => side.trim());
  return [name.toLowerCase(), value.replace(/^"(.*)"$/, '$1')];
}

// What is no number is no wish.
function weightIn(quality: string | undefined): number {
  const weight = quality === undefined ? 1 : Number(quality);
  return weight > 0 ? Math.min(weight, 1) : 0;
}
