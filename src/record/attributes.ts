/**
 * What of an app's attributes becomes labels. An app may give anything here, objects that it changes afterwards, a whole
 * request body or what throws when it is looked at: nothing of that may throw, grow without bound, or lose the measurement.
 */
import { createHash } from 'node:crypto';
import type { Attributes } from '../snapshot/series-table.ts';

/** Letters of a name or a value; what is longer is cut, with a hash of the whole behind it. */
export const MAX_TEXT_LENGTH = 256;
/** Attributes of one measurement; of more, the first by name are kept. */
export const MAX_ATTRIBUTES = 64;
// A separator and 64 bits: two texts of one beginning stay two.
const HASH_LENGTH = 16;

/** Attributes that can be kept: copied, with values that are text, numbers or booleans. */
export interface TamedAttributes {
  readonly attributes: Attributes;
  /** What is not as the app gave it, as a sentence's end; undefined where nothing is lost. */
  readonly problem: string | undefined;
}

/**
 * A text that is equal for equal attributes, whatever their order. On the path of every measurement.
 *
 * @returns undefined for attributes that have to be tamed first
 * @throws never
 */
export function keyOfAttributes(attributes: unknown): string | undefined {
  if (attributes === undefined) return '';
  if (typeof attributes !== 'object') return undefined;
  try {
    return keyOf(attributes as Record<string, unknown>);
  } catch {
    // A getter, a proxy, null: taming says what is wrong with it.
    return undefined;
  }
}

/**
 * A copy of whatever was given as attributes. Values that are undefined or null are as if they were not there; lists,
 * BigInts and objects become text, by JSON where there is no better one; what has no text is left out.
 *
 * @throws never
 */
export function tameAttributes(given: unknown): TamedAttributes {
  const attributes: Record<string, unknown> = {};
  let problem: string | undefined;
  if (given === undefined || given === null) return { attributes, problem };
  if (typeof given !== 'object') return { attributes, problem: `are a ${typeof given}` };
  try {
    const names = Object.keys(given).sort();
    if (names.length > MAX_ATTRIBUTES) problem = `are ${names.length}, of which ${MAX_ATTRIBUTES} are kept`;
    for (const name of names.slice(0, MAX_ATTRIBUTES)) {
      const value = tameValue(given as Record<string, unknown>, name);
      problem ??= value.problem;
      if (value.kept !== undefined) define(attributes, shortText(name), value.kept);
      if (name.length > MAX_TEXT_LENGTH) problem ??= `have a name of ${name.length} letters, which is cut`;
    }
  } catch {
    problem ??= 'cannot be read';
  }
  return { attributes, problem };
}

/** At most MAX_TEXT_LENGTH letters, different for different texts. */
export function shortText(text: string): string {
  if (text.length <= MAX_TEXT_LENGTH) return text;
  const hash = createHash('sha256').update(text).digest('hex').slice(0, HASH_LENGTH);
  return `${text.slice(0, MAX_TEXT_LENGTH - HASH_LENGTH - 1)}~${hash}`;
}

// Lengths in front, so that no name or value can look like the beginning of another.
function keyOf(attributes: Record<string, unknown>): string | undefined {
  const names = Object.keys(attributes);
  if (names.length > MAX_ATTRIBUTES) return undefined;
  if (names.length > 1) names.sort();
  let key = '';
  for (const name of names) {
    const value = attributes[name];
    if (name.length > MAX_TEXT_LENGTH) return undefined;
    switch (typeof value) {
      case 'string':
        if (value.length > MAX_TEXT_LENGTH) return undefined;
        key += `${name.length}:${name}${value.length}:${value}`;
        break;
      case 'number':
        if (!Number.isFinite(value)) return undefined;
        key += `${name.length}:${name}=${value};`;
        break;
      case 'boolean':
        key += `${name.length}:${name}${value}`;
        break;
      default:
        if (value !== undefined && value !== null) return undefined;
    }
  }
  return key;
}

interface TamedValue {
  readonly kept?: string | number | boolean;
  readonly problem?: string;
}

function tameValue(attributes: Record<string, unknown>, name: string): TamedValue {
  try {
    const value = attributes[name];
    if (value === undefined || value === null) return {};
    if (typeof value === 'boolean') return { kept: value };
    if (typeof value === 'number') return { kept: Number.isFinite(value) ? value : String(value) };
    if (typeof value === 'string') return cut(name, value);
    if (Array.isArray(value)) return cut(name, JSON.stringify(value, replaceBigInt));
    const problem = `have ${shortText(name)} as ${typeof value}`;
    const text = typeof value === 'bigint' ? String(value) : textOfJson(value);
    return text === undefined ? { problem } : { kept: shortText(text), problem };
  } catch {
    return { problem: `have ${shortText(name)}, which has no text` };
  }
}

function cut(name: string, text: string): TamedValue {
  const kept = shortText(text);
  return kept === text
    ? { kept }
    : { kept, problem: `have ${shortText(name)} with ${text.length} letters, which is cut` };
}

// A Date or a URL is a text of its own in JSON, and is not shown in quotes.
function textOfJson(value: unknown): string | undefined {
  const json = JSON.stringify(value, replaceBigInt);
  return json?.startsWith('"') ? JSON.parse(json) : json;
}

function replaceBigInt(_name: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}

// `__proto__` is a name like any other.
function define(attributes: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(attributes, name, { value, enumerable: true, configurable: true, writable: true });
}
