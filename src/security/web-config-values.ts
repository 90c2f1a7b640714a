/** What single values of a web configuration may be. A value that is wrong is quoted only where it cannot be a secret. */
import type { Place, Reader } from './yaml-place.ts';

// In this thread, in JavaScript: 15 takes seconds already, 31 would take days.
const BCRYPT_COSTS = { min: 4, max: 15 };
const BCRYPT = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/;
const SHA256 = /^sha256:[0-9a-f]{64}$/i;

const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['yes', true],
  ['on', true],
  ['false', false],
  ['no', false],
  ['off', false],
]);

// As Go writes durations.
const DURATION = /^(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+$/;
const UNITS_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** One of these names, as what it stands for. */
export function oneOf<T>(values: ReadonlyMap<string, T>): Reader<T> {
  return (place) => {
    const name = place.text();
    const value = values.get(name);
    if (value !== undefined) return value;
    throw place.problem(
      `is "${name.slice(0, 64).replaceAll(/[^\x20-\x7e]/g, '?')}": accepted are ${[...values.keys()].join(', ')}`,
    );
  };
}

/** Names that stand for themselves. */
export function names(...values: string[]): ReadonlyMap<string, string> {
  return new Map(values.map((value) => [value, value]));
}

/** `true` and `false`, and what YAML 1.1 writes for them. */
export function bool(place: Place): boolean {
  const value = BOOLEANS.get(place.text().toLowerCase());
  if (value === undefined) throw place.problem('is true or false');
  return value;
}

/** A whole number, 0 or more. */
export function whole(place: Place): number {
  const text = place.text();
  if (!/^\d{1,9}$/.test(text)) throw place.problem('is a whole number');
  return Number(text);
}

/** Milliseconds. */
export function duration(place: Place): number {
  const text = place.text();
  if (text === '0') return 0;
  if (!DURATION.test(text)) throw place.problem('is a time such as 500ms, 1s or 1m30s');
  let ms = 0;
  for (const [, amount, unit] of text.matchAll(/([\d.]+)([a-zµ]+)/g)) ms += Number(amount) * UNITS_MS[unit!]!;
  return ms;
}

/** A bcrypt hash. */
export function hash(place: Place): string {
  if (place.isEmpty) throw place.problem('has no hash: accepted is one of bcrypt, by htpasswd -nBC 10 ""');
  const text = place.text();
  const cost = Number(BCRYPT.exec(text)?.[1]);
  if (Number.isNaN(cost)) throw place.problem('is no bcrypt hash: htpasswd -nBC 10 "" makes one');
  if (cost >= BCRYPT_COSTS.min && cost <= BCRYPT_COSTS.max) return text;
  throw place.problem(`is a bcrypt hash of cost ${cost}: accepted are ${BCRYPT_COSTS.min} to ${BCRYPT_COSTS.max}`);
}

/** The hash of a token: bcrypt's, or SHA-256's for tokens that are random anyway. */
export function tokenHash(place: Place): string {
  if (!place.isEmpty && SHA256.test(place.text())) return place.text().toLowerCase();
  if (!place.isEmpty && BCRYPT.test(place.text())) return hash(place);
  throw place.problem('is neither a bcrypt hash nor sha256: and 64 hexadecimal digits');
}
