/** What settings can be: each function gives how people are told what is accepted, and the parser that holds it. */
import { resolve } from 'node:path';
import { type Accepted, GAUGE_MODES, type GaugeMode } from './setting-row.ts';

const UNIT_MS = { ms: 1, s: 1000, m: 60_000 } as const;
const MAX_TIMER_MS = 2 ** 31 - 1;
const MAX_BUCKETS = 50;
// OpenTelemetry's specification has no limit; its detector for Node has this one, and labels are for people.
const MAX_ATTRIBUTE_LENGTH = 255;
const METRIC_NAME = /^(?:\*|[a-zA-Z_:][\w:]*)$/;

/** Digits alone: no sign, no fraction, no exponent. */
export function integer(min: number, max: number): Accepted<number> {
  return {
    accepts: `a whole number from ${min} to ${max}`,
    parse: (text) => {
      const value = Number(text);
      return /^\d+$/.test(text) && value >= min && value <= max ? value : undefined;
    },
  };
}

/** Words in any case, given as they are in the table. */
export function oneOf<T extends string>(...values: readonly T[]): Accepted<T> {
  return {
    accepts: `one of ${values.join(', ')}`,
    parse: (text) => values.find((value) => value === text.toLowerCase()),
  };
}

/** OpenTelemetry's variables take these two words alone. */
export function boolean(): Accepted<boolean> {
  return { accepts: 'true or false', parse: (text) => booleanOf(text, ['true'], ['false']) };
}

/** Those that are older than OpenTelemetry's are also set by other words; a `1` must not leave a door open. */
export function flag(): Accepted<boolean> {
  return {
    accepts: 'true or false (1, yes and on, 0, no and off are understood)',
    parse: (text) => booleanOf(text, ['true', '1', 'yes', 'on'], ['false', '0', 'no', 'off']),
  };
}

/** A bare number counts in `unit`, the one the default is told in; ms, s and m may be written behind it. */
export function duration(unit: keyof typeof UNIT_MS, minMs: number): Accepted<number> {
  return {
    accepts: `a time such as 500ms, 5s or 2m (a bare number counts ${unit}), ${minMs} to ${MAX_TIMER_MS} ms`,
    parse: (text) => {
      const match = /^(\d+(?:\.\d+)?)\s*(ms|s|m)?$/.exec(text);
      if (!match) return undefined;
      const valueMs = Number(match[1]) * UNIT_MS[(match[2] as keyof typeof UNIT_MS) ?? unit];
      return valueMs >= minMs && valueMs <= MAX_TIMER_MS ? valueMs : undefined;
    },
    format: (valueMs) => (valueMs % 1000 === 0 ? `${valueMs / 1000}s` : `${valueMs}ms`),
  };
}

/** A name or an address, without a port, of IPv6 in brackets as well; whether it is there shows when it is used. */
export function host(accepts: string): Accepted<string> {
  return { accepts, parse: (text) => /^(?:([\w.:%-]+)|\[([\w.:%-]+)\])$/.exec(text)?.slice(1).find(Boolean) };
}

/** Any text in one line; '' says that it is not set. */
export function line(accepts: string): Accepted<string> {
  return { accepts, parse: (text) => (/\p{Cc}/u.test(text) ? undefined : text) };
}

/** Kept short of what Redis patterns would take for a wildcard. */
export function keyPrefix(): Accepted<string> {
  return {
    accepts: 'up to 100 letters, digits and . _ - : without a space',
    parse: (text) => (/^[\w.:-]{1,100}$/.test(text) ? text : undefined),
  };
}

/** Made absolute by the working directory of now: a process may change it later. */
export function directory(): Accepted<string> {
  return {
    accepts: 'a directory this user can write to',
    parse: (text) => {
      try {
        return text.includes('\0') ? undefined : resolve(text);
      } catch {
        // A relative path in a working directory that is gone.
        return undefined;
      }
    },
  };
}

/** The database is the path of the URL; nothing else of a password that was not encoded may end up in another part. */
export function redisUrl(): Accepted<string> {
  return {
    accepts: 'a URL such as redis://user:password@host:6379/0 or rediss://..., its parts percent-encoded',
    parse: (text) => {
      if (text === '') return text;
      const url = URL.canParse(text) ? new URL(text) : undefined;
      const scheme = url && /^rediss?:$/.test(url.protocol) && /^rediss?:\/\//i.test(text);
      if (!scheme || !url.hostname || !/^(\/\d*)?$/.test(url.pathname)) return undefined;
      return url.hash || url.search.includes('@') ? undefined : text;
    },
  };
}

/** Upper bounds of a histogram above 0; +Inf is not told. */
export function buckets(): Accepted<readonly number[]> {
  return {
    accepts: `up to ${MAX_BUCKETS} increasing numbers of seconds, separated by commas`,
    parse: (text) => {
      const bounds = text.split(',').map(Number);
      const increasing = bounds.every((bound, i) => Number.isFinite(bound) && bound > (bounds[i - 1] ?? 0));
      return increasing && bounds.length <= MAX_BUCKETS ? bounds : undefined;
    },
  };
}

/** Words separated by commas, each once; those of `alone` go with no other. */
export function listOf<T extends string>(words: readonly T[], alone: readonly T[]): Accepted<readonly T[]> {
  const company = alone.length === 0 ? '' : ` (${alone.join(' and ')}: alone)`;
  return {
    accepts: `one or more of ${words.join(', ')}, separated by commas${company}`,
    parse: (text) => {
      const list = split(text).map((part) => words.find((word) => word === part.toLowerCase()));
      const known = list.filter((word) => word !== undefined);
      if (known.length === 0 || known.length < list.length) return undefined;
      return known.length > 1 && known.some((word) => alone.includes(word)) ? undefined : [...new Set(known)];
    },
  };
}

/** Names that other tools may know; '' is none of them. */
export function instrumentations(): Accepted<readonly string[]> {
  return {
    accepts: 'short names such as http, separated by commas',
    parse: (text) => {
      const list = split(text).map((name) => name.toLowerCase());
      return list.every((name) => /^[a-z0-9_-]+$/.test(name)) ? [...new Set(list)] : undefined;
    },
  };
}

/** By name as scraped, `*` for all others; in modes as Python users write them. */
export function gaugeModes(): Accepted<Readonly<Record<string, GaugeMode>>> {
  return {
    accepts: `name=mode pairs, separated by commas: names as scraped or *, each once, modes ${GAUGE_MODES.join(' ')}`,
    parse: (text) => {
      const modes = pairs(text).map(([name, mode]) => [name, GAUGE_MODES.find((known) => known === mode)] as const);
      const valid = modes.every(([name, mode]) => METRIC_NAME.test(name) && mode !== undefined);
      const names = new Set(modes.map(([name]) => name));
      return valid && names.size === modes.length
        ? (Object.freeze(Object.fromEntries(modes)) as Record<string, GaugeMode>)
        : undefined;
    },
    format: (modes) =>
      entries(modes)
        .map((pair) => pair.join('='))
        .join(','),
  };
}

/**
 * As OpenTelemetry's specification of resources has it: keys and values percent-encoded, all refused when one is bad.
 * @see https://opentelemetry.io/docs/specs/otel/resource/sdk/#specifying-resource-information-via-an-environment-variable
 */
export function attributes(): Accepted<Readonly<Record<string, string>>> {
  return {
    accepts: 'key=value pairs, separated by commas, percent-encoded (a comma is %2C, an equals sign %3D)',
    parse: (text) => {
      try {
        const decoded = pairs(text).map((pair) => pair.map(decodeURIComponent) as [string, string]);
        const valid = decoded.every(
          ([key, value]) => key !== '' && key.length <= MAX_ATTRIBUTE_LENGTH && value.length <= MAX_ATTRIBUTE_LENGTH,
        );
        return valid ? Object.freeze(Object.fromEntries(decoded)) : undefined;
      } catch {
        // A percent sign that encodes nothing.
        return undefined;
      }
    },
    format: (values) =>
      entries(values)
        .map((pair) => pair.map((part) => encodeURIComponent(String(part))).join('='))
        .join(','),
  };
}

function booleanOf(text: string, yes: readonly string[], no: readonly string[]): boolean | undefined {
  const word = text.toLowerCase();
  return yes.includes(word) || (no.includes(word) ? false : undefined);
}

// An empty part counts for nothing: a comma at the end is no mistake.
function split(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean);
}

// Of a number there would be none, as of an empty object.
function entries(map: object): [string, unknown][] {
  if (typeof map !== 'object') throw new TypeError('no object');
  return Object.entries(map);
}

// What is no pair is refused by its key, which is then empty.
function pairs(text: string): [string, string][] {
  return split(text).map((part) => {
    const sides = part.split('=').map((side) => side.trim());
    return sides.length === 2 ? [sides[0]!, sides[1]!] : ['', ''];
  });
}
